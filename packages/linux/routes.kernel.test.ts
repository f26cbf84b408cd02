/** Which addresses a machine takes packets in for. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { kernelTest, Namespace } from "./kernel-testing.ts";
import { native } from "./load.ts";
import { NETLINK_ROUTE } from "./netlink/links.ts";
import { MessageWriter } from "./netlink/message.ts";
import { isLocal } from "./netlink/routes.ts";
import { RequestSocket } from "./netlink/socket.ts";

describe("local routes", kernelTest(), () => {
  const namespace = new Namespace();
  after(() => namespace.remove());

  test("an address is local from when the kernel takes its packets in until it is removed, a neighbour's never", async () => {
    namespace.run("ip", "link", "add", "ve0", "type", "veth", "peer", "name", "ve1");
    for (const device of ["ve0", "ve1"]) namespace.run("ip", "link", "set", device, "up");
    const socket = namespace.inside(() => new RequestSocket(native, NETLINK_ROUTE));
    const writer = new MessageWriter();
    const looks = (address: string): boolean => isLocal(socket, writer, address as IpAddress);
    for (const [address, prefix, neighbour] of [
      ["10.7.0.1", "/24", "10.7.0.2"],
      ["fd07::1", "/64", "fd07::2"],
    ] as const) {
      assert.equal(looks(address), false);
      namespace.run(
        "ip",
        "address",
        "add",
        address + prefix,
        "dev",
        "ve0",
        ...(address.includes(":") ? ["nodad"] : []),
      );
      const end = performance.now() + 5000;
      while (!looks(address) && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 1));
      assert.equal(looks(address), true, address);
      assert.equal(looks(neighbour), false);
      namespace.run("ip", "address", "del", address + prefix, "dev", "ve0");
      assert.equal(looks(address), false);
    }
    socket.close();
  });
});
