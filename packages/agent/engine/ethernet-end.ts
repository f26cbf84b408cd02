/** A link's end on Ethernet: frames to a peer's own station once it was heard, and to all stations of such links before. */
import { type EndContext, type LinkEnd, type Place, placeOn, Tagged, type Transport, untagged } from "./link-end.ts";
import type { InterfaceName, NodeName } from "@holdfast/core/units/names.ts";
import type { Mac } from "@holdfast/core/units/mac.ts";
import { failure, type Result, success } from "@holdfast/core/units/result.ts";
import { receiverTag } from "@holdfast/core/wire/receiver-tag.ts";
import { native } from "@holdfast/linux/load.ts";
import { type EthernetSocket, GROUP, openEthernet } from "@holdfast/linux/packet/ethernet.ts";

/** After so many frames without an answer the peer may have another adapter now. */
const UNANSWERED_MAX = 8;

export function ethernetEnd(device: InterfaceName, context: EndContext): LinkEnd {
  return {
    locate: () => {
      const adapter = context.adapters.byName(device);
      return adapter === undefined ? failure(`there is no interface ${device}`) : success(placeOn(adapter));
    },
    open: (place) => open(device, place, context),
  };
}

function open(device: InterfaceName, place: Place, { self, events }: EndContext): Result<Transport, string> {
  const stations = new Stations();
  const options = { interface: device, index: Number.parseInt(place.key, 10), tag: receiverTag(self) };
  const opened = openEthernet(native, options, {
    frame: (data, source) => {
      const node = events.datagram(untagged(data), source);
      if (node !== undefined) stations.heard(node, source());
    },
    drained: events.drained,
  });
  if (!opened.ok) return opened;
  const socket: EthernetSocket = opened.value;
  const tagged = new Tagged();
  return success({
    send: (to, datagram) => {
      const frame = tagged.of(receiverTag(to.name), datagram);
      if (frame !== undefined) socket.send(stations.of(to.name), frame);
    },
    read: () => socket.read(),
    close: () => socket.close(),
  });
}

/** Where each peer was last heard from. Only what was authentic counts. */
class Stations {
  readonly #known = new Map<NodeName, { mac: Mac; unanswered: number }>();

  heard(node: NodeName, mac: Mac): void {
    const known = this.#known.get(node);
    if (known === undefined) {
      this.#known.set(node, { mac, unanswered: 0 });
      return;
    }
    known.mac = mac;
    known.unanswered = 0;
  }

  /** Where the next frame for the node goes. */
  of(node: NodeName): Mac {
    const known = this.#known.get(node);
    if (known === undefined || known.unanswered >= UNANSWERED_MAX) return GROUP;
    known.unanswered += 1;
    return known.mac;
  }
}
