/** Puts parts of an image together to what is stored as one: chunks, or shards. */
import type { DType } from "../../../src/core/dtype.ts";
import { StorageError } from "../../../src/core/errors.ts";
import { byteLengthOf, isNdArray, type NdArray, sizeOf, sliceArray, zeros } from "../../../src/core/nd-array.ts";
import { type Box, chunkBox, chunksOf, contains, copyBox, intersect } from "../region.ts";
import type { ImagePart } from "./image-source.ts";

/** A box of the image, and its elements. */
export interface FilledBox {
  readonly box: Box;
  readonly array: NdArray;
}

/** What a {@link PartCollector} collects. */
export interface CollectorOptions {
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Shape of what is stored as one. */
  readonly unitShape: readonly number[];
  /** Names of all axes. */
  readonly axes: readonly string[];
  /** Names of the axes that the parts do not have, from the slowest to the quickest. */
  readonly order?: readonly string[] | undefined;
  /** Most bytes of parts that may wait for others. */
  readonly maxBytes: number;
}

/** A unit of which some elements have come. */
interface PendingUnit {
  readonly box: Box;
  readonly array: NdArray;
  missing: number;
  /** What has come, of parts that say where they are. */
  readonly parts: Box[];
}

/** Takes parts, and answers with what is complete. */
export class PartCollector {
  readonly #options: CollectorOptions;
  readonly #pending = new Map<string, PendingUnit>();
  /** Units that are complete, of parts that say where they are. */
  readonly #complete = new Set<string>();
  #sequence: PartSequence | undefined;
  #isPlaced = false;
  #pendingBytes = 0;
  #elements = 0;

  constructor(options: CollectorOptions) {
    this.#options = options;
  }

  /** Bytes of units that wait for more. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /**
   * Takes a part.
   *
   * @param part - Borrowed until what is answered was used.
   * @returns What is complete now; it may share the memory of the part.
   * @throws A {@link StorageError} `INVALID_DATA`, `SHAPE_MISMATCH`, `DTYPE_MISMATCH`.
   */
  add(part: NdArray | ImagePart): FilledBox[] {
    const { shape, dtype, unitShape, maxBytes } = this.#options;
    const { box, array } = this.#locate(part);
    if (array.dtype !== dtype) {
      throw new StorageError("DTYPE_MISMATCH", `A part of an image of ${dtype} is of ${array.dtype}`);
    }
    this.#elements += sizeOf(array.shape);
    const whole: Box = { start: shape.map(() => 0), stop: shape };
    const ready: FilledBox[] = [];
    for (const unit of chunksOf(box, unitShape)) {
      const inside = intersect(chunkBox(unit, unitShape), whole);
      const piece = intersect(inside, box);
      const key = unit.join(",");
      if (this.#complete.has(key)) throw this.#twice(piece);
      if (contains(box, inside)) {
        if (this.#pending.has(key)) throw this.#twice(piece);
        if (this.#isPlaced) this.#complete.add(key);
        const ranges = inside.start.map((from, axis) => {
          const origin = box.start[axis] as number;
          return [from - origin, (inside.stop[axis] as number) - origin] as const;
        });
        ready.push({ box: inside, array: sliceArray(array, ranges) });
        continue;
      }
      const pending = this.#pending.get(key) ?? this.#begin(key, inside, array);
      if (this.#isPlaced) {
        if (pending.parts.some((before) => !isEmpty(intersect(before, piece)))) throw this.#twice(piece);
        pending.parts.push(piece);
      }
      copyBox(array, box.start, pending.array, inside.start);
      pending.missing -= sizeOf(lengthsOf(piece));
      if (pending.missing > 0) continue;
      this.#pending.delete(key);
      this.#pendingBytes -= byteLengthOf(pending.array);
      if (this.#isPlaced) this.#complete.add(key);
      ready.push(pending);
    }
    const bytes = this.#pendingBytes + ready.reduce((sum, one) => sum + byteLengthOf(one.array), 0);
    if (bytes <= maxBytes) return ready;
    throw this.#tooMuch(bytes);
  }

  /** @throws A {@link StorageError} `INVALID_DATA` if there are elements that never came. */
  finish(): void {
    const { shape } = this.#options;
    const all = sizeOf(shape);
    if (this.#elements === all && this.#pending.size === 0) return;
    const message = `Parts with ${this.#elements} elements came for an image of [${shape.join(", ")}], which has ${all}`;
    throw new StorageError("INVALID_DATA", message);
  }

  /** Where a part belongs. */
  #locate(part: NdArray | ImagePart): FilledBox {
    const { shape } = this.#options;
    const isFirst = this.#elements === 0;
    const isPlaced = !isNdArray(part);
    if (isFirst) this.#isPlaced = isPlaced;
    else if (isPlaced !== this.#isPlaced) {
      throw new StorageError("INVALID_DATA", "Either all parts of an image have a start, or none has");
    }
    if (!isPlaced) {
      this.#sequence ??= new PartSequence(this.#options, part.shape.length);
      return this.#sequence.next(part);
    }
    const { start, array } = (part ?? {}) as Partial<ImagePart>;
    const isWhole = Array.isArray(start) && isNdArray(array) && array.shape.length === shape.length;
    const stop = isWhole ? start.map((from: number, axis) => from + (array.shape[axis] as number)) : [];
    const isInside = stop.every((to, axis) => {
      const from = (start as number[])[axis] as number;
      return Number.isSafeInteger(from) && from >= 0 && to <= (shape[axis] as number);
    });
    if (isWhole && stop.length === shape.length && isInside) return { box: { start, stop }, array };
    const what = isWhole ? `at [${start.join(", ")}] of [${array.shape.join(", ")}]` : "without start and array";
    throw new StorageError("SHAPE_MISMATCH", `A part ${what} is no part of an image of [${shape.join(", ")}]`);
  }

  #begin(key: string, box: Box, { dtype }: NdArray): PendingUnit {
    const array = zeros(lengthsOf(box), dtype);
    const pending = { box, array, missing: sizeOf(array.shape), parts: [] };
    this.#pendingBytes += byteLengthOf(array);
    if (this.#pendingBytes > this.#options.maxBytes) throw this.#tooMuch(this.#pendingBytes);
    this.#pending.set(key, pending);
    return pending;
  }

  #tooMuch(bytes: number): StorageError {
    const { maxBytes, unitShape } = this.#options;
    const message = `The parts come in an order in which ${bytes} bytes or more must be in memory to put together chunks or shards of [${unitShape.join(", ")}], more than the ${maxBytes} that are left of maxBytes; allow more, or pass a chunkShape with what comes together`;
    return new StorageError("INVALID_DATA", message);
  }

  #twice({ start }: Box): StorageError {
    return new StorageError("INVALID_DATA", `The element at [${start.join(", ")}] comes in two parts of the image`);
  }
}

/** Parts that follow one another. */
class PartSequence {
  readonly #shape: readonly number[];
  /** Axes that the parts do not have, the quickest last. */
  readonly #leading: readonly number[];
  readonly #index: number[];
  /** Where along the first axis of the parts the next one begins. */
  #offset = 0;
  #isComplete = false;

  constructor({ shape, axes, order }: CollectorOptions, rank: number) {
    if (rank < 1 || rank > shape.length) {
      throw new StorageError("SHAPE_MISMATCH", `Parts of ${rank} axes make no image of [${shape.join(", ")}]`);
    }
    const names = axes.slice(0, shape.length - rank);
    const given = order ?? names;
    if (given.length !== names.length || !names.every((name) => given.includes(name))) {
      const message = `The order of parts without ${names.join(", ") || "any axis"} cannot be ${given.join(", ")}`;
      throw new StorageError("INVALID_DATA", message);
    }
    this.#shape = shape;
    this.#leading = given.map((name) => axes.indexOf(name));
    this.#index = names.map(() => 0);
  }

  next(array: NdArray): FilledBox {
    const shape = this.#shape;
    const lead = this.#index.length;
    const [length = 0, ...others] = array.shape;
    const end = this.#offset + length;
    const isPart = others.length === shape.length - lead - 1 && length >= 1 && end <= (shape[lead] as number);
    if (this.#isComplete || !isPart || !others.every((one, at) => one === shape[lead + 1 + at])) {
      const message = this.#isComplete ? "is one too many for" : "does not fit into";
      throw new StorageError(
        "SHAPE_MISMATCH",
        `A part of [${array.shape.join(", ")}] ${message} [${shape.join(", ")}]`,
      );
    }
    const start = [...this.#index, this.#offset, ...others.map(() => 0)];
    const stop = [...this.#index.map((at) => at + 1), end, ...others];
    this.#offset = end;
    if (end === shape[lead]) this.#step();
    const stride = [...this.#index.map(() => 0), ...array.stride];
    return { box: { start, stop }, array: { ...array, shape: lengthsOf({ start, stop }), stride } };
  }

  #step(): void {
    this.#offset = 0;
    for (const axis of this.#leading.toReversed()) {
      const next = (this.#index[axis] as number) + 1;
      this.#index[axis] = next < (this.#shape[axis] as number) ? next : 0;
      if (this.#index[axis] !== 0) return;
    }
    this.#isComplete = true;
  }
}

function lengthsOf({ start, stop }: Box): number[] {
  return stop.map((to, axis) => to - (start[axis] as number));
}

function isEmpty({ start, stop }: Box): boolean {
  return start.some((from, axis) => from >= (stop[axis] as number));
}
