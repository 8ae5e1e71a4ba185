/**
 * Parts of arrays: read without the rest where the source can, and with a record of what was read. A source that can
 * read parts says so by having the two methods of {@link RegionSource}.
 *
 * @see OpenHCS `io/base.py`, `DataSource.sample` and `ImageSamplingRequest`
 */
import type { OperationOptions } from "./byte-store.ts";
import { describe } from "./checks.ts";
import type { DataSource, LoadOptions } from "./data-source.ts";
import type { DType } from "./dtype.ts";
import { StorageError } from "./errors.ts";
import { type AxisSelection, copyArray, isNdArray, type NdArray, sliceArray } from "./nd-array.ts";
import { type ResolvedSelection, resolveSelection } from "./selection.ts";

/** One resolution of a stored array. */
export interface ArrayLevel {
  /** Length of each axis at this resolution. */
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Elements of the full array that one element stands for, along each axis: all 1 at full resolution. */
  readonly downsampling: readonly number[];
}

/** Options of {@link RegionSource.readRegion}. */
export interface ReadRegionOptions extends Omit<LoadOptions, "selection"> {
  /** Which of {@link RegionSource.levels}; 0, the default, is full resolution. */
  readonly resolution?: number | undefined;
}

/** A source that reads parts of its arrays without loading the whole. */
export interface RegionSource {
  /**
   * The resolutions in which an array is stored, full resolution first. Looks at metadata only.
   *
   * @throws A {@link StorageError} as `load`.
   */
  levels(path: string, options?: OperationOptions): Promise<readonly ArrayLevel[]>;
  /**
   * Reads a part.
   *
   * @param selection - In elements of the resolution that is read, as for `sliceArray`; axes left out are taken whole.
   * @returns Memory that belongs to the caller.
   * @throws A {@link StorageError}: `OUT_OF_RANGE`; otherwise as `load`.
   */
  readRegion(path: string, selection: readonly AxisSelection[], options?: ReadRegionOptions): Promise<NdArray>;
}

/** True if a source reads parts of its arrays. */
export function isRegionSource<T extends object>(source: T): source is T & RegionSource {
  const { levels, readRegion } = source as Partial<RegionSource>;
  return typeof levels === "function" && typeof readRegion === "function";
}

/** A box to look at. Both lists are about the last axes; axes before them are taken whole. */
export interface RegionRequest {
  /** First element along each axis, in elements of the full resolution. */
  readonly origin: readonly number[];
  /** Elements along each axis, at least 1, in elements of the full resolution. What lies beyond the array is left out. */
  readonly shape: readonly number[];
  /**
   * Index of a resolution; 0, the default, is full resolution. `"auto"`: the finest one in which no axis of the box is
   * longer than `autoLength`, or the coarsest.
   */
  readonly resolution?: number | "auto" | undefined;
  /** Longest axis that `"auto"` accepts. Default 1024. */
  readonly autoLength?: number | undefined;
}

/** Options of {@link sampleRegion}. */
export interface SampleOptions extends Omit<LoadOptions, "selection"> {
  /** The part of the stored array that counts as the array, or parts, each of the one before. Default: all of it. */
  readonly within?: readonly (readonly AxisSelection[])[] | undefined;
}

/** A part of an array, and where it is from. */
export interface RegionSample {
  /** The elements that were read; memory of the caller. */
  readonly array: NdArray;
  /** First element of the part along each axis, in elements of the resolution that was read. */
  readonly origin: readonly number[];
  /** Index of the resolution that was read. */
  readonly resolution: number;
  /** How many resolutions the source has. */
  readonly resolutionCount: number;
  /** Shape of the array at the resolution that was read. */
  readonly resolutionShape: readonly number[];
  /** Shape of the array at full resolution. */
  readonly sourceShape: readonly number[];
  /** Elements of the full array that one element of the part stands for, along each axis. */
  readonly downsampling: readonly number[];
  /** `"region"`: only the part was read. `"whole"`: the source cannot read parts, so all of it was loaded and cut. */
  readonly readAs: "region" | "whole";
}

/** A source that knows better than {@link sampleRegion} where its values are from: a view of others, for example. */
export interface SampledSource {
  /** As {@link sampleRegion}, which calls it. */
  sample(path: string, request: RegionRequest, options?: SampleOptions): Promise<RegionSample>;
}

/**
 * Reads a box of an array at one of its resolutions.
 *
 * @param source - Any source. One that has a `sample` of its own ({@link SampledSource}) is asked; one that reads parts
 * ({@link RegionSource}) reads no more than the box; of any other, all is loaded.
 * @throws A {@link StorageError}: `INVALID_DATA` for a request that makes no sense, or a value that is no array;
 * `OUT_OF_RANGE` for a box outside the array, or a resolution that it does not have; otherwise as `load`.
 */
export async function sampleRegion(
  source: DataSource,
  path: string,
  request: RegionRequest,
  options: SampleOptions = {},
): Promise<RegionSample> {
  checkRequest(request);
  const { sample } = source as Partial<SampledSource>;
  if (typeof sample === "function") return sample.call(source, path, request, options);
  const { within = [], ...load } = options;
  const regions = isRegionSource(source) ? source : undefined;
  const whole = regions === undefined ? wholeArray(await source.load(path, load), path) : undefined;
  const levels = whole === undefined ? await regions?.levels(path, load) : [levelOf(whole)];
  const projected = (levels ?? []).map((level) => project(level, within, (levels ?? [])[0] as ArrayLevel));
  const resolution = chooseLevel(request, projected);
  const level = projected[resolution] as Projected;
  const part = boxOf(request, level, path);
  const selection = compose(level.selection, part, level.fullAxes);
  const array =
    whole === undefined
      ? await (regions as RegionSource).readRegion(path, selection, { ...load, resolution })
      : copyArray(sliceArray(whole, selection));
  return {
    array,
    origin: part.map(([start]) => start),
    resolution,
    resolutionCount: projected.length,
    resolutionShape: level.shape,
    sourceShape: (projected[0] as Projected).shape,
    downsampling: level.downsampling,
    readAs: whole === undefined ? "region" : "whole",
  };
}

/** A resolution, seen through the part of the array that counts. */
interface Projected {
  /** What to select of the stored array: one entry for each of its axes. */
  readonly selection: readonly (number | readonly [number, number])[];
  /** The axes of the stored array that are left, and of those: */
  readonly fullAxes: readonly number[];
  readonly shape: readonly number[];
  readonly downsampling: readonly number[];
}

function project(level: ArrayLevel, within: SampleOptions["within"], full: ArrayLevel): Projected {
  const { start, stop, keptAxes } = resolveParts(within ?? [], full.shape);
  const selection = level.shape.map((length, axis) => {
    const step = level.downsampling[axis] as number;
    // The last element of a resolution may stand for less than a whole step.
    const first = Math.min(Math.floor((start[axis] as number) / step), Math.max(length - 1, 0));
    if (!keptAxes.includes(axis)) return first;
    return [first, Math.min(Math.max(Math.ceil((stop[axis] as number) / step), first), length)] as const;
  });
  return {
    selection,
    fullAxes: keptAxes,
    shape: keptAxes.map((axis) => {
      const [from, to] = selection[axis] as readonly [number, number];
      return to - from;
    }),
    downsampling: keptAxes.map((axis) => level.downsampling[axis] as number),
  };
}

/** Parts of parts, as one of the whole. */
function resolveParts(parts: readonly (readonly AxisSelection[])[], shape: readonly number[]): ResolvedSelection {
  let whole = resolveSelection([], shape);
  for (const part of parts) {
    const { start, stop, keptAxes } = whole;
    const inner = resolveSelection(
      part,
      keptAxes.map((axis) => (stop[axis] as number) - (start[axis] as number)),
    );
    const from = [...start];
    const to = [...stop];
    keptAxes.forEach((axis, i) => {
      from[axis] = (start[axis] as number) + (inner.start[i] as number);
      to[axis] = (start[axis] as number) + (inner.stop[i] as number);
    });
    whole = { start: from, stop: to, keptAxes: inner.keptAxes.map((i) => keptAxes[i] as number) };
  }
  return whole;
}

function chooseLevel(
  { resolution = 0, autoLength = 1024, shape }: RegionRequest,
  levels: readonly Projected[],
): number {
  if (resolution !== "auto") {
    if (levels[resolution] !== undefined) return resolution;
    throw new StorageError(
      "OUT_OF_RANGE",
      `There is no resolution ${resolution}; the array has ${levels.length}, from 0`,
    );
  }
  const fits = levels.findIndex((level) => {
    const first = level.shape.length - shape.length;
    return shape.every((length, axis) => {
      const reach = Math.min(
        Math.ceil(length / (level.downsampling[first + axis] ?? 1)),
        level.shape[first + axis] ?? 0,
      );
      return reach <= autoLength;
    });
  });
  return fits < 0 ? levels.length - 1 : fits;
}

/** Start and stop along each axis of the projected array, at its resolution. */
function boxOf(request: RegionRequest, level: Projected, path: string): (readonly [number, number])[] {
  const first = level.shape.length - request.shape.length;
  if (first < 0) {
    throw new StorageError(
      "INVALID_DATA",
      `A box of ${request.shape.length} axes does not fit "${path}", which has ${level.shape.length}`,
    );
  }
  return level.shape.map((length, axis) => {
    if (axis < first) return [0, length] as const;
    const step = level.downsampling[axis] as number;
    const origin = request.origin[axis - first] as number;
    const start = Math.floor(origin / step);
    if (start >= length) {
      throw new StorageError(
        "OUT_OF_RANGE",
        `The box begins at ${origin} of axis ${axis} of "${path}", which has ${length * step} elements at most`,
      );
    }
    return [start, Math.min(Math.ceil((origin + (request.shape[axis - first] as number)) / step), length)] as const;
  });
}

/** One selection that does the work of two: `part` is about the axes that the first one keeps. */
function compose(
  selection: Projected["selection"],
  part: readonly (readonly [number, number])[],
  keptAxes: readonly number[],
): AxisSelection[] {
  return selection.map((entry, axis) => {
    if (typeof entry === "number") return entry;
    const [start, stop] = part[keptAxes.indexOf(axis)] as readonly [number, number];
    return [entry[0] + start, entry[0] + stop] as const;
  });
}

function checkRequest({ origin, shape, resolution = 0, autoLength = 1 }: RegionRequest): void {
  const isWhole = (value: unknown, minimum: number) => Number.isSafeInteger(value) && (value as number) >= minimum;
  const isList = (list: unknown, minimum: number) =>
    Array.isArray(list) && list.length > 0 && list.every((value) => isWhole(value, minimum));
  const wrong = !isList(origin, 0)
    ? "origin must be whole numbers ≥ 0"
    : !isList(shape, 1)
      ? "shape must be whole numbers ≥ 1"
      : origin.length !== shape.length
        ? "origin and shape must have the same number of axes"
        : resolution !== "auto" && !isWhole(resolution, 0)
          ? 'resolution must be a whole number ≥ 0 or "auto"'
          : isWhole(autoLength, 1)
            ? undefined
            : "autoLength must be a whole number ≥ 1";
  if (wrong !== undefined) throw new StorageError("INVALID_DATA", `Not a region: ${wrong}`);
}

function wholeArray(value: unknown, path: string): NdArray {
  if (isNdArray(value)) return value;
  throw new StorageError("INVALID_DATA", `"${path}" is ${describe(value)}, which has no regions`, { identifier: path });
}

function levelOf({ shape, dtype }: NdArray): ArrayLevel {
  return { shape, dtype, downsampling: shape.map(() => 1) };
}
