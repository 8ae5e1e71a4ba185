/** Copies one item between two backends and compares two: as bytes where both sides have bytes, as values otherwise. */
import { isDeepStrictEqual } from "node:util";
import { crc32c, crc32cHex } from "../codecs/crc32c.ts";
import type { BackendBase } from "../core/backend.ts";
import type { ByteStore, OperationOptions } from "../core/byte-store.ts";
import type { EntryStat } from "../core/data-source.ts";
import { StorageError } from "../core/errors.ts";
import { arraysEqual, isNdArray } from "../core/nd-array.ts";
import type { StorageBackend } from "../core/storage-backend.ts";
import { bytesOf, keyIn } from "./store-of.ts";

/** How far two items are compared: `size` looks at their lengths only, where they are known. */
export type Comparison = "content" | "size";

/** One copy. */
export interface ItemCopy extends OperationOptions {
  readonly from: string;
  readonly to: string;
  /** What the source was when the copy was decided on. */
  readonly stat: EntryStat;
  /** `true`: replaces what is there; `false`: rejects with `ALREADY_EXISTS`. */
  readonly replaces: boolean;
  /** `true`: the copy is read back and compared. */
  readonly readsBack: boolean;
  /** Called with the bytes that have been copied since the last call. */
  readonly onBytes: (byteLength: number) => void;
}

/** Copies items of one pair of backends. */
export interface ItemCopier {
  /** `bytes`: values are never decoded. */
  readonly as: "bytes" | "values";
  /** True if both hold the same. */
  isEqual(from: string, to: string, comparison: Comparison, options: OperationOptions): Promise<boolean>;
  /**
   * Copies and checks the copy. A copy that turns out to be wrong is removed.
   *
   * @throws A {@link StorageError}: `CORRUPT` for a wrong copy; `PRECONDITION_FAILED` if the source changed meanwhile.
   */
  copy(item: ItemCopy): Promise<void>;
}

/** The copier for two backends. */
export async function copierBetween(
  source: BackendBase,
  target: BackendBase,
  as: "auto" | "values",
): Promise<ItemCopier> {
  const [from, to] = as === "values" ? [] : [await bytesOf(source), await bytesOf(target)];
  return from && to ? byteCopier(from, to) : valueCopier(source as StorageBackend, target as StorageBackend);
}

function byteCopier(source: ByteStore, target: ByteStore): ItemCopier {
  return {
    as: "bytes",
    async isEqual(from, to, comparison, options) {
      const [a, b] = [keyIn(source, from), keyIn(target, to)];
      const [left, right] = await Promise.all([source.stat(a, options), target.stat(b, options)]);
      if (left.kind !== "file" || right.kind !== "file" || left.byteLength !== right.byteLength) return false;
      if (comparison === "size") return true;
      const [one, other] = await Promise.all([crcOf(source, a, options), crcOf(target, b, options)]);
      return one === other;
    },
    async copy(item) {
      const { stat, replaces, readsBack, signal } = item;
      const [from, to] = [keyIn(source, item.from), keyIn(target, item.to)];
      const crc = await copyBytes(source, from, target, to, item);
      if (!readsBack) return;
      const copied = await target.stat(to, { signal });
      const isRight =
        copied.byteLength === stat.byteLength &&
        (await crcOf(target, to, { signal })) === (crc ?? (await crcOf(source, from, { signal })));
      if (!isRight) throw await wrongCopy(target, to, replaces);
    },
  };
}

/** Copies in bounded memory. Answers the checksum of what was read; `undefined` where the store copied by itself. */
async function copyBytes(
  source: ByteStore,
  from: string,
  target: ByteStore,
  to: string,
  { stat, replaces, onBytes, signal }: ItemCopy,
): Promise<string | undefined> {
  if (source === target) {
    const { byteLength } = await target.copy(from, to, { ifExists: replaces ? "replace" : "error", signal });
    onBytes(byteLength);
    return undefined;
  }
  const stream = await source.readStream(from, { signal, ...(stat.etag === undefined ? {} : { ifMatch: stat.etag }) });
  try {
    const writer = await target.openWriter(to, { signal, ifAbsent: !replaces, checksum: "crc32c" });
    try {
      let crc = 0;
      let byteLength = 0;
      for await (const chunk of stream) {
        crc = crc32c(chunk, crc);
        byteLength += chunk.byteLength;
        await writer.write(chunk, { signal });
        onBytes(chunk.byteLength);
      }
      if (stat.byteLength !== undefined && byteLength !== stat.byteLength) {
        const message = `"${from}" has ${stat.byteLength} bytes, but ${byteLength} came`;
        throw new StorageError("CORRUPT", message, { backend: source.name, operation: "copy", identifier: from });
      }
      const written = await writer.close({ signal });
      const wanted = crc32cHex(crc);
      if (written.byteLength !== byteLength || (written.checksum && written.checksum.value !== wanted)) {
        throw await wrongCopy(target, to, replaces);
      }
      return wanted;
    } finally {
      await writer.abort(); // harmless after close
    }
  } finally {
    if (!stream.locked) await stream.cancel();
  }
}

function valueCopier(source: StorageBackend, target: StorageBackend): ItemCopier {
  return {
    as: "values",
    async isEqual(from, to, comparison, options) {
      if (comparison === "size") {
        const [left, right] = await Promise.all([source.stat(from, options), target.stat(to, options)]);
        // Lengths of two formats say nothing about each other; what is there counts as equal.
        return left.exists && right.exists;
      }
      const [left, right] = await Promise.all([source.load(from, options), target.load(to, options)]);
      return isSameValue(left, right);
    },
    async copy({ from, to, replaces, readsBack, signal }) {
      const value = await source.load(from, { signal });
      const ifExists = replaces ? "replace" : "error";
      // The loaded value is ours alone, so its memory may be handed on, unless it is looked at again.
      await target.save(value, to, { ifExists, signal, createParents: true, transfer: !readsBack });
      if (!readsBack || isSameValue(value, await target.load(to, { signal }))) return;
      await target.delete(to);
      throw new StorageError(
        "CORRUPT",
        `"${to}" in "${target.name}" came back different: its format does not keep this value exactly. The copy was removed`,
        { backend: target.name, operation: "copy", identifier: to },
      );
    },
  };
}

async function crcOf(store: ByteStore, key: string, options: OperationOptions): Promise<string> {
  let crc = 0;
  for await (const chunk of await store.readStream(key, options)) crc = crc32c(chunk, crc);
  return crc32cHex(crc);
}

/** Removes a copy that is not what was read: a wrong value under a good name is worse than none. */
async function wrongCopy(target: ByteStore, to: string, replaces: boolean): Promise<StorageError> {
  await target.delete(to);
  return new StorageError(
    "CORRUPT",
    `The copy "${to}" in "${target.name}" was not what was read and was removed${replaces ? ", with what it replaced" : ""}`,
    { backend: target.name, operation: "copy", identifier: to, retryable: true },
  );
}

function isSameValue(a: unknown, b: unknown): boolean {
  return isNdArray(a) && isNdArray(b) ? arraysEqual(a, b) : isDeepStrictEqual(a, b);
}
