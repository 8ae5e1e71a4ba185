/** Sends large frames for ever, and says how many were acknowledged. */
import { BackendSet } from "../../../registry/backend-set.ts";
import { createRegistry } from "../../../registry/builtin.ts";
import { ndArray } from "../../../src/core/nd-array.ts";
import { openBlobTier } from "../../../src/live/blobs/open-blob-tier.ts";
import { DataStore } from "../../../src/live/data-store.ts";
import { openRedisEngine } from "../../../src/live/engines/redis/index.ts";

const [url, root, place] = process.argv.slice(2) as [string, string, "segments" | "array"];
const backends = new BackendSet(createRegistry(), { frames: { use: "zarr", root } });
const options = place === "segments" ? { root, segmentBytes: 5e6 } : { backend: "frames" };
const blobs = await openBlobTier(options, backends);
const store = new DataStore(await openRedisEngine({ url }));
const scan = await store.createScan({ name: "killed" });
const writer = await scan.createStream("camera", { type: "frames", dtype: "uint16", shape: [512, 512] }, { blobs });
await scan.prepare();
await scan.start();
console.log(scan.key);
for (let i = 0; ; i++) {
  await writer.send(ndArray(new Uint16Array(512 * 512).fill(i), [512, 512]));
  console.log(i);
}
