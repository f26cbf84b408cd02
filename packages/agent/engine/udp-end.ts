/** A link's end on UDP: datagrams to each peer's own address, or to a multicast group that all have joined. */
import { type EndContext, type LinkEnd, type Place, placeOn, Tagged, type Transport, untagged } from "./link-end.ts";
import type { UdpLink } from "@holdfast/core/cluster.ts";
import type { IpAddress } from "@holdfast/core/units/ip.ts";
import { failure, type Result, success } from "@holdfast/core/units/result.ts";
import { receiverTag } from "@holdfast/core/wire/receiver-tag.ts";
import { native } from "@holdfast/linux/load.ts";
import { joinGroup, sendToGroups } from "@holdfast/linux/packet/multicast.ts";
import { openUdp, type UdpEvents } from "@holdfast/linux/packet/udp.ts";

export function udpEnd(config: UdpLink, address: IpAddress, context: EndContext): LinkEnd {
  const locate = (): Result<Place, string> => {
    const adapter = context.adapters.all().find((each) => each.addresses.some((held) => held.address === address));
    return adapter === undefined ? failure(`no interface has the address ${address}`) : success(placeOn(adapter));
  };
  const open =
    config.multicast === undefined
      ? (place: Place) => openUnicast(config, address, place, context)
      : (place: Place) => openMulticast(config, config.multicast as IpAddress, address, place, context);
  return { locate, open };
}

function eventsOf({ events }: EndContext, tagged: boolean): UdpEvents {
  return {
    datagram: (bytes, from) => void events.datagram(tagged ? untagged(bytes) : bytes, () => from.address),
    drained: events.drained,
  };
}

function openUnicast(
  { name, port }: UdpLink,
  address: IpAddress,
  { device }: Place,
  context: EndContext,
): Result<Transport, string> {
  const opened = openUdp(native, { address, port, device }, eventsOf(context, false));
  if (!opened.ok) return opened;
  const socket = opened.value;
  return success({
    send: (to, datagram) => {
      const there = to.links[name];
      if (there !== undefined) socket.send(there, port, datagram);
    },
    read: () => socket.read(),
    close: () => socket.close(),
  });
}

/** Every heartbeat is for one peer: its tag is behind it, and the kernel of every other node drops it. */
function openMulticast(
  { port }: UdpLink,
  group: IpAddress,
  address: IpAddress,
  { device }: Place,
  context: EndContext,
): Result<Transport, string> {
  const index = native.interfaceIndex(device);
  const prepareSender = (fd: number): void => sendToGroups(native, fd, group, index);
  // To its own address comes, without a tag, what nodes send that have not taken the group over yet.
  const sender = openUdp(native, { address, port, device, prepare: prepareSender }, eventsOf(context, false));
  if (!sender.ok) return sender;
  const prepareReceiver = (fd: number): void => joinGroup(native, fd, group, index, receiverTag(context.self));
  const receiver = openUdp(native, { address: group, port, device, prepare: prepareReceiver }, eventsOf(context, true));
  if (!receiver.ok) {
    sender.value.close();
    return receiver;
  }
  const tagged = new Tagged();
  return success({
    send: (to, datagram) => {
      const bytes = tagged.of(receiverTag(to.name), datagram);
      if (bytes !== undefined) sender.value.send(group, port, bytes);
    },
    read: () => {
      sender.value.read();
      receiver.value.read();
    },
    close: () => {
      sender.value.close();
      receiver.value.close();
    },
  });
}
