/**
 * Overwrites one value and creates others for ever, without a pause, and says after each round which one is done. Killed
 * by its parent.
 */
import { DiskStore, type DiskStoreOptions } from "../../../../backends/disk/store.ts";

const [root, durability, byteLength, first] = process.argv.slice(2) as [string, string, string, string];
const store = new DiskStore({ root, durability: durability as DiskStoreOptions["durability"] });
for (let count = Number(first); ; count++) {
  const value = new Uint8Array(Number(byteLength)).fill(count % 251);
  if (count % 2 === 0) {
    await store.write("folder/value", value);
  } else {
    const writer = await store.openWriter("folder/value");
    const half = value.length >> 1;
    await Promise.all([writer.write(value.subarray(0, half)), writer.write(value.subarray(half))]);
    await writer.close();
  }
  process.stdout.write(`${count}\n`);
  await store.write(`created/${count % 5}/${count}`, value.subarray(0, value.length >> 3), { ifAbsent: true });
  process.stdout.write(`${count}\n`);
}
