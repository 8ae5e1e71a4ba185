/**
 * One process of several around a scan. `write <location> <owner> [key]` begins a scan, or goes on with one, and sends for
 * ever the index that each point will have; `follow <location> <key> <from>` reads. Both say each index once it is done.
 */
import { openLive } from "../../../src/live/open.ts";
import { scanStates } from "../../../src/live/scan-state.ts";

const [role, location = "", ...rest] = process.argv.slice(2);
const store = await openLive(location);

if (role === "write") {
  const [owner = "", key] = rest;
  const scan =
    key === undefined
      ? await store.createScan({ name: "several processes" }, { owner })
      : await store.resumeScan(key, { owner });
  if (scan.state === scanStates.CREATED) {
    await scan.createStream("data", { dtype: "float64" });
    await scan.prepare();
    await scan.start();
  }
  console.log(scan.key);
  const writer = scan.writer("data");
  for (;;) {
    const index = writer.length;
    await writer.send(index);
    console.log(index);
  }
} else {
  const [key = "", from = "0"] = rest;
  const stream = (await store.loadScan(key)).stream<{ data: Float64Array }, number>("data");
  for await (const view of await stream.cursor({ from: Number(from) })) {
    const { data } = await view.data();
    for (const [i, value] of data.entries()) {
      if (value !== view.index + i) throw new Error(`Point ${view.index + i} is ${value}`);
    }
    console.log(view.lastIndex);
  }
  await store[Symbol.asyncDispose]();
}
