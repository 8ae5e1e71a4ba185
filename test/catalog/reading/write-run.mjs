/**
 * Another process that writes a run: `node write-run.mjs <file> <events>`. Prints the uid of the run, then writes an event
 * about every 5 milliseconds with the moment at which it was made. Without a number of events it goes on until killed.
 */
import { setInterval } from "node:timers/promises";
import { RunWriter } from "sluice/catalog";

const [, , path, count = "Infinity"] = process.argv;
const writer = new RunWriter(path, { name: "PS" });
await writer.open();
console.log(await writer.openRun("follow_me"));
await writer.openStream("primary", { made: { source: "clock", dtype: "number", shape: [] } });
let written = 0;
for await (const _ of setInterval(5)) {
  await writer.writeEvent({ made: performance.timeOrigin + performance.now() });
  if (++written >= Number(count)) break;
}
await writer.closeRun();
await writer.close();
