/** Copies one item between two backends and compares two: as bytes where both sides have bytes, as values otherwise. */
import { isDeepStrictEqual } from "node:util";
import type { BackendBase } from "../core/backend.ts";
import type { ByteStore, OperationOptions } from "../core/byte-store.ts";
import type { EntryStat } from "../core/data-source.ts";
import { StorageError } from "../core/errors.ts";
import { arraysEqual, isNdArray } from "../core/nd-array.ts";
import type { StorageBackend } from "../core/storage-backend.ts";
import { copyBytes, wrongCopy } from "./copy-bytes.ts";
import { crcOfValue, haveSameBytes } from "./same-bytes.ts";
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
  /** Values from this length on go on where an earlier copy of the same version was interrupted. */
  readonly resumeFrom: number;
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
      return haveSameBytes({ store: source, key: a }, { store: target, key: b }, options);
    },
    async copy(item) {
      const { stat, replaces, readsBack, signal } = item;
      const [from, to] = [keyIn(source, item.from), keyIn(target, item.to)];
      const { crc } = await copyBytes(source, target, { ...item, from, to });
      if (!readsBack) return;
      const copied = await target.stat(to, { signal });
      const isRight =
        copied.byteLength === stat.byteLength &&
        (crc === undefined
          ? await haveSameBytes({ store: source, key: from }, { store: target, key: to }, { signal })
          : crc === (await crcOfValue({ store: target, key: to }, { signal })));
      if (!isRight) throw await wrongCopy(target, to, replaces);
    },
  };
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

function isSameValue(a: unknown, b: unknown): boolean {
  return isNdArray(a) && isNdArray(b) ? arraysEqual(a, b) : isDeepStrictEqual(a, b);
}
