/** Long values, copies of them that are called off, and copies that go on. */
import { readdir } from "node:fs/promises";
import { FileBackend } from "../../src/codecs/file-backend.ts";
import type { ByteStore } from "../../src/core/byte-store.ts";
import { isStorageError } from "../../src/core/errors.ts";
import { type CopyTreeOptions, copyTree, type TreeProgress } from "../../src/io/tree-transfer.ts";
import { freshDisk } from "./byte-stores.ts";

/** 2²⁰ bytes; in these tests a value of this length is a long one. */
export const MIB = 1 << 20;

/** Bytes of which no two MiB are the same. */
export function longBytes(byteLength: number, seed = 1): Uint8Array {
  let state = seed;
  const words = new Uint32Array(byteLength / 4);
  for (let i = 0; i < words.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words[i] = state;
  }
  return new Uint8Array(words.buffer);
}

/** True if both have the same bytes. */
export function isSame(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && Buffer.compare(a, b) === 0;
}

/** A store in a new folder, and the names of the temporary files in it. */
export async function freshFolder() {
  const subject = await freshDisk({ durability: "none" });
  return { ...subject, temps: async () => (await readdir(subject.root)).filter((name) => name.startsWith(".sluice")) };
}

/** A backend over a store. */
export function backendOf(store: ByteStore): FileBackend {
  return new FileBackend(store, { key: "files" });
}

const endsOf = (source: ByteStore, target: ByteStore) => ({
  source: backendOf(source),
  from: "a.bin",
  target: backendOf(target),
  to: "a.bin",
});

/** Copies `a.bin` until so many bytes are there, and is called off. Answers the code of the failure. */
export async function interruptCopy(
  source: ByteStore,
  target: ByteStore,
  after: number,
  options: CopyTreeOptions = {},
): Promise<string> {
  const controller = new AbortController();
  const onProgress = ({ byteLength }: TreeProgress) => {
    if (byteLength >= after) controller.abort();
  };
  const interrupted = { resumeFrom: MIB, ...options, signal: controller.signal, onProgress };
  return copyTree(endsOf(source, target), interrupted).then(
    () => "copied",
    (error: unknown) => (isStorageError(error) ? error.code : String(error)),
  );
}

/** Goes on with the copy of `a.bin`, and reads it back. Answers how much was there at the beginning. */
export async function goOnCopying(source: ByteStore, target: ByteStore, options: CopyTreeOptions = {}) {
  const seen: number[] = [];
  const onProgress = ({ byteLength }: TreeProgress) => seen.push(byteLength);
  await copyTree(endsOf(source, target), { resumeFrom: MIB, verify: "read", onProgress, ...options });
  return seen[0] as number;
}
