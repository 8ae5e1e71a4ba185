/**
 * What a process that is killed leaves on the disk is what is there at that moment: so it is looked at in every turn of
 * the event loop while a store writes. Planted bugs show that the look is sharp enough.
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync } from "node:fs";
import { mkdir, open, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { DiskStore } from "../../backends/disk/store.ts";
import { isTempName } from "../../backends/disk/temp-name.ts";
import { type ByteSource, joinBytes, type WriteResult } from "../../src/core/byte-store.ts";
import { freshDisk } from "../support/byte-stores.ts";

const LENGTH = 8 << 20;

type Disk = typeof DiskStore;

/** What is under a path now: its length, and its first and last byte. */
function glance(path: string): string {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "nothing";
    throw error;
  }
  try {
    const { size } = fstatSync(file);
    const ends = Buffer.alloc(2);
    readSync(file, ends, 0, 1, 0);
    readSync(file, ends, 1, 1, Math.max(0, size - 1));
    return `${size} bytes, ${ends[0]} to ${ends[1]}`;
  } finally {
    closeSync(file);
  }
}

/** Everything that a look shows in any turn while some work is under way. */
async function momentsOf(work: Promise<unknown>, look: () => readonly string[]): Promise<string[]> {
  const seen = new Set<string>();
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  work.then(over, over);
  while (!isOver) {
    for (const found of look()) seen.add(found);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  for (const found of look()) seen.add(found);
  await work;
  return [...seen].sort();
}

const filled = (byte: number) => new Uint8Array(LENGTH).fill(byte);
const whole = (byte: number) => `${LENGTH} bytes, ${byte} to ${byte}`;

/** How a value gets there. */
const ways: Readonly<Record<string, (store: DiskStore, bytes: Uint8Array) => Promise<unknown>>> = {
  write: (store, bytes) => store.write("folder/value", bytes),
  writer: async (store, bytes) => {
    await using writer = await store.openWriter("folder/value");
    await writer.write(bytes);
    await writer.close();
  },
  copy: async (store, bytes) => {
    await store.write("other", bytes);
    await store.copy("other", "folder/value", { ifExists: "replace" });
  },
};

const laws: Readonly<Record<string, (Store: Disk) => Promise<void>>> = {
  "at any moment there is the old value or the new one": async (Store) => {
    for (const [way, put] of Object.entries(ways)) {
      const { root, dispose } = await freshDisk();
      await using store = new Store({ root, durability: "none" });
      await store.write("folder/value", filled(1));
      const seen = await momentsOf(put(store, filled(2)), () => [glance(join(root, "folder/value"))]);
      expect(
        seen.filter((state) => state !== whole(1) && state !== whole(2)),
        way,
      ).toEqual([]);
      await dispose?.();
    }
  },
  "at any moment a new key is missing or whole": async (Store) => {
    for (const [way, put] of Object.entries(ways)) {
      const { root, dispose } = await freshDisk();
      await using store = new Store({ root, durability: "none" });
      const seen = await momentsOf(put(store, filled(2)), () => [glance(join(root, "folder/value"))]);
      expect(
        seen.filter((state) => state !== "nothing" && state !== whole(2)),
        way,
      ).toEqual([]);
      await dispose?.();
    }
  },
  "whatever lies beside a value has a name that recovery knows": async (Store) => {
    for (const [way, put] of Object.entries(ways)) {
      const { root, dispose } = await freshDisk();
      await using store = new Store({ root, durability: "none" });
      await store.write("folder/value", filled(1));
      const seen = await momentsOf(put(store, filled(2)), () => readdirSync(join(root, "folder")));
      expect(
        seen.filter((name) => name !== "value" && !isTempName(name)),
        way,
      ).toEqual([]);
      await dispose?.();
    }
  },
};

/** Writes a whole value in another way. */
function writing(put: (path: string, bytes: Uint8Array) => Promise<void>): Disk {
  return class extends DiskStore {
    override async write(key: string, bytes: ByteSource): Promise<WriteResult> {
      const path = join(this.root, key);
      await mkdir(dirname(path), { recursive: true });
      await put(path, joinBytes(bytes));
      const { byteLength, etag } = await this.stat(key);
      return { byteLength, etag: String(etag) };
    }
  };
}

const mutants: readonly { readonly name: string; readonly killedBy: string; readonly Store: Disk }[] = [
  {
    name: "writes in place",
    killedBy: "at any moment there is the old value or the new one",
    Store: writing((path, bytes) => writeFile(path, bytes)),
  },
  {
    name: "removes the old value first",
    killedBy: "at any moment there is the old value or the new one",
    Store: writing(async (path, bytes) => {
      await writeFile(`${path}.new`, bytes);
      await rm(path, { force: true });
      // As long as making the removal durable would take.
      for (let turn = 0; turn < 5; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
      await rename(`${path}.new`, path);
    }),
  },
  {
    name: "gives the name before the bytes",
    killedBy: "at any moment a new key is missing or whole",
    Store: writing(async (path, bytes) => {
      await using file = await open(`${path}.new`, "w");
      await rename(`${path}.new`, path);
      await file.writeFile(bytes);
    }),
  },
  {
    name: "has temporary files of its own naming",
    killedBy: "whatever lies beside a value has a name that recovery knows",
    Store: writing(async (path, bytes) => {
      await writeFile(`${path}.tmp`, bytes);
      await rename(`${path}.tmp`, path);
    }),
  },
];

describe("what a killed process leaves", () => {
  test.each(Object.entries(laws))("%s", (_name, law) => law(DiskStore));
});

describe("a disk store that", () => {
  test.each(mutants.map((mutant) => [mutant.name, mutant] as const))(
    "%s is found",
    async (_name, { killedBy, Store }) => {
      await expect(laws[killedBy]?.(Store)).rejects.toThrow(/to deeply equal/);
    },
  );
});
