/** Overwrites one value for ever and says after each write which one is there. Killed by its parent. */
import { DiskStore, type DiskStoreOptions } from "../../../../backends/disk/store.ts";

const [root, durability, byteLength, first] = process.argv.slice(2) as [string, string, string, string];
const store = new DiskStore({ root, durability: durability as DiskStoreOptions["durability"] });
for (let count = Number(first); ; count++) {
  const value = new Uint8Array(Number(byteLength)).fill(count % 251);
  await store.write("folder/value", value);
  process.stdout.write(`${count}\n`);
}
