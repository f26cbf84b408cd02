/** What control asks of the engine, and the way of each answer back. */
import type { ToControl, ToEngine } from "../channel.ts";
import type { Reload } from "./reload.ts";
import type { Restart } from "./restart.ts";
import type { Input } from "@holdfast/core/effects.ts";
import type { EventLevel } from "@holdfast/core/wire/messages.ts";
import type { NodeName } from "@holdfast/core/units/names.ts";

export interface AskedOfEngine {
  readonly view: () => Pick<Extract<ToControl, { kind: "view" }>, "view" | "engine" | "links">;
  readonly input: (input: Input) => void;
  readonly reload: Reload;
  readonly restart: Restart;
  readonly trouble: (code: string, text: string, level: EventLevel) => void;
  readonly send: (message: ToControl) => void;
}

export function takeFromControl(message: ToEngine, asked: AskedOfEngine): void {
  switch (message.kind) {
    case "view":
      return asked.send({ kind: "view", id: message.id, ...asked.view() });
    case "request": {
      const { id, action, timeout_ms } = message;
      return asked.input({ kind: "request", request: id, target: message.target as NodeName, action, timeout_ms });
    }
    case "reload":
      return void asked.reload.ask(message, (answer) => asked.send({ kind: "reloaded", id: message.id, answer }));
    case "confirm":
      return asked.send({ kind: "reloaded", id: message.id, answer: asked.reload.confirm() });
    case "restart":
      return asked.restart.ask(message.timeout_ms, (code, text) =>
        asked.send({ kind: "reply", id: message.id, code, text }),
      );
    case "trouble":
      return asked.trouble(message.code, message.text, message.level);
    case "listening":
      return;
  }
}
