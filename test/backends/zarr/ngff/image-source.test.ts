import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createArray, openZarr, type ZarrArray } from "../../../../backends/zarr/index.ts";
import {
  type ImageInput,
  type ImageParts,
  type ImageSource,
  readImage,
  validateNgff,
  type WriteImageOptions,
  writeImage,
  writeWell,
} from "../../../../backends/zarr/ngff/index.ts";
import type { ByteSource, ReadOptions, WriteOptions } from "../../../../src/core/byte-store.ts";
import { arraysEqual, byteLengthOf, type NdArray, sliceArray, zeros } from "../../../../src/core/nd-array.ts";
import { WrappedStore } from "../../../../src/layers/wrapped-store.ts";
import { rejectionOf } from "../../../support/rejection.ts";
import { freshStore, ramp } from "./stores.ts";

/** The array as a source that reads parts of it. */
function sourceOf(array: NdArray, more: Partial<ImageSource> = {}): ImageSource {
  const { shape, dtype } = array;
  return { shape, dtype, read: async (selection) => sliceArray(array, selection), ...more };
}

/** The array in pieces along its first axes: planes for 2, strips of `lines` of them. */
function partsOf(array: NdArray, rank: number, lines?: number): ImageParts {
  const { shape, dtype } = array;
  async function* parts() {
    const leading = shape.slice(0, -rank);
    const count = leading.reduce((product, length) => product * length, 1);
    const reused = zeros([lines ?? (shape.at(-rank) as number), ...shape.slice(shape.length - rank + 1)], dtype);
    for (let number = 0; number < count; number++) {
      let rest = number;
      const index = leading.toReversed().map((length) => {
        const at = rest % length;
        rest = (rest - at) / length;
        return at;
      });
      const plane = sliceArray(array, index.toReversed());
      const step = lines ?? (plane.shape[0] as number);
      for (let line = 0; line < (plane.shape[0] as number); line += step) {
        const part = sliceArray(plane, [[line, Math.min(line + step, plane.shape[0] as number)]]);
        // Memory that is used again, as a camera does.
        const size = part.shape.reduce((product, length) => product * length, 1);
        const { data } = { data: Uint16Array.from(arrayValues(part)) };
        (reused.data as Uint16Array).set(data);
        yield { ...reused, shape: part.shape, data: reused.data.subarray(0, size) as Uint16Array };
      }
    }
  }
  return { shape, dtype, parts: parts() };
}

function* arrayValues(array: NdArray, axis = 0, offset = 0): Generator<number> {
  if (axis === array.shape.length) {
    yield array.data[offset] as number;
    return;
  }
  for (let i = 0; i < (array.shape[axis] as number); i++) {
    yield* arrayValues(array, axis + 1, offset + i * (array.stride[axis] as number));
  }
}

/** Reads every level of an image. */
async function levelsOf(store: Parameters<typeof readImage>[0], path: string): Promise<NdArray[]> {
  const { levels } = await readImage(store, path);
  return Promise.all(levels.map((level) => level.read()));
}

describe.each(["memory", "disk"] as const)("an image that is not in memory, in %s", (kind) => {
  const image = ramp([2, 3, 37, 50]);
  const options: WriteImageOptions = { axes: ["c", "z", "y", "x"], levels: 3, chunkShape: [1, 1, 16, 16] };
  const layouts: [string, WriteImageOptions][] = [
    ["chunks of planes", { ...options, chunkShape: [1, 1, 37, 50] }],
    ["chunks in planes", options],
    ["chunks across planes", { ...options, chunkShape: [2, 2, 16, 32], factors: { z: 2, y: 2, x: 2 } }],
    ["shards", { ...options, shardShape: [1, 3, 32, 32] }],
    ["Zarr v2", { ...options, version: "0.4" }],
  ];
  const inputs: [string, () => ImageInput][] = [
    ["a source", () => sourceOf(image)],
    ["a source that reads chunks of its own", () => sourceOf(image, { chunkShape: [1, 3, 20, 50] })],
    ["planes", () => partsOf(image, 2)],
    ["stacks", () => partsOf(image, 3)],
    ["strips of lines", () => partsOf(image, 2, 7)],
    ["lines", () => partsOf(image, 1)],
    ["one part", () => partsOf(image, 4)],
  ];

  it.each(layouts)("is the same, level by level, as one that is: %s", async (_, layout) => {
    const { store, side } = await freshStore(kind);
    await writeImage(store, "whole", image, layout);
    const expected = await levelsOf(store, "whole");
    const keysOf = async (name: string) =>
      (await side.keys())
        .filter((key) => key.startsWith(`${name}/`))
        .map((key) => key.slice(name.length))
        .sort();
    for (const [index, [name, input]] of inputs.entries()) {
      await writeImage(store, String(index), input(), layout);
      const levels = await levelsOf(store, String(index));
      expect(
        levels.map((level, at) => arraysEqual(level, expected[at] as NdArray)),
        name,
      ).toEqual(expected.map(() => true));
      expect(await keysOf(String(index)), name).toEqual(await keysOf("whole"));
      expect((await readImage(store, String(index))).attributes).toEqual((await readImage(store, "whole")).attributes);
    }
    expect((await validateNgff(store, "0")).isValid).toBe(true);
  });

  it("comes from an array of another store, and into a well", async () => {
    const { store } = await freshStore("memory");
    const array = await createArray(store, "raw", { shape: image.shape, dtype: "uint16", chunkShape: [1, 2, 37, 20] });
    await array.write([], image);
    const { store: target } = await freshStore(kind);
    const raw = (await openZarr(store, "raw")) as ZarrArray;
    await writeImage(target, "i", raw, options);
    expect(arraysEqual((await levelsOf(target, "i"))[0] as NdArray, image)).toBe(true);
    await writeWell(target, "plate", { row: "A", column: 1, images: [{ array: raw, ...options }] });
    expect(arraysEqual((await levelsOf(target, "plate/A/1/0"))[0] as NdArray, image)).toBe(true);
    expect((await validateNgff(target, "plate")).isValid).toBe(true);
  });

  it("comes in the order that is declared, or in parts that say where they are", async () => {
    const { store } = await freshStore(kind);
    // An instrument that changes channels in each plane: z is slower than c.
    async function* planes() {
      for (let z = 0; z < 3; z++) for (let c = 0; c < 2; c++) yield sliceArray(image, [c, z]);
    }
    const { shape, dtype } = image;
    await writeImage(store, "a", { shape, dtype, parts: planes(), order: ["z", "c"] }, options);
    expect(arraysEqual((await levelsOf(store, "a"))[0] as NdArray, image)).toBe(true);
    const tiles = [0, 1].flatMap((c) =>
      [30, 0].flatMap((y) =>
        [0, 25].map((x) => {
          const [height, width] = [y === 0 ? 30 : 7, 25];
          return {
            start: [c, 0, y, x],
            array: sliceArray(image, [
              [c, c + 1],
              [0, 3],
              [y, y + height],
              [x, x + width],
            ]),
          };
        }),
      ),
    );
    await writeImage(store, "b", { shape, dtype, parts: tiles }, options);
    expect(arraysEqual((await levelsOf(store, "b"))[0] as NdArray, image)).toBe(true);
  });

  it("that is refused, fails or is aborted leaves nothing", async () => {
    const { store, side } = await freshStore(kind);
    const { shape, dtype } = image;
    const planes = () => [0, 1].flatMap((c) => [0, 1, 2].map((z) => sliceArray(image, [c, z])));
    const from = (parts: ImageParts["parts"], order?: string[]): ImageParts => ({ shape, dtype, parts, order });
    const place = (at: number) => ({ start: [at, 0, 0, 0], array: sliceArray(image, [[0, 1]]) });
    const controller = new AbortController();
    let reads = 0;
    const aborting = sourceOf(image, {
      read: (selection) => {
        if (++reads === 5) controller.abort();
        return sliceArray(image, selection);
      },
    });
    const cases: [ImageInput, WriteImageOptions, string][] = [
      [{ shape, dtype } as ImageSource, {}, "INVALID_DATA"],
      [sourceOf(image, { dtype: "complex64" as "uint8" }), {}, "DTYPE_MISMATCH"],
      [sourceOf(image, { chunkShape: [1, 0, 1, 1] }), {}, "INVALID_DATA"],
      [sourceOf(image), { maxBytes: 1000 }, "INVALID_DATA"],
      [sourceOf(image), { maxBytes: 0 }, "INVALID_DATA"],
      [sourceOf(image), { axes: ["y", "x"] }, "INVALID_DATA"],
      [sourceOf(image, { read: () => zeros([1], "uint16") }), {}, "SHAPE_MISMATCH"],
      [
        sourceOf(image, { read: (s) => ({ ...sliceArray(image, s), dtype: "int16" }) as NdArray }),
        {},
        "SHAPE_MISMATCH",
      ],
      [aborting, { signal: controller.signal }, "ABORTED"],
      [from(planes().slice(1)), {}, "INVALID_DATA"],
      [from([...planes(), zeros([37, 50], "uint16")]), {}, "SHAPE_MISMATCH"],
      [from([zeros([50, 37], "uint16")]), {}, "SHAPE_MISMATCH"],
      [from([zeros([37, 50], "uint8")]), {}, "DTYPE_MISMATCH"],
      [from(planes(), ["y", "c"]), {}, "INVALID_DATA"],
      [from([place(0), place(0)]), {}, "INVALID_DATA"],
      [from([place(0), place(2)]), {}, "SHAPE_MISMATCH"],
      [from([place(0), ...planes()]), {}, "INVALID_DATA"],
      // Chunks that need all planes before one of them can be stored.
      [from(planes()), { chunkShape: [2, 3, 16, 16], maxBytes: 16 * 1024 }, "INVALID_DATA"],
      [
        from(
          (function* () {
            yield sliceArray(image, [0, 0]);
            throw Object.assign(new Error("the shutter is stuck"), { code: "STUCK" });
          })(),
        ),
        {},
        "STUCK",
      ],
    ];
    for (const [at, [input, more, code]] of cases.entries()) {
      const error = await rejectionOf(writeImage(store, "i", input, { ...options, ...more }));
      expect(error.code, `${at}: ${error.message}`).toBe(code);
      expect(await side.keys(), `${at}`).toEqual([]);
    }
    expect(reads).toBeLessThan(10);
  });
});

it("any shape, in any chunks and any parts, is written as it would be from memory", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 4 }),
      fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 4, maxLength: 4 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 4 }),
      async (shape, chunks, rank, lines) => {
        const { store } = await freshStore("memory");
        const array = ramp(shape);
        const options = { chunkShape: chunks.slice(0, shape.length), factors: shape.map(() => 2), levels: 2 };
        if (shape.every((length) => length === 1)) options.levels = 1;
        await writeImage(store, "a", array, options);
        await writeImage(store, "b", partsOf(array, Math.min(rank, shape.length), lines), options);
        const [expected, found] = [await levelsOf(store, "a"), await levelsOf(store, "b")];
        expect(found.map((level, at) => arraysEqual(level, expected[at] as NdArray))).toEqual(found.map(() => true));
      },
    ),
    { numRuns: 60 },
  );
});

/** Counts the elements that were read, from the source or the store, and have not come to the store again. */
class CountingStore extends WrappedStore {
  held = 0;
  peak = 0;

  hold(bytes: number): void {
    this.held += bytes;
    this.peak = Math.max(this.peak, this.held);
  }

  override async read(key: string, options: ReadOptions = {}): Promise<Uint8Array> {
    const bytes = await super.read(key, options);
    if (/\/c\//.test(key)) this.hold(bytes.byteLength);
    return bytes;
  }

  override async write(key: string, bytes: ByteSource, options: WriteOptions = {}) {
    const result = await super.write(key, bytes, options);
    // What a level is made of goes with it: four elements for one.
    const factor = /\/0\/c\//.test(key) ? 1 : 4;
    if (/\/c\//.test(key)) this.held -= result.byteLength * factor;
    return result;
  }
}

it("of 16 MiB goes through 2 MiB of memory, or what chunks of its source need", { timeout: 60_000 }, async () => {
  const chunkShape = [256, 256];
  const shape = [2048, 4096];
  for (const [source, maxBytes] of [
    [undefined, 2 ** 21],
    [[256, 512], 2 ** 21],
    [[64, 4096], 2 ** 23],
  ] as const) {
    const { store: inner } = await freshStore("memory");
    const store = new CountingStore("meter", inner);
    const image: ImageSource = {
      shape,
      dtype: "uint16",
      chunkShape: source,
      read: async ([rows, columns]) => {
        const [[y0, y1], [x0, x1]] = [rows, columns] as [[number, number], [number, number]];
        const part = zeros([y1 - y0, x1 - x0], "uint16");
        for (let y = y0, at = 0; y < y1; y++) for (let x = x0; x < x1; x++) part.data[at++] = 1 + ((y * 31 + x) & 1023);
        store.hold(byteLengthOf(part));
        return part;
      },
    };
    await writeImage(store, "i", image, { chunkShape, compressor: "none", levels: 4, maxBytes });
    expect(store.held).toBe(0);
    // More than one block at once, and never more than half, the rest being for what packs them.
    expect(store.peak).toBeGreaterThan(256 * 256 * 2);
    expect(store.peak).toBeLessThanOrEqual(maxBytes / 2);
    const { levels } = await readImage(store, "i");
    expect((await levels[0]?.read([2047, [4090, 4096]]))?.data).toEqual(
      Uint16Array.from({ length: 6 }, (_, i) => 1 + ((2047 * 31 + 4090 + i) & 1023)),
    );
    expect((await levels[3]?.read())?.shape).toEqual([256, 512]);
  }
});
