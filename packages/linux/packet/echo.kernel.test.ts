/** Echoes from an address against real kernels: what comes back to it by its interface counts, and nothing else. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { join, kernelTest, Namespace, pause, until } from "../kernel-testing.ts";
import { native } from "../load.ts";
import { defaultGateways } from "../netlink/gateways.ts";
import { NETLINK_ROUTE } from "../netlink/links.ts";
import { MessageWriter } from "../netlink/message.ts";
import { listNeighbours } from "../netlink/neighbours.ts";
import { RequestSocket } from "../netlink/socket.ts";
import { EchoSocket } from "./echo.ts";

const ip = (text: string): IpAddress => text as IpAddress;
const TOKEN = Uint8Array.from({ length: 16 }, (_, i) => 17 * i);

describe("echoes", kernelTest(), () => {
  const [here, there] = [new Namespace(), new Namespace()];
  join(here, there, "one", 96);
  join(here, there, "two", 97);
  const sockets: EchoSocket[] = [];
  const [index, second] = here.inside(() => [native.interfaceIndex("one"), native.interfaceIndex("two")] as const);
  const netlink = here.inside(() => new RequestSocket(native, NETLINK_ROUTE));
  const writer = new MessageWriter();
  after(() => {
    for (const each of sockets) each.close();
    netlink.close();
    for (const each of [here, there]) each.remove();
  });
  const open = (address: string, token = TOKEN, name = "one"): { readonly socket: EchoSocket; heard: string[] } => {
    const heard: string[] = [];
    const on = { name, index: name === "one" ? index : second };
    const socket = here.inside(
      () =>
        new EchoSocket(native, { address: ip(address), interface: on, token }, (from, n) => heard.push(`${from} ${n}`)),
    );
    sockets.push(socket);
    return { socket, heard };
  };

  for (const [family, own, other] of [
    [4, "10.96.0.1", "10.96.0.2"],
    [6, "fd96::1", "fd96::2"],
  ] as const) {
    test(`IPv${family}: a reply is heard with its sequence by the socket that asked, not by one with another token`, async () => {
      const [asker, stranger] = [
        open(own),
        open(
          own,
          TOKEN.map((byte) => byte ^ 255),
        ),
      ];
      await until("answered", () => {
        asker.socket.ask(ip(other), 7);
        return asker.heard.length > 0;
      });
      assert.equal(asker.heard[0], `${other} 7`);
      here.run("ping", "-c", "1", "-W", "2", other);
      await pause(20);
      assert.deepEqual(stranger.heard, []);
      assert.deepEqual([...new Set(asker.heard)], [`${other} 7`], "nor what ping asked");
    });

    test(`IPv${family}: the kernel's neighbours have who answered, with its MAC and a fresh sign`, () => {
      const found = listNeighbours(netlink, writer, index, family).find(({ address }) => address === other);
      const shown = here.run("ip", "neighbour", "show", "to", other, "dev", "one");
      assert.ok(found !== undefined && shown.includes(found.mac), shown);
      assert.ok(found.confirmedAge_ms < 30_000, `${found.confirmedAge_ms} ms`);
      assert.deepEqual(
        listNeighbours(netlink, writer, second, family).filter(({ address }) => address === other),
        [],
        "those of another interface are not among them",
      );
    });
  }

  test("an answer that comes by another interface is none, and an address that is not here is refused", async () => {
    // There the way back to the address is the other cable.
    there.run("ip", "route", "add", "10.96.0.1/32", "dev", "two");
    const { socket, heard } = open("10.96.0.1");
    const control = open("10.97.0.1", TOKEN, "two");
    socket.ask(ip("10.96.0.2"), 1);
    await until("the control is answered", () => {
      control.socket.ask(ip("10.97.0.2"), 2);
      return control.heard.length > 0;
    });
    await pause(50);
    assert.deepEqual(heard, []);
    there.run("ip", "route", "del", "10.96.0.1/32", "dev", "two");
    assert.throws(() => open("10.96.0.9"), /echo bind.*EADDRNOTAVAIL/);
  });

  test("the gateways of default routes are those of the interface, of every table", () => {
    const gateways = (at: number, family: 4 | 6): readonly string[] => defaultGateways(netlink, writer, at, family);
    assert.deepEqual(gateways(index, 4), []);
    here.run("ip", "route", "add", "default", "via", "10.96.0.2", "dev", "one");
    here.run("ip", "route", "add", "default", "via", "10.96.0.3", "dev", "one", "table", "77");
    here.run("ip", "route", "add", "default", "via", "10.97.0.2", "dev", "two", "metric", "9");
    here.run("ip", "-6", "route", "add", "default", "via", "fd96::2", "dev", "one");
    assert.deepEqual(gateways(index, 4).toSorted(), ["10.96.0.2", "10.96.0.3"]);
    assert.deepEqual(gateways(second, 4), ["10.97.0.2"]);
    assert.deepEqual([gateways(index, 6), gateways(second, 6)], [["fd96::2"], []]);
  });
});
