/** An array that takes changes. */
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { checkAborted, checkInteger, checkNdArray } from "../../src/core/checks.ts";
import type { DType } from "../../src/core/dtype.ts";
import { StorageError } from "../../src/core/errors.ts";
import { joinKey } from "../../src/core/key.ts";
import { type AxisSelection, checkShape, type NdArray } from "../../src/core/nd-array.ts";
import { resolveSelection } from "../../src/core/selection.ts";
import type { NativeZarrArray } from "./array.ts";
import { changeAttributes } from "./attributes.ts";
import { ChunkWriter } from "./chunk-writer.ts";
import { changeDocument } from "./documents.ts";
import { KeyedQueue } from "./keyed-queue.ts";
import { isShape } from "./metadata.ts";
import type { AttributeChange, WritableZarrArray } from "./reader-types.ts";
import { type Box, chunksOf } from "./region.ts";

/** Reads through a {@link NativeZarrArray} and writes through a {@link ChunkWriter}. */
export class EditableZarrArray implements WritableZarrArray {
  readonly kind = "array";
  readonly #store: ByteStore;
  readonly #array: NativeZarrArray;
  readonly #writer: ChunkWriter;
  /** Changes of the shape, one after another. */
  readonly #changes = new KeyedQueue();

  constructor(store: ByteStore, array: NativeZarrArray, options: { readonly isExclusive?: boolean | undefined } = {}) {
    this.#store = store;
    this.#array = array;
    const { path, layout, fillValue } = array;
    this.#writer = new ChunkWriter({ store, path, layout, fillValue, ...options });
  }

  get path(): string {
    return this.#array.path;
  }

  get shape(): readonly number[] {
    return this.#array.shape;
  }

  get dtype(): DType {
    return this.#array.dtype;
  }

  get chunkShape(): readonly number[] {
    return this.#array.chunkShape;
  }

  get shardShape(): readonly number[] | undefined {
    const { layout } = this.#array;
    return layout.shards === undefined ? undefined : layout.unitShape;
  }

  get zarrFormat(): 2 | 3 {
    return this.#array.format;
  }

  get dimensionNames(): readonly (string | null)[] {
    return this.#array.dimensionNames;
  }

  get attributes(): Readonly<Record<string, unknown>> {
    return this.#array.attributes;
  }

  read(selection?: readonly AxisSelection[], options?: OperationOptions): Promise<NdArray> {
    return this.#array.read(selection, options);
  }

  frame(index: number, options?: OperationOptions): Promise<NdArray> {
    return this.#array.frame(index, options);
  }

  refresh(options?: OperationOptions): Promise<void> {
    return this.#array.refresh(options);
  }

  async write(selection: readonly AxisSelection[], array: NdArray, options: OperationOptions = {}): Promise<void> {
    checkAborted(options.signal, { operation: "write", identifier: this.path });
    const region = resolveSelection(selection, this.shape);
    const kept = region.keptAxes.map((axis) => (region.stop[axis] as number) - (region.start[axis] as number));
    this.#check(array, kept, "write");
    this.#writer.checkRegion(region, this.shape);
    await this.#writer.write(region, withAxes(array, region), () => this.shape, options);
  }

  async resize(shape: readonly number[], options: OperationOptions = {}): Promise<void> {
    checkShape(shape);
    if (shape.length !== this.shape.length) {
      throw this.#error(
        "SHAPE_MISMATCH",
        "resize",
        `"${this.path}" has ${this.shape.length} axes, not ${shape.length}`,
      );
    }
    await this.#changes.run("shape", async () => {
      await this.refresh(options);
      // Chunks at a new edge are changed; room that comes in is not.
      const stop = shape.map((length, axis) => Math.min(length, this.shape[axis] as number));
      this.#writer.checkRegion({ start: shape.map(() => 0), stop }, this.shape);
      const before = await this.#setShape(() => shape, options);
      await this.refresh(options);
      await this.#clip(before, shape, options);
    });
  }

  async append(array: NdArray, axis = 0, options: OperationOptions = {}): Promise<number> {
    checkAborted(options.signal, { operation: "append", identifier: this.path });
    checkInteger(axis, "axis", 0, { operation: "append", identifier: this.path });
    if (axis >= this.shape.length) {
      throw this.#error("OUT_OF_RANGE", "append", `"${this.path}" has ${this.shape.length} axes, and no axis ${axis}`);
    }
    const length = array.shape?.[axis];
    this.#check(array, this.shape.with(axis, length ?? 0), "append");
    return this.#changes.run("shape", async () => {
      let start = 0;
      await this.#setShape((shape) => {
        start = shape[axis] as number;
        this.#check(array, shape.with(axis, length as number), "append");
        const grown = shape.with(axis, start + (length as number));
        this.#writer.checkRegion(appended(grown, axis, start), grown);
        return grown;
      }, options);
      await this.refresh(options);
      const shape = this.shape.with(axis, start + (length as number));
      try {
        // A refresh that began before may show less for a while.
        const now = () => shape.map((length, at) => Math.max(length, this.shape[at] as number));
        await this.#writer.write(appended(shape, axis, start), array, now, options);
      } catch (error) {
        await this.#giveBack(shape, axis, start).catch(() => {});
        throw error;
      }
      return start;
    });
  }

  async setAttributes(change: AttributeChange, options: OperationOptions = {}): Promise<void> {
    await changeAttributes(this.#store, this.path, change, options);
    await this.refresh(options);
  }

  /** Takes back room that nothing came into, if it is still the last. Never aborted: the failure may be an abort. */
  async #giveBack(grown: readonly number[], axis: number, start: number): Promise<void> {
    const isLast = (shape: readonly number[]) => shape.every((length, at) => length === grown[at]);
    await this.#setShape((shape) => (isLast(shape) ? shape.with(axis, start) : shape), {});
    await this.refresh();
    if (this.shape[axis] === start) await this.#clip(grown, this.shape, {});
  }

  /** Changes the shape in the metadata; answers the one before. */
  async #setShape(
    change: (shape: readonly number[]) => readonly number[],
    options: OperationOptions,
  ): Promise<readonly number[]> {
    let before: readonly number[] = this.shape;
    const key = joinKey(this.path, this.zarrFormat === 3 ? "zarr.json" : ".zarray");
    await changeDocument(this.#store, key, options, (document) => {
      const { shape } = document ?? {};
      if (!isShape(shape) || shape.length !== this.shape.length) {
        throw this.#error("NOT_FOUND", "resize", `The array at "${this.path}" is no longer there`);
      }
      before = shape;
      return { ...document, shape: change(shape) };
    });
    return before;
  }

  /** Removes what is stored beyond a shape. */
  async #clip(before: readonly number[], shape: readonly number[], options: OperationOptions): Promise<void> {
    if (before.every((length, axis) => length <= (shape[axis] as number))) return;
    const { layout } = this.#array;
    const isCut = (at: readonly number[]) =>
      at.some((number, axis) => (number + 1) * (layout.unitShape[axis] as number) > (shape[axis] as number));
    const units: number[][] = [];
    if (this.#store.capabilities.list) {
      // What is there, rather than what may be: an array can be huge and nearly empty.
      const prefix = this.path === "" ? "" : `${this.path}/`;
      for await (const { key } of this.#store.list({ prefix, signal: options.signal })) {
        const at = layout.coordinates(key);
        if (at !== undefined && isCut(at)) units.push(at);
      }
    } else {
      const all: Box = { start: before.map(() => 0), stop: before };
      for (const at of chunksOf(all, layout.unitShape)) if (isCut(at)) units.push(at);
    }
    await this.#writer.clip(units, shape, options);
  }

  #check(array: NdArray, shape: readonly number[], operation: string): void {
    checkNdArray(array, { operation, identifier: this.path });
    if (array.dtype !== this.dtype) {
      throw this.#error("DTYPE_MISMATCH", operation, `"${this.path}" holds ${this.dtype}, not ${array.dtype}`);
    }
    if (array.shape.length === shape.length && shape.every((length, axis) => length === array.shape[axis])) return;
    throw this.#error(
      "SHAPE_MISMATCH",
      operation,
      `An array of shape [${array.shape.join(", ")}] does not fit into [${shape.join(", ")}] of "${this.path}"`,
    );
  }

  #error(code: "NOT_FOUND" | "DTYPE_MISMATCH" | "SHAPE_MISMATCH" | "OUT_OF_RANGE", operation: string, message: string) {
    return new StorageError(code, message, { backend: this.#store.name, operation, identifier: this.path });
  }
}

/** The box of what comes in when an array grows to `shape`. */
function appended(shape: readonly number[], axis: number, start: number): Box {
  return { start: shape.map((_, at) => (at === axis ? start : 0)), stop: shape };
}

/** The array with the axes that the selection dropped, of length 1. */
function withAxes(array: NdArray, { start, keptAxes }: Box & { readonly keptAxes: readonly number[] }): NdArray {
  const shape = start.map(() => 1);
  const stride = start.map(() => 0);
  keptAxes.forEach((axis, at) => {
    shape[axis] = array.shape[at] as number;
    stride[axis] = array.stride[at] as number;
  });
  return { ...array, shape, stride };
}
