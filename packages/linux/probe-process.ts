/**
 * For kernel tests: asks an address by UDP at a steady rate until its input ends, then tells how many questions were
 * answered, how many more than once, and by whom: the byte that an answer has behind its question.
 */
import { parseIp } from "@holdfast/core/units/ip.ts";
import { largeBuffers } from "./kernel-testing.ts";
import { openUdp } from "./packet/udp.ts";

const [targetText = "", port, sourceText = "", each_ms = "1"] = process.argv.slice(2);
const ANSWER_PATIENCE_MS = 300;
const RUN_MAX = 1 << 20;
const target = parseIp(targetText);
const source = parseIp(sourceText);
if (target === undefined || source === undefined)
  throw new Error("usage: target port source [questions a millisecond]");

const answers = new Uint8Array(RUN_MAX);
const answerers: Record<string, number> = {};
let sent = 0;
let answered = 0;
let duplicated = 0;

const opened = openUdp(
  largeBuffers,
  { address: source, port: 0 },
  {
    datagram: (data) => {
      const number = new DataView(data.buffer, data.byteOffset).getUint32(0);
      if (answers[number] !== 1) answered++;
      else duplicated++;
      answers[number] = 1;
      const who = data.length > 4 ? String.fromCharCode(data[4] ?? 0) : "-";
      answerers[who] = (answerers[who] ?? 0) + 1;
      if (answered === 1) console.log("answered");
    },
  },
);
if (!opened.ok) throw new Error(opened.error);
const socket = opened.value;
const question = new Uint8Array(4);
const began = performance.now();
const asking = setInterval(() => {
  // A late timer catches up: the rate is kept.
  const due = Math.min((performance.now() - began) * Number(each_ms), RUN_MAX);
  while (sent < due) {
    new DataView(question.buffer).setUint32(0, sent++);
    socket.send(target, Number(port), question);
  }
}, 1);
process.stdin.on("end", () => {
  clearInterval(asking);
  setTimeout(() => {
    console.log(JSON.stringify({ sent, lost: sent - answered, duplicated, answerers }));
    process.exit(0);
  }, ANSWER_PATIENCE_MS);
});
process.stdin.resume();
