/** The kinds of stores that images are written to: with directories, and without. */
import { afterEach } from "vitest";
import type { ByteStore } from "../../../../src/core/byte-store.ts";
import { type NdArray, ndArray } from "../../../../src/core/nd-array.ts";
import type { SideDoor } from "../../../../src/testing/byte-store-kit.ts";
import { freshDisk, freshMemory } from "../../../support/byte-stores.ts";

/** A store and a way past it. */
export interface FreshStore {
  readonly store: ByteStore;
  readonly side: SideDoor;
  /** Folder of a disk. */
  readonly root?: string | undefined;
}

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

/** A store in memory, or on the disk; it is removed after the test. */
export async function freshStore(kind: "memory" | "disk"): Promise<FreshStore> {
  if (kind === "memory") {
    const { store, side } = await freshMemory();
    return { store, side };
  }
  const { store, side, root, dispose } = await freshDisk({ durability: "none" });
  open.push(async () => {
    await store.close();
    await dispose?.();
  });
  return { store, side, root };
}

/** An array of distinct values. */
export function ramp(shape: readonly number[], start = 0): NdArray {
  const size = shape.reduce((a, b) => a * b, 1);
  return ndArray(
    Uint16Array.from({ length: size }, (_, i) => (start + i * 7) % 65536),
    shape,
  );
}

/** A document, by the side door. */
export async function documentAt(side: SideDoor, key: string): Promise<Record<string, unknown>> {
  const bytes = await side.get(key);
  if (bytes === undefined) throw new Error(`Nothing is at ${key}`);
  return JSON.parse(new TextDecoder().decode(bytes));
}
