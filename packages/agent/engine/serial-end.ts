/** A link's end on a serial line, to the one other node that has the other end. */
import type { EndContext, LinkEnd, Transport } from "./link-end.ts";
import type { SerialLink } from "@holdfast/core/cluster.ts";
import { type Result, success } from "@holdfast/core/units/result.ts";
import { native } from "@holdfast/linux/load.ts";
import { openSerial } from "@holdfast/linux/serial/serial-line.ts";

export function serialEnd({ baud }: SerialLink, path: string, context: EndContext): LinkEnd {
  return {
    // Whether it is there is found out by opening it.
    locate: () => success({ key: path, device: path, down: undefined }),
    open: () => open(path, baud, context),
  };
}

function open(path: string, baud: number, { interval_ms, events }: EndContext): Result<Transport, string> {
  const source = (): string => path;
  const opened = openSerial(
    native,
    { path, baud, interval_ms },
    {
      datagram: (bytes) => void events.datagram(bytes, source),
      garbled: () => events.garbled(source),
      drained: events.drained,
      gone: events.gone,
    },
  );
  if (!opened.ok) return opened;
  const line = opened.value;
  return success({
    send: (_to, datagram, canWait) => void (canWait ? line.sendLater(datagram) : line.send(datagram)),
    read: () => line.read(),
    close: () => line.close(),
  });
}
