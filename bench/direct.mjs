// Large frames into Zarr, durable, through the cache of the system and past it. GIB says how much; a single round takes
// little. Beside the rate: the processor time, and the longest time that one frame waited.
import { loadavg } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { DiskStore } from "../dist/backends/disk/store.js";
import { ZarrWriter } from "../dist/backends/zarr/writer.js";
import { noiseFrames } from "./support/frames.mjs";
import { interleave, median } from "./support/interleave.mjs";

const rounds = Number(process.env.ROUNDS ?? 5);
const gibibytes = Number(process.env.GIB ?? (rounds === 1 ? 0.25 : 2));
const shape = [2048, 2048];
const frames = noiseFrames(8, shape);
const frameBytes = frames[0].data.byteLength;
const count = Math.ceil((gibibytes * 2 ** 30) / frameBytes);
const costs = new Map();

const acquire = (name, direct, durability) => ({
  name,
  run: async (directory) => {
    const root = join(directory, "run.zarr");
    const store = new DiskStore({ root, durability });
    const writer = new ZarrWriter("bench", async () => store, { direct, uri: pathToFileURL(root).href });
    writer.updateSource("cam", frames[0].dtype, frames[0].shape);
    const sink = await writer.prepare("cam");
    await writer.kickoff();
    const processor = process.cpuUsage();
    let longestMs = 0;
    for (let i = 0; i < count; i++) {
      const start = performance.now();
      await sink.write(frames[i % frames.length]);
      longestMs = Math.max(longestMs, performance.now() - start);
    }
    await sink.close();
    await store.close();
    const { user, system } = process.cpuUsage(processor);
    if (!costs.has(name)) costs.set(name, []);
    costs.get(name).push({ seconds: (user + system) / 1e6, longestMs });
    return (count * frameBytes) / 1e6;
  },
});

console.log(`direct: ${count} frames of 8 MiB, load ${loadavg()[0].toFixed(1)}`);
await interleave(
  "2048×2048 uint16, durable, through the cache and past it",
  [
    acquire("data, cache", "never", "data"),
    acquire("data, direct", "auto", "data"),
    acquire("full, cache", "never", "full"),
    acquire("full, direct", "auto", "full"),
    acquire("none, cache (not durable)", "never", "none"),
  ],
  { rounds, unit: "MB/s" },
);
console.log("  processor seconds per GB, and the longest wait of one frame in ms");
for (const [name, all] of costs) {
  const perGb = median(all.map(({ seconds }) => seconds)) / ((count * frameBytes) / 1e9);
  console.log(
    `  ${name.padEnd(26)} ${perGb.toFixed(2)} ${Math.max(...all.map(({ longestMs }) => longestMs)).toFixed(0)}`,
  );
}
console.log(`  load ${loadavg()[0].toFixed(1)} at the end`);
