/** For kernel tests: asks an address by UDP once a millisecond until its input ends, then tells how many were answered. */
import { createSocket } from "node:dgram";

const [target, port, source] = process.argv.slice(2);
const ANSWER_PATIENCE_MS = 300;
const socket = createSocket("udp4");
const unanswered = new Set<number>();
let sent = 0;

socket.on("message", (data) => {
  if (unanswered.delete(data.readUInt32BE()) && sent - unanswered.size === 1) console.log("answered");
});
socket.bind(0, source, () => {
  const began = performance.now();
  const asking = setInterval(() => {
    // A late timer catches up: the rate is kept.
    while (sent < performance.now() - began) {
      const question = Buffer.alloc(4);
      question.writeUInt32BE(sent);
      unanswered.add(sent++);
      socket.send(question, Number(port), target);
    }
  }, 1);
  process.stdin.on("end", () => {
    clearInterval(asking);
    setTimeout(() => {
      console.log(JSON.stringify({ sent, lost: unanswered.size }));
      process.exit(0);
    }, ANSWER_PATIENCE_MS);
  });
  process.stdin.resume();
});
