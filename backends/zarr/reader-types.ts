/** What the reader answers with. Types only. */
import type { OperationOptions } from "../../src/core/byte-store.ts";
import type { DType } from "../../src/core/dtype.ts";
import type { AxisSelection, NdArray } from "../../src/core/nd-array.ts";

/** An open array. Reads see whatever is stored when they run; `shape` is that of the last look at the metadata. */
export interface ZarrArray {
  readonly kind: "array";
  /** Key of its node; `""` is the root of the store. */
  readonly path: string;
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Shape of the smallest part that is read at once: the inner chunk of a sharded array. */
  readonly chunkShape: readonly number[];
  /** Names of the axes; empty where the array has none. */
  readonly dimensionNames: readonly (string | null)[];
  readonly attributes: Readonly<Record<string, unknown>>;
  /**
   * Reads a part.
   *
   * @param selection - One entry an axis, as for `sliceArray`; axes left out are taken whole.
   * @returns Memory that belongs to the caller. What was never stored has the fill value.
   * @throws A `StorageError` `OUT_OF_RANGE`, `CORRUPT`, `UNSUPPORTED`.
   */
  read(selection?: readonly AxisSelection[], options?: OperationOptions): Promise<NdArray>;
  /** Reads one index of the first axis, which is dropped: a frame. Negative indices count from the end. */
  frame(index: number, options?: OperationOptions): Promise<NdArray>;
  /** Looks at the metadata again; `shape` and `attributes` are new then. For arrays that grow. */
  refresh(options?: OperationOptions): Promise<void>;
}

/** An open group. */
export interface ZarrGroup {
  readonly kind: "group";
  /** Key of its node; `""` is the root of the store. */
  readonly path: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Names of the arrays right below it, ordered by their UTF-8 bytes. */
  readonly arrays: readonly string[];
  /** Names of the groups right below it. */
  readonly groups: readonly string[];
}
