/** Writes one long entry by stream and reads it again, and says how much memory that took at its highest. */
import { DiskStore } from "../../../../backends/disk/store.ts";
import { createArchive } from "../../../../backends/zip/index.ts";
import { ZipStore } from "../../../../backends/zip/store.ts";

const [root, compression, length] = process.argv.slice(2) as [string, "store" | "deflate", string];
const store = new DiskStore({ root, durability: "none" });
const piece = new Uint8Array(1 << 20).map((_, i) => (i >> 8) * 31);

async function* pieces(byteLength: number) {
  for (let left = byteLength; left > 0; left -= piece.length) yield piece.subarray(0, Math.min(left, piece.length));
}

async function writeAndRead(key: string, byteLength: number): Promise<number> {
  const archive = await createArchive(store, key, { compression });
  await archive.addStream("long.raw", pieces(byteLength));
  await archive.close();
  const reader = (await new ZipStore(store, key).readStream("long.raw")).getReader();
  let count = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) count += next.value.byteLength;
  return count;
}

// The code is there before.
await writeAndRead("short.zip", 16 << 20);
const before = process.resourceUsage().maxRSS;
const count = await writeAndRead("long.zip", Number(length));
console.log(
  JSON.stringify({ count, aboveMiB: (process.resourceUsage().maxRSS - before) / 1024, beforeMiB: before / 1024 }),
);
