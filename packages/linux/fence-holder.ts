/** For kernel tests: a process that opens the fence and keeps it open as a daemon does, until it is stopped or killed. */
import { Adapters } from "./adapters.ts";
import { openFence } from "./fence.ts";
import type { FenceOptions } from "./fence.ts";
import { native } from "./load.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as FenceOptions;
const opened = openFence(native, options);
if (!opened.ok) throw new Error(opened.error);
const fence = opened.value;
const adapters = new Adapters(native, {
  changed: (adapter) => void fence.coverInterface(adapter.index, adapter.name, adapter.port),
  removed: (adapter) => void fence.uncoverInterface(adapter.index),
});
fence.watch((detail) => console.log(`vanished: ${detail}`));
let number = 0;
const renew = (): void => {
  number++;
  for (const group of options.groups) {
    const armed = fence.arm(group.number, number);
    const committed = armed.ok ? fence.commit(group.number, number) : armed;
    if (!committed.ok) console.log(`refused: ${committed.error}`);
  }
};
renew();
setInterval(renew, 50);
console.log(`open ${fence.adopted ? "adopted" : "new"} ${adapters.all().length}`);
