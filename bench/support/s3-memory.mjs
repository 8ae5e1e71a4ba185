// How much memory a process takes while a long value streams through S3, up by a byte writer or down by a stream.
// Prints one line of JSON. Needs SLUICE_TEST_S3 and credentials where the SDK's chain looks.
//   node bench/support/s3-memory.mjs BUCKET up|down BYTES
import { BackendSet, createRegistry } from "../../dist/registry/index.js";

const MIB = 1 << 20;
const [bucket, direction, size] = process.argv.slice(2);
const byteLength = Number(size);
const backends = new BackendSet(createRegistry(), {
  s3: { use: "s3", endpoint: process.env.SLUICE_TEST_S3, bucket },
});
const store = await backends.store("s3");
// The baseline is a process that has done the same on a small scale: its code is loaded, its connections are open.
const up = async (key, length) => {
  const writer = await store.openWriter(key);
  const chunk = new Uint8Array(MIB).fill(7);
  for (let sent = 0; sent < length; sent += MIB) {
    chunk[0] = sent / MIB;
    await writer.write(chunk.subarray(0, Math.min(MIB, length - sent)));
    look();
  }
  await writer.close();
};
const down = async (key) => {
  let count = 0;
  for await (const piece of await store.readStream(key)) {
    count += piece.byteLength;
    look();
  }
  return count;
};
let [highRss, highBuffers] = [0, 0];
const look = () => {
  const { rss, arrayBuffers, external } = process.memoryUsage();
  highRss = Math.max(highRss, rss);
  highBuffers = Math.max(highBuffers, arrayBuffers, external);
};
await up("warm", MIB);
await down("warm");
[highRss, highBuffers] = [0, 0];
look();
const [rss, buffers] = [highRss, highBuffers];
const start = performance.now();
if (direction === "up") await up("long", byteLength);
else if ((await down("long")) !== byteLength) throw new Error("The stream ended early");
const seconds = (performance.now() - start) / 1000;
console.log(
  JSON.stringify({
    direction,
    mib: byteLength / MIB,
    mibPerSecond: byteLength / MIB / seconds,
    baselineRssMib: rss / MIB,
    rssGrowthMib: (highRss - rss) / MIB,
    bufferGrowthMib: (highBuffers - buffers) / MIB,
  }),
);
await backends.close();
