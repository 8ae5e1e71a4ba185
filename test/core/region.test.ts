import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DirectoryEntry } from "../../src/core/backend.ts";
import { storageCapabilities } from "../../src/core/capabilities.ts";
import {
  type AxisSelection,
  contiguous,
  copyArray,
  type NdArray,
  ndArray,
  sliceArray,
} from "../../src/core/nd-array.ts";
import type { BackendStat } from "../../src/core/readable-backend.ts";
import { type ArrayLevel, isRegionSource, type RegionSource, sampleRegion } from "../../src/core/region.ts";
import { ReadOnlyBackend } from "../../src/core/special-backends.ts";
import { rejectionOf } from "../support/rejection.ts";

/** Any path is the same array; loads are counted. */
class Whole extends ReadOnlyBackend {
  readonly key: string = "whole";
  readonly capabilities = { ...storageCapabilities, write: false };
  readonly value: unknown;
  loads = 0;

  constructor(value: unknown) {
    super();
    this.value = value;
  }

  protected async doLoad(): Promise<unknown> {
    this.loads++;
    return this.value;
  }

  protected async doStat(): Promise<BackendStat> {
    return { kind: "file", exists: true };
  }

  protected async *doList(): AsyncIterable<DirectoryEntry> {}
}

/** The same in several resolutions, each every second element of the one before along the last two axes. */
class Pyramid extends Whole implements RegionSource {
  override readonly key = "pyramid";
  readonly #arrays: NdArray[];
  readonly reads: { readonly shape: readonly number[]; readonly resolution: number }[] = [];

  constructor(full: NdArray, count: number) {
    super(full);
    this.#arrays = [full];
    for (let i = 1; i < count; i++) this.#arrays.push(halved(this.#arrays[i - 1] as NdArray));
  }

  async levels(): Promise<ArrayLevel[]> {
    const rank = this.#arrays[0]?.shape.length as number;
    return this.#arrays.map(({ shape, dtype }, level) => ({
      shape,
      dtype,
      downsampling: shape.map((_, axis) => (axis < rank - 2 ? 1 : 2 ** level)),
    }));
  }

  async readRegion(_path: string, selection: readonly AxisSelection[], { resolution = 0 } = {}): Promise<NdArray> {
    const part = copyArray(sliceArray(this.#arrays[resolution] as NdArray, selection));
    this.reads.push({ shape: part.shape, resolution });
    return part;
  }
}

function halved(array: NdArray): NdArray {
  const rank = array.shape.length;
  const every = (axis: number) => (axis < rank - 2 ? 1 : 2);
  return copyArray({
    ...array,
    shape: array.shape.map((length, axis) => Math.ceil(length / every(axis))),
    stride: array.stride.map((step, axis) => step * every(axis)),
  });
}

const counted = (...shape: number[]) => {
  const size = shape.reduce((a, b) => a * b, 1);
  return ndArray(
    Uint32Array.from({ length: size }, (_, i) => i),
    shape,
  );
};
const values = (array: NdArray) => [...(contiguous(array).data as Uint32Array)];

describe("sampling a region", () => {
  it("of a source that reads parts reads no more than the part", async () => {
    const source = new Pyramid(counted(2, 10, 12), 1);
    const sample = await sampleRegion(source, "a", { origin: [3, 4], shape: [2, 5] });
    expect(sample).toMatchObject({ readAs: "region", origin: [0, 3, 4], sourceShape: [2, 10, 12], resolutionCount: 1 });
    expect(sample.array.shape).toEqual([2, 2, 5]);
    expect(values(sample.array).slice(0, 6)).toEqual([40, 41, 42, 43, 44, 52]);
    expect([source.loads, source.reads]).toEqual([0, [{ shape: [2, 2, 5], resolution: 0 }]]);
  });

  it("of any other source loads all of it, says so, and gives memory that is not the source's", async () => {
    const source = new Whole(counted(10, 12));
    const sample = await sampleRegion(source, "a", { origin: [3, 4], shape: [2, 5] });
    expect(sample).toMatchObject({ readAs: "whole", resolution: 0, resolutionShape: [10, 12], downsampling: [1, 1] });
    sample.array.data.fill(0 as never);
    expect((source.value as NdArray).data[40]).toBe(40);
  });

  it("leaves out what lies beyond the array, and refuses a box that begins there", async () => {
    const source = new Whole(counted(10, 12));
    const sample = await sampleRegion(source, "a", { origin: [8, 10], shape: [50, 50] });
    expect(values(sample.array)).toEqual([106, 107, 118, 119]);
    expect(await rejectionOf(sampleRegion(source, "a", { origin: [10, 0], shape: [1, 1] }))).toMatchObject({
      code: "OUT_OF_RANGE",
    });
  });

  it("at a lower resolution takes the box in elements of the full one, and says what was read", async () => {
    const source = new Pyramid(counted(16, 16), 3);
    const sample = await sampleRegion(source, "a", { origin: [5, 8], shape: [6, 4], resolution: 2 });
    expect(sample).toMatchObject({
      origin: [1, 2],
      resolution: 2,
      resolutionCount: 3,
      resolutionShape: [4, 4],
      sourceShape: [16, 16],
      downsampling: [4, 4],
    });
    expect(values(sample.array)).toEqual([4 * 16 + 8, 8 * 16 + 8]);
  });

  it("chooses by itself the finest resolution in which the box is short enough, else the coarsest", async () => {
    const source = new Pyramid(counted(64, 64), 3);
    const level = async (length: number, autoLength: number) => {
      const request = { origin: [0, 0], shape: [length, length], resolution: "auto" as const, autoLength };
      return (await sampleRegion(source, "a", request)).resolution;
    };
    expect(await Promise.all([level(64, 64), level(64, 32), level(64, 20), level(64, 4), level(1000, 64)])).toEqual([
      0, 1, 2, 2, 0,
    ]);
  });

  it("of a part of the stored array counts that part as the array", async () => {
    const full = counted(2, 4, 5);
    for (const source of [new Whole(full), new Pyramid(full, 1)]) {
      const sample = await sampleRegion(source, "a", { origin: [1, 1], shape: [2, 3] }, { within: [[1]] });
      expect(sample).toMatchObject({ origin: [1, 1], sourceShape: [4, 5] });
      expect(values(sample.array)).toEqual([26, 27, 28, 31, 32, 33]);
    }
  });

  it("of a part of a part counts as slicing twice", async () => {
    const full = counted(3, 4, 5, 6);
    const parts = [
      [1, [1, 4], null],
      [[-2, 3], 2],
    ] as const;
    for (const source of [new Whole(full), new Pyramid(full, 1)]) {
      const { array, sourceShape } = await sampleRegion(source, "a", { origin: [1], shape: [4] }, { within: parts });
      expect(sourceShape).toEqual([2, 6]);
      expect(values(array)).toEqual(
        values(sliceArray(sliceArray(sliceArray(full, parts[0]), parts[1]), [null, [1, 5]])),
      );
    }
  });

  it("is the source's own where it has one", async () => {
    const source = Object.assign(new Whole(counted(2, 2)), {
      sample: async (path: string) => ({
        ...(await sampleRegion(new Whole(counted(4, 4)), path, request)),
        isOwn: true,
      }),
    });
    const request = { origin: [0, 0], shape: [9, 9] };
    expect(await sampleRegion(source, "a", request)).toMatchObject({ isOwn: true, sourceShape: [4, 4] });
    expect(await rejectionOf(sampleRegion(source, "a", { origin: [], shape: [] }))).toMatchObject({
      code: "INVALID_DATA",
    });
  });

  it("gives what slicing the loaded array gives, whatever the part and the box (a law)", async () => {
    const axis = fc.tuple(fc.nat(7), fc.nat(7)).map(([a, b]) => [Math.min(a, b), Math.max(a, b) + 1] as const);
    const within = fc.tuple(fc.oneof(fc.nat(2), fc.constant(null)), fc.oneof(axis, fc.constant(null)));
    await fc.assert(
      fc.asyncProperty(within, axis, axis, async ([first, second], y, x) => {
        const full = counted(3, 8, 8);
        const part = sliceArray(full, [first, second]);
        const [height, width] = part.shape.slice(-2) as [number, number];
        const request = { origin: [y[0], x[0]], shape: [y[1] - y[0], x[1] - x[0]] };
        for (const source of [new Whole(full), new Pyramid(full, 2)]) {
          const options = { within: [[first, second]] };
          if (y[0] >= height || x[0] >= width) {
            expect(await rejectionOf(sampleRegion(source, "a", request, options))).toMatchObject({
              code: "OUT_OF_RANGE",
            });
            continue;
          }
          const { array } = await sampleRegion(source, "a", request, options);
          const box = [
            [y[0], Math.min(y[1], height)],
            [x[0], Math.min(x[1], width)],
          ] as const;
          const whole = part.shape.slice(0, -2).map(() => null);
          expect(values(array)).toEqual(values(sliceArray(part, [...whole, ...box])));
        }
      }),
    );
  });

  it.each([
    [{ origin: [0], shape: [1, 1] }, /same number of axes/],
    [{ origin: [-1, 0], shape: [1, 1] }, /origin/],
    [{ origin: [0, 0], shape: [0, 1] }, /shape/],
    [{ origin: [0.5, 0], shape: [1, 1] }, /origin/],
    [{ origin: [], shape: [] }, /origin/],
    [{ origin: [0, 0], shape: [1, 1], resolution: -1 }, /resolution/],
    [{ origin: [0, 0], shape: [1, 1], autoLength: 0 }, /autoLength/],
    [{ origin: [0, 0, 0], shape: [1, 1, 1] }, /3 axes/],
  ])("refuses the request %j", async (request, message) => {
    const error = await rejectionOf(sampleRegion(new Whole(counted(4, 4)), "a", request));
    expect(error).toMatchObject({ code: "INVALID_DATA" });
    expect(error.message).toMatch(message);
  });

  it("refuses resolutions that are not there, and values that are no arrays", async () => {
    const request = { origin: [0, 0], shape: [1, 1], resolution: 1 };
    expect(await rejectionOf(sampleRegion(new Whole(counted(4, 4)), "a", request))).toMatchObject({
      code: "OUT_OF_RANGE",
      message: "There is no resolution 1; the array has 1, from 0",
    });
    expect(await rejectionOf(sampleRegion(new Whole("text"), "a", request))).toMatchObject({ code: "INVALID_DATA" });
  });
});

it("a source that reads parts is told by its two methods", () => {
  expect(isRegionSource(new Pyramid(counted(2, 2), 1))).toBe(true);
  expect(isRegionSource(new Whole(1))).toBe(false);
});
