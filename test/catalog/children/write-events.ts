/** Writes so many events into a catalogue, and says which are committed. May be killed by its parent. */
import { RunWriter } from "../../../src/catalog/run-writer.ts";

const [location = "", count = "1"] = process.argv.slice(2);
const writer = new RunWriter(location, { name: "PS" }, { busyTimeoutMs: 30_000 });
await writer.open();
process.stdout.write(`${await writer.openRun("scan", { metadata: { pid: process.pid } })}\n`);
await writer.openStream("primary", { i: {} });
for (let i = 1; i <= Number(count); i++) {
  await writer.writeEvent({ i });
  if (i % 10 !== 0) continue;
  await writer.flush();
  process.stdout.write(`${i}\n`);
}
await writer.closeRun();
await writer.close();
