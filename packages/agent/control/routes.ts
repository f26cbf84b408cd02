/** The routes of api/schema.ts: what each method and path answers. */
import type { History as HistoryAnswer, Outcome, Reload } from "@holdfast/api/schema.ts";
import { LONGEST_PAUSE_MS } from "@holdfast/core/node/pauses.ts";
import { type GroupName, isName, type NodeName } from "@holdfast/core/units/names.ts";
import type { OperatorAction } from "@holdfast/core/wire/messages.ts";
import { streamEvents } from "./event-stream.ts";
import type { History } from "./history.ts";
import { type Answer, type Handler, HttpFailure } from "./http-server.ts";
import { links } from "./link-table.ts";
import type { ReloadOutcome, Requests } from "./requests.ts";
import { status } from "./status.ts";
import type { Seen, ViewSource } from "./view-source.ts";
import { whyGroup, whyNode } from "./why.ts";

/** Half of the connections: followers never keep everybody else out. */
const FOLLOWERS_MAX = 32;
const HISTORY_DEFAULT = 200;
const TIMEOUT_DEFAULT_MS = 10_000;
const REASON_BYTES_MAX = 100;

const STATUS_OF: Readonly<Record<Outcome["code"], number>> = {
  done: 200,
  refused: 409,
  failed: 502,
  timeout: 504,
};

const RELOAD_STATUS_OF: Readonly<Record<Reload["code"], number>> = {
  done: 200,
  planned: 200,
  unchanged: 200,
  refused: 409,
  invalid: 422,
  failed: 502,
};

export interface Sources {
  readonly views: ViewSource;
  readonly history: History;
  readonly requests: Requests;
  readonly node: string;
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly wall: () => number;
}

export function routes(sources: Sources): Handler {
  let followers = 0;
  return async (request, response) => {
    const { method, url } = request;
    const route = url.pathname;
    allow(method, route);
    switch (route) {
      case "/v1/status": {
        const { history, version, wall } = sources;
        const seen = await view(sources);
        return ok(
          status(seen, {
            events: history.events(),
            alarms: history.alarms(),
            trouble: history.trouble(),
            version,
            wall_ms: wall(),
          }),
        );
      }
      case "/v1/links":
        return ok(links(await view(sources)));
      case "/v1/history":
        return ok(historyAnswer(sources, url));
      case "/v1/events": {
        const query = {
          follow: url.searchParams.get("follow") === "1",
          since: integer(url, "since"),
          last: integer(url, "last"),
        };
        if (query.follow && followers >= FOLLOWERS_MAX)
          throw new HttpFailure(503, "busy", `${FOLLOWERS_MAX} clients follow the events already`);
        followers++;
        response.once("close", () => followers--);
        streamEvents(response, sources.history, query);
        return "taken";
      }
      case "/v1/reload":
      case "/v1/confirm":
        return reload(sources, route, request.body);
      case "/v1/acknowledge":
      case "/v1/move":
      case "/v1/drain":
      case "/v1/undrain":
      case "/v1/pause":
      case "/v1/resume":
      case "/v1/restart":
        return act(sources, route, request.body);
      default:
        return why(sources, route);
    }
  };
}

const ACTING: ReadonlySet<string> = new Set(
  ["acknowledge", "move", "drain", "undrain", "pause", "resume", "restart", "reload", "confirm"].map(
    (word) => `/v1/${word}`,
  ),
);

function allow(method: string, route: string): void {
  const acting = ACTING.has(route);
  const looking =
    ["/v1/status", "/v1/links", "/v1/history", "/v1/events"].includes(route) ||
    /^\/v1\/why\/(group|node)\/[^/]+$/.test(route);
  if (!acting && !looking) throw new HttpFailure(404, "unknown-route", `there is no ${route.slice(0, 100)}`);
  const wanted = acting ? "POST" : "GET";
  if (method !== wanted)
    throw new HttpFailure(405, "wrong-method", `${route} is asked with ${wanted}`, null, {
      allow: wanted,
    });
}

function ok(body: object): Answer {
  return { status: 200, body };
}

async function view({ views, node }: Sources): Promise<Seen> {
  const seen = await views.ask();
  if (seen) return seen;
  throw new HttpFailure(503, "engine-silent", `the engine on ${node} does not answer`, "journalctl -u holdfast");
}

/** An unsigned integer of the query; undefined without one. */
function integer(url: URL, name: string): number | undefined {
  const text = url.searchParams.get(name);
  if (text === null) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new HttpFailure(400, "bad-query", `${name} is a whole number`);
  return Number(text);
}

function historyAnswer({ history, node }: Sources, url: URL): HistoryAnswer {
  const group = url.searchParams.get("group");
  const limit = integer(url, "limit") ?? HISTORY_DEFAULT;
  const events = history.events().filter((event) => group === null || event.group === group);
  return {
    schema: "holdfast.history/1",
    node,
    events: events.slice(Math.max(0, events.length - limit)),
    trouble: history.trouble() ?? null,
  };
}

async function why(sources: Sources, route: string): Promise<Answer> {
  const [, , , kind, name = ""] = route.split("/");
  const seen = await view(sources);
  const explain = kind === "group" ? whyGroup : whyNode;
  const answer = explain(seen, sources.history.events(), name, sources.wall());
  return answer ? ok(answer) : unknownName(seen, kind === "group" ? "group" : "node", name);
}

function unknownName({ view: { groups, nodes } }: Seen, kind: "group" | "node", name: string): never {
  const known = (kind === "group" ? groups : nodes).map((each) => each.name);
  const shown = isName(name) ? ` named ${name}` : " of that name";
  throw new HttpFailure(404, `unknown-${kind}`, `there is no ${kind}${shown}`, `there are: ${known.join(", ")}`);
}

async function reload(sources: Sources, route: string, body: unknown): Promise<Answer> {
  const fields = fieldsOf(body);
  if (route === "/v1/confirm") return answerOfReload(sources, await sources.requests.confirm(timeoutOf(fields)));
  const dryRun = fields["dry_run"] ?? false;
  const digest = fields["config"] ?? undefined;
  if (typeof dryRun !== "boolean") throw new HttpFailure(400, "bad-request", "dry_run is true or false");
  if (digest !== undefined && (typeof digest !== "string" || !/^[0-9a-f]{8}$/.test(digest)))
    throw new HttpFailure(400, "bad-request", "config is a digest of 8 hex digits");
  const confirm_ms = fields["confirm_ms"] ?? undefined;
  if (confirm_ms !== undefined && !(typeof confirm_ms === "number" && confirm_ms >= 1000 && confirm_ms <= 3_600_000))
    throw new HttpFailure(400, "bad-request", "confirm_ms is a number from 1000 to 3600000");
  return answerOfReload(sources, await sources.requests.reload({ dryRun, digest, confirm_ms }, timeoutOf(fields)));
}

function answerOfReload(sources: Sources, outcome: ReloadOutcome | undefined): Answer {
  if (outcome === undefined) throw new HttpFailure(503, "busy", "too many requests are under way", "try again");
  const answer: Reload = { schema: "holdfast.reload/1", node: sources.node, ...outcome };
  return { status: RELOAD_STATUS_OF[outcome.code], body: answer };
}

function fieldsOf(body: unknown): Readonly<Record<string, unknown>> {
  if (typeof body === "object" && body !== null && !Array.isArray(body))
    return body as Readonly<Record<string, unknown>>;
  throw new HttpFailure(400, "bad-request", "the body is a JSON object");
}

async function act(sources: Sources, route: string, body: unknown): Promise<Answer> {
  const fields = fieldsOf(body);
  const timeout_ms = timeoutOf(fields);
  const seen = await view(sources);
  if (seen.stale)
    throw new HttpFailure(503, "engine-silent", `the engine on ${sources.node} does not answer`, "holdfast status");
  if (route === "/v1/restart") return answerOf(await sources.requests.restart(timeout_ms));
  if (route === "/v1/acknowledge")
    return answerOf(await sources.requests.put(sources.node, { kind: "acknowledge" }, timeout_ms));
  const planned = plan(sources, seen, route, fields);
  if ("schema" in planned) return { status: STATUS_OF[planned.code], body: planned };
  return answerOf(await sources.requests.put(planned.target, planned.action, timeout_ms));
}

function answerOf(outcome: Outcome | undefined): Answer {
  if (!outcome) throw new HttpFailure(503, "busy", "too many requests are under way", "try again");
  return { status: STATUS_OF[outcome.code], body: outcome };
}

function timeoutOf(fields: Readonly<Record<string, unknown>>): number {
  const timeout_ms = fields["timeout_ms"] ?? TIMEOUT_DEFAULT_MS;
  if (typeof timeout_ms === "number" && timeout_ms >= 100 && timeout_ms <= 600_000) return timeout_ms;
  throw new HttpFailure(400, "bad-request", "timeout_ms is a number from 100 to 600000");
}

interface Planned {
  /** The node that must act. */
  readonly target: string;
  readonly action: OperatorAction;
}

function plan(
  sources: Sources,
  seen: Seen,
  route: string,
  fields: Readonly<Record<string, unknown>>,
): Planned | Outcome {
  switch (route) {
    case "/v1/move":
      return planMove(seen, fields);
    case "/v1/pause":
    case "/v1/resume":
      return planPause(sources.node, seen, route, fields);
    default:
      return planDrain(seen, route, fields);
  }
}

/** Any node can begin and end a pause: the others take it over. */
function planPause(
  target: string,
  seen: Seen,
  route: string,
  fields: Readonly<Record<string, unknown>>,
): Planned | Outcome {
  const absent = fields["group"] === undefined || fields["group"] === null;
  const group = absent ? undefined : (text(fields, "group") as GroupName);
  if (group !== undefined && !seen.view.groups.some(({ name }) => name === group)) unknownName(seen, "group", group);
  if (route === "/v1/resume") return { target, action: { kind: "resume", group } };
  const for_ms = fields["for_ms"];
  if (typeof for_ms !== "number" || !Number.isInteger(for_ms) || for_ms < 1 || for_ms > LONGEST_PAUSE_MS)
    throw new HttpFailure(400, "bad-request", `for_ms is a whole number from 1 to ${LONGEST_PAUSE_MS} (7 days)`);
  return { target, action: { kind: "pause", group, for_ms, reason: reasonOf(fields) } };
}

function reasonOf(fields: Readonly<Record<string, unknown>>): string {
  const reason = fields["reason"] === undefined ? "" : text(fields, "reason");
  if (Buffer.byteLength(reason) > REASON_BYTES_MAX)
    throw new HttpFailure(400, "bad-request", `reason has at most ${REASON_BYTES_MAX} bytes`);
  return reason;
}

/** Only the owner can hand a group over. */
function planMove(seen: Seen, fields: Readonly<Record<string, unknown>>): Planned | Outcome {
  const name = text(fields, "group");
  const group = seen.view.groups.find((candidate) => candidate.name === name);
  if (!group) return unknownName(seen, "group", name);
  const target = fields["target"] === undefined || fields["target"] === null ? undefined : text(fields, "target");
  if (target !== undefined && !seen.view.nodes.some((node) => node.name === target)) unknownName(seen, "node", target);
  if (group.claimed.length > 1)
    return refused(`${name} is claimed by ${group.claimed.join(" and ")}: see holdfast why ${name}`);
  if (!group.owner) return refused(`${name} has no owner to move it from: see holdfast why ${name}`);
  if (group.owner === target)
    return {
      schema: "holdfast.outcome/1",
      code: "done",
      text: `${name} is on ${target} already`,
      events: [],
    };
  return {
    target: group.owner,
    action: { kind: "move", group: name as GroupName, target: target as NodeName | undefined },
  };
}

function planDrain(seen: Seen, route: string, fields: Readonly<Record<string, unknown>>): Planned {
  const node = text(fields, "node");
  if (!seen.view.nodes.some((candidate) => candidate.name === node)) unknownName(seen, "node", node);
  if (route === "/v1/undrain") return { target: node, action: { kind: "undrain", node: node as NodeName } };
  return { target: node, action: { kind: "drain", node: node as NodeName, reason: reasonOf(fields) } };
}

function text(fields: Readonly<Record<string, unknown>>, name: string): string {
  const value = fields[name];
  if (typeof value === "string" && !/\p{Cc}/u.test(value)) return value;
  throw new HttpFailure(400, "bad-request", `${name} is a text without control characters`);
}

function refused(reason: string): Outcome {
  return { schema: "holdfast.outcome/1", code: "refused", text: reason, events: [] };
}
