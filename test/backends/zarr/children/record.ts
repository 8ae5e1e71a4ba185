// Records two devices into a store until it is killed, and prints what is announced, and a line when the store is open.
import { writeSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { DiskStore } from "../../../../backends/disk/store.ts";
import { ZarrWriter } from "../../../../backends/zarr/writer.ts";
import { frameOf } from "../support.ts";
import { devices } from "./devices.ts";

const [root = "", codec, durability, framesPerShard, pace] = process.argv.slice(2);
const store = new DiskStore({ root, durability: durability as "full" | "none" });
const writer = new ZarrWriter("run", async () => store, {
  uri: pathToFileURL(root).href,
  codec: codec as "none" | "blosc-zstd",
  shardBytes: Number(framesPerShard) * 8192,
});
for (const [name, { dtype, shape }] of Object.entries(devices)) writer.updateSource(name, dtype, shape);
const sinks = await Promise.all(Object.keys(devices).map((name) => writer.prepare(name)));
await writer.kickoff();
writeSync(1, "open\n");
for (const name of Object.keys(devices)) {
  void (async () => {
    // Told before anything else happens: the pipe keeps what was written when the process is killed.
    for await (const count of writer.observeIndicesWritten({ name })) writeSync(1, `${name} ${count}\n`);
  })();
}
for (let i = 0; ; i++) {
  for (const sink of sinks) {
    const { shape, dtype } = devices[sink.name as keyof typeof devices];
    await sink.write(frameOf(i, shape, dtype));
  }
  if (i % Number(pace) === 0) await setImmediate();
}
