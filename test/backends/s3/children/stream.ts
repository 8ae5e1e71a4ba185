/**
 * Streams a long value into a bucket, or out of it, and tells how far memory rose over that of a short one.
 * Arguments: endpoint, bucket, bytes, `up` or `down`.
 */
import { S3Store } from "../../../../backends/s3/store.ts";

const MIB = 1 << 20;
const [, , endpoint, bucket, size, direction] = process.argv;
const store = await S3Store.open({ endpoint, bucket, prefix: "memory" });

let highest = 0;
const look = () => {
  // Array buffers are a part of the external memory.
  highest = Math.max(highest, process.memoryUsage().external);
};
const up = async (key: string, byteLength: number) => {
  const writer = await store.openWriter(key);
  const chunk = new Uint8Array(MIB);
  for (let sent = 0; sent < byteLength; sent += MIB) {
    chunk.fill(sent / MIB);
    await writer.write(chunk);
    look();
  }
  await writer.close();
};
const down = async (key: string) => {
  let count = 0;
  for await (const piece of await store.readStream(key)) {
    count += piece.byteLength;
    look();
  }
  return count;
};

// What is loaded and opened once counts for the baseline.
await up("short", MIB);
await down("short");
const baseline = process.memoryUsage().external;
highest = 0;
const count = direction === "up" ? await up("long", Number(size)).then(() => Number(size)) : await down("long");
process.stdout.write(JSON.stringify({ count, rise: highest - baseline }));
await store.close();
