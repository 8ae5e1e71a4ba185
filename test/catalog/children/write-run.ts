/** Writes events and images into a beamtime file, for ever, and says which events are committed. Killed by its parent. */
import { RunWriter } from "../../../src/catalog/run-writer.ts";
import { ndArray } from "../../../src/core/nd-array.ts";

const [path = "", imageEvery = "3", last = "Infinity"] = process.argv.slice(2);
const writer = new RunWriter(path, { name: "PS" }, { commitRows: 16 });
await writer.open();
const run = await writer.openRun("scan", { metadata: { pid: process.pid } });
await writer.openStream("primary", { i: {} });
process.stdout.write(`${run}\n`);
for (let i = 1; i <= Number(last); i++) {
  const event = await writer.writeEvent({ i });
  if (i % Number(imageEvery) === 0) {
    const image = ndArray(new Uint32Array(32 * 32).fill(i), [32, 32]);
    await writer.writeImage(event, "cam", image);
  }
  if (i % 10 !== 0) continue;
  await writer.flush();
  process.stdout.write(`${i}\n`);
}
await writer.closeRun();
await writer.close();
