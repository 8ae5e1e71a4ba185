/** What an announcement promises, checked from outside. */
import { randomInt } from "node:crypto";
import { readdir } from "node:fs/promises";
import type { DiskStore } from "../../../backends/disk/store.ts";
import { openLiveFrames, recoverZarr } from "../../../backends/zarr/index.ts";
import { openZarrArray } from "../../../backends/zarr/reader.ts";
import { arraysEqual } from "../../../src/core/nd-array.ts";
import { devices } from "./children/devices.ts";
import { frameOf } from "./support.ts";

/** Frames that are compared of the end, and as many of the rest. */
const SAMPLE = 50;

/** Frames by name of the device. */
export type Counts = Readonly<Record<string, number>>;

/** Throws unless frames are those that were written, from the first on. */
async function checkFrames(
  name: keyof typeof devices,
  count: number,
  at: (index: number) => Promise<Parameters<typeof arraysEqual>[0]>,
) {
  const { shape, dtype } = devices[name];
  for (const i of someOf(count)) {
    if (!arraysEqual(await at(i), frameOf(i, shape, dtype))) throw new Error(`Frame ${i} of ${name} is another one`);
  }
}

/** All of few numbers; of many, the last ones and others at random. */
function someOf(count: number): Set<number> {
  if (count <= 4 * SAMPLE) return new Set(Array.from({ length: count }, (_, i) => i));
  const some = new Set(Array.from({ length: SAMPLE }, (_, i) => count - 1 - i));
  while (some.size < 2 * SAMPLE) some.add(randomInt(count));
  return some;
}

/** Throws unless every announced frame can be read live, and all that can be are right. */
export async function checkLive(store: DiskStore, announced: Counts): Promise<Counts> {
  const counts: Record<string, number> = {};
  for (const name of Object.keys(devices) as (keyof typeof devices)[]) {
    const live = await openLiveFrames(store, name);
    const count = await live.length();
    if (count < (announced[name] ?? 0)) throw new Error(`${name}: ${announced[name]} announced, ${count} live`);
    await checkFrames(name, count, (index) => live.at(index));
    counts[name] = count;
  }
  return counts;
}

/** Throws unless the arrays themselves have every announced frame, all of them right. */
export async function checkStored(store: DiskStore, announced: Counts): Promise<Counts> {
  const counts: Record<string, number> = {};
  for (const name of Object.keys(devices) as (keyof typeof devices)[]) {
    const array = await openZarrArray(store, name);
    const count = array.shape[0] as number;
    if (count < (announced[name] ?? 0)) throw new Error(`${name}: ${announced[name]} announced, ${count} stored`);
    await checkFrames(name, count, (index) => array.frame(index));
    counts[name] = count;
  }
  return counts;
}

/** Finishes what is left, and checks it; throws also if there is anything to find afterwards. */
export async function checkRecovered(store: DiskStore, announced: Counts): Promise<Counts> {
  await recoverZarr(store, { finish: true });
  const counts = await checkStored(store, announced);
  const again = await recoverZarr(store, { finish: true });
  if (again.length > 0) throw new Error(`${again.length} shards are left`);
  return counts;
}

/** Paths of all files below a folder, hidden ones too. */
export async function filesBelow(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => `${entry.parentPath}/${entry.name}`);
}
