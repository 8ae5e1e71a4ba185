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

/**
 * An open array that takes changes. Each chunk (or shard) is written in one atomic step: readers see the old one or the
 * new one. Of several who write to parts of the same chunk, in this process or in others, none loses what it wrote; where
 * a store has no conditional writes, such writes are `UNSUPPORTED`, and whole chunks can be written.
 */
export interface WritableZarrArray extends ZarrArray {
  /** Version of Zarr. */
  readonly zarrFormat: 2 | 3;
  /** Shape of what is one value of the store; `undefined` for an array without shards. */
  readonly shardShape: readonly number[] | undefined;
  /**
   * Writes a part. Chunks that have nothing but the fill value are not stored.
   *
   * @param selection - As for `read`; `[]` is everything.
   * @param array - Of the shape that `read` would answer, any strides; borrowed until the promise settles.
   * @throws A `StorageError` `SHAPE_MISMATCH`, `DTYPE_MISMATCH`, `OUT_OF_RANGE`, `UNSUPPORTED`, `CORRUPT`: nothing was
   * written. A failure of the store may leave some chunks written and others not.
   */
  write(selection: readonly AxisSelection[], array: NdArray, options?: OperationOptions): Promise<void>;
  /**
   * Changes the shape. What is cut off is removed; what comes in has the fill value.
   *
   * @throws A `StorageError` `SHAPE_MISMATCH` for another number of axes, `UNSUPPORTED`.
   */
  resize(shape: readonly number[], options?: OperationOptions): Promise<void>;
  /**
   * Makes the array longer, and puts an array there. The room is taken first, so that several who append at the same
   * time, of whatever processes, each get their own; a reader may see it with the fill value for a moment. If the values
   * cannot be stored, the room is given back, unless somebody has appended behind it.
   *
   * @param array - Equal in shape along every other axis.
   * @param axis - Default 0.
   * @returns Where along the axis the array begins.
   */
  append(array: NdArray, axis?: number, options?: OperationOptions): Promise<number>;
  /**
   * Changes attributes in one atomic step; those of others are kept.
   *
   * @param change - An object, whose members replace those of the same name, or a function from all attributes to all
   * attributes, which may be called several times.
   */
  setAttributes(change: AttributeChange, options?: OperationOptions): Promise<void>;
}

/** New values of some attributes, or a function from all attributes to all attributes. */
export type AttributeChange =
  | Readonly<Record<string, unknown>>
  | ((attributes: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>);

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
