// Lists a folder in one of several ways, and tells how long it took to the first key and to the last, and the memory.
import { lstat, opendir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { DiskStore } from "../../dist/backends/disk/store.js";

const [way, root] = process.argv.slice(2);

const ways = {
  /** All names in one array; no sizes, no times, no order. */
  readdir: async function* () {
    for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) if (entry.isFile()) yield entry;
  },
  /** One after the other; no sizes, no times, no order. */
  opendir: () => walk(root, false),
  /** With size and time, as `list` answers them. */
  "opendir+lstat": () => walk(root, true),
  sluice: () => new DiskStore({ root }).list(),
};

async function* walk(folder, isAsking) {
  for await (const entry of await opendir(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path, isAsking);
    else yield isAsking ? await lstat(path) : entry;
  }
}

/** The most memory since the program began, in MiB; `maxRSS` would count that of the parent too. */
const peakMemory = async () => Number(/VmHWM:\s*(\d+)/.exec(await readFile("/proc/self/status", "utf8"))?.[1]) / 1024;

const before = await peakMemory();
const start = performance.now();
let firstMs;
let count = 0;
for await (const _ of ways[way]()) {
  firstMs ??= performance.now() - start;
  count++;
}
const totalMs = performance.now() - start;
const peakMib = (await peakMemory()) - before;
console.log(JSON.stringify({ count, firstMs, totalMs, peakMib }));
