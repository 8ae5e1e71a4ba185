import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DiskStore } from "../../../backends/disk/store.ts";
import {
  consolidateMetadata,
  createArray,
  createGroup,
  openArray,
  openZarr,
  setAttributes,
} from "../../../backends/zarr/index.ts";
import type { ByteStore } from "../../../src/core/byte-store.ts";
import type { StoreCapabilities } from "../../../src/core/capabilities.ts";
import { StorageError } from "../../../src/core/errors.ts";
import { arraysEqual, copyArray, type NdArray, ndArray, sliceArray, zeros } from "../../../src/core/nd-array.ts";
import { WrappedStore } from "../../../src/layers/wrapped-store.ts";
import { bitsOf, ramp } from "../../support/arrays.ts";
import { freshDisk } from "../../support/byte-stores.ts";
import { everyDType, keysOf, memoryStore, readJson } from "./support.ts";

/** A store that lacks something. */
class PoorStore extends WrappedStore {
  constructor(inner: ByteStore, lacks: Partial<StoreCapabilities>) {
    super("meter", inner, { ...inner.capabilities, ...lacks });
  }
}

const noConditions = (store: ByteStore) => new PoorStore(store, { ifMatch: "none" });

/** A store whose writes of some keys fail while it is broken. */
class BreakingStore extends WrappedStore {
  isBroken = false;

  constructor(inner: ByteStore) {
    super("meter", inner);
  }

  override async write(...args: Parameters<WrappedStore["write"]>): ReturnType<WrappedStore["write"]> {
    if (this.isBroken && !args[0].endsWith(".json")) throw new StorageError("NO_SPACE", "full");
    return super.write(...args);
  }
}

/** Puts values into a model as `write` should put them into the array. */
function put(model: NdArray, selection: readonly (readonly [number, number])[], values: NdArray): void {
  const view = sliceArray(model, selection);
  const flat = copyArray(values).data;
  const index = view.shape.map(() => 0);
  for (const value of flat) {
    const at = index.reduce((sum, i, axis) => sum + i * (view.stride[axis] as number), 0);
    (view.data as Float64Array)[at] = value as number;
    for (let axis = index.length - 1; axis >= 0; axis--) {
      if (++index[axis]! < (view.shape[axis] as number)) break;
      index[axis] = 0;
    }
  }
}

/** The model with another shape; what comes in has the fill value. */
function resized(model: NdArray, shape: readonly number[], fill: number): NdArray {
  const out = zeros(shape, model.dtype);
  out.data.fill(fill as never);
  const common = shape.map((length, axis) => [0, Math.min(length, model.shape[axis] as number)] as const);
  put(out, common, sliceArray(model, common));
  return out;
}

const layouts = [
  { chunkShape: [3, 4] },
  { chunkShape: [3, 4], compressor: "none" },
  { chunkShape: [3, 4], shardShape: [6, 8] },
  { chunkShape: [1, 5], shardShape: [4, 5], indexLocation: "start", compressor: "gzip" },
  { chunkShape: [3, 4], zarrFormat: 2, compressor: "zlib" },
  { chunkShape: [2, 7], zarrFormat: 2, separator: ".", compressor: { name: "blosc-lz4", level: 5 } },
  {
    chunkShape: [5, 2],
    codecs: [
      { name: "transpose", configuration: { order: [1, 0] } },
      { name: "bytes", configuration: { endian: "big" } },
      { name: "zstd", configuration: { level: 3 } },
      { name: "crc32c" },
    ],
    shardShape: [10, 4],
  },
] as const;

type Step =
  | { readonly kind: "write"; readonly box: readonly [number, number, number, number]; readonly seed: number }
  | { readonly kind: "resize"; readonly shape: readonly [number, number] }
  | { readonly kind: "append"; readonly axis: 0 | 1; readonly length: number };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant("write" as const),
        box: fc.tuple(fc.nat(12), fc.nat(12), fc.nat(12), fc.nat(12)),
        seed: fc.integer({ min: 0, max: 3 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("resize" as const), shape: fc.tuple(fc.nat(14), fc.nat(14)) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("append" as const),
        axis: fc.constantFrom(0 as const, 1 as const),
        length: fc.nat(5),
      }),
    },
  ),
  { maxLength: 12 },
);

describe("a Zarr array", () => {
  it.each(layouts.map((layout) => [JSON.stringify(layout), layout] as const))(
    "is what a plain array would be, whatever is written, cut off and appended: %s",
    async (_, layout) => {
      await fc.assert(
        fc.asyncProperty(steps, async (list) => {
          const store = memoryStore();
          const fillValue = 7;
          const array = await createArray(store, "a", { shape: [7, 9], dtype: "int16", fillValue, ...layout });
          let model = resized(zeros([0, 0], "int16"), [7, 9], fillValue);
          for (const step of list) {
            const [height, width] = model.shape as [number, number];
            if (step.kind === "write") {
              const [a, b, c, d] = step.box;
              const selection = [
                [Math.min(a, b, height), Math.min(Math.max(a, b), height)],
                [Math.min(c, d, width), Math.min(Math.max(c, d), width)],
              ] as const;
              const shape = selection.map(([from, to]) => to - from);
              const values = ramp(shape, "int16");
              // Now and then nothing but the fill value, so that chunks become empty.
              if (step.seed === 0) values.data.fill(fillValue as never);
              await array.write(selection, values);
              put(model, selection, values);
            } else if (step.kind === "resize") {
              await array.resize(step.shape);
              model = resized(model, step.shape, fillValue);
            } else {
              const start = model.shape[step.axis] as number;
              const values = ramp(model.shape.with(step.axis, step.length), "int16");
              expect(await array.append(values, step.axis)).toBe(start);
              const shape = model.shape.with(step.axis, start + step.length);
              model = resized(model, shape, fillValue);
              const where = shape.map((length, axis) => [axis === step.axis ? start : 0, length] as const);
              put(model, where, values);
            }
            expect(array.shape).toEqual(model.shape);
          }
          expect(bitsOf(await array.read())).toEqual(bitsOf(model));
          // Another reader sees the same.
          const other = await openArray(store, "a");
          expect(bitsOf(await other.read())).toEqual(bitsOf(model));
        }),
        { numRuns: 60 },
      );
    },
  );

  it("holds every type, strided input too, and scalars", async () => {
    for (const zarrFormat of [2, 3] as const) {
      const store = memoryStore();
      for (const dtype of everyDType) {
        const array = await createArray(store, dtype, { shape: [5, 4], dtype, chunkShape: [2, 3], zarrFormat });
        expect(array.zarrFormat).toBe(zarrFormat);
        const values = ramp([4, 5], dtype);
        await array.write([], { ...values, shape: [5, 4], stride: [1, 5] });
        expect(bitsOf(await array.read())).toEqual(bitsOf({ ...values, shape: [5, 4], stride: [1, 5] }));
        await array.write([2, 1], ramp([], dtype));
        expect(bitsOf(await array.read([2, 1]))).toEqual(bitsOf(ramp([], dtype)));
      }
    }
    const scalar = await createArray(memoryStore(), "scalar", { shape: [], dtype: "float64" });
    await scalar.write([], ndArray(Float64Array.of(3.5), []));
    expect((await scalar.read()).data).toEqual(Float64Array.of(3.5));
  });

  it("keeps fill values exactly: whole 64-bit numbers, NaN, negative zero", async () => {
    const store = memoryStore();
    for (const [dtype, fillValue, bits] of [
      ["int64", -(2n ** 63n), "0000000000000080"],
      ["uint64", 2n ** 64n - 1n, "ffffffffffffffff"],
      ["int64", 2n ** 53n + 1n, "0100000000002000"],
      ["float64", Number.NaN, "000000000000f87f"],
      ["float32", -0, "00000080"],
      ["float16", Number.NEGATIVE_INFINITY, "00fc"],
      ["bool", true, "01"],
    ] as const) {
      const name = `${dtype} ${String(fillValue)}`;
      await createArray(store, name, { shape: [1], dtype, fillValue });
      const array = await openArray(store, name);
      expect(bitsOf(await array.read()).bits, name).toBe(bits);
      await array.setAttributes({ note: "2^53 + 1 stays" });
      await array.resize([2]);
      expect(bitsOf(await (await openArray(store, name)).read([0])).bits, name).toBe(bits);
    }
    for (const [dtype, fillValue] of [
      ["uint8", 256],
      ["uint8", -1],
      ["int64", 1.5],
      ["uint64", 2n ** 64n],
      ["float32", 1e39],
      ["bool", 2],
    ] as const) {
      await expect(createArray(store, "bad", { shape: [1], dtype, fillValue })).rejects.toMatchObject({
        code: "INVALID_DATA",
      });
    }
  });

  it("stores no chunk of nothing but the fill value, and removes one that becomes so", async () => {
    const store = memoryStore();
    const array = await createArray(store, "a", { shape: [4, 4], dtype: "float32", chunkShape: [2, 2] });
    await array.write([], zeros([4, 4], "float32"));
    expect(await keysOf(store)).toEqual(["a/zarr.json", "zarr.json"]);
    const negative = zeros([4, 4], "float32");
    negative.data[0] = -0;
    await array.write([], negative);
    expect(await keysOf(store)).toEqual(["a/c/0/0", "a/zarr.json", "zarr.json"]);
    await array.write(
      [
        [0, 2],
        [0, 2],
      ],
      zeros([2, 2], "float32"),
    );
    expect(await keysOf(store)).toEqual(["a/zarr.json", "zarr.json"]);
  });

  it("refuses what does not fit, and writes nothing", async () => {
    const store = memoryStore();
    const array = await createArray(store, "a", { shape: [4, 4], dtype: "uint8" });
    const refused = async (code: string, work: Promise<unknown>) => expect(work).rejects.toMatchObject({ code });
    await refused("SHAPE_MISMATCH", array.write([], ramp([4, 5], "uint8")));
    await refused("SHAPE_MISMATCH", array.write([0], ramp([1, 4], "uint8")));
    await refused("DTYPE_MISMATCH", array.write([], ramp([4, 4], "int8")));
    await refused("OUT_OF_RANGE", array.write([[0, 5]], ramp([5, 4], "uint8")));
    await refused("INVALID_DATA", array.write([], [1, 2] as never));
    await refused("SHAPE_MISMATCH", array.append(ramp([2, 5], "uint8")));
    await refused("OUT_OF_RANGE", array.append(ramp([2, 4], "uint8"), 2));
    await refused("SHAPE_MISMATCH", array.resize([4]));
    await refused("SHAPE_MISMATCH", array.resize([4, -1]));
    await refused("ABORTED", array.write([], ramp([4, 4], "uint8"), { signal: AbortSignal.abort() }));
    expect(await keysOf(store)).toEqual(["a/zarr.json", "zarr.json"]);
    expect(array.shape).toEqual([4, 4]);
  });

  it("names the chunk and the codec of damaged bytes, also when a part of it is to be written", async () => {
    const store = memoryStore();
    const codecs = [{ name: "gzip" }, { name: "crc32c" }];
    for (const shardShape of [undefined, [4, 4]]) {
      const array = await createArray(store, "a", {
        shape: [4, 4],
        dtype: "uint8",
        chunkShape: [2, 2],
        shardShape,
        codecs,
        ifExists: "replace",
      });
      await array.write([], ramp([4, 4], "uint8"));
      const key = "a/c/0/0";
      const damaged = (await store.read(key)).slice();
      damaged[12]! ^= 1;
      await store.write(key, damaged);
      const refusal = { code: "CORRUPT", message: expect.stringMatching(/Chunk \[0, 0\] of "a".*codec "crc32c"/) };
      await expect(array.read()).rejects.toMatchObject(refusal);
      await expect(array.write([0, 0], ramp([], "uint8"))).rejects.toMatchObject(refusal);
      expect(await store.read(key)).toEqual(damaged);
    }
  });
});

describe("several who write", () => {
  it.each(["chunk", "shard"])("to parts of the same %s lose nothing, by one object or by many", async (unit) => {
    await using subject = await freshDisk({ durability: "none" }).then((disk) => ({
      ...disk,
      [Symbol.asyncDispose]: async () => disk.dispose?.(),
    }));
    const other = new DiskStore({ root: subject.root, durability: "none" });
    const shape = unit === "chunk" ? { chunkShape: [8, 8] } : { chunkShape: [2, 2], shardShape: [8, 8] };
    const first = await createArray(subject.store, "a", { shape: [8, 8], dtype: "uint16", ...shape });
    const writers = [first, await openArray(subject.store, "a"), await openArray(other, "a")];
    const values = ramp([8, 8], "uint16");
    await Promise.all(
      Array.from({ length: 64 }, (_, i) => writers[i % 3]!.write([i >> 3, i & 7], sliceArray(values, [i >> 3, i & 7]))),
    );
    expect(arraysEqual(await first.read(), values)).toBe(true);
  });

  it("and append each get room of their own, and keep what is in chunks that they share", async () => {
    const store = memoryStore();
    const options = { shape: [0, 3], dtype: "int32", chunkShape: [4, 3] } as const;
    const arrays = [await createArray(store, "a", options), await openArray(store, "a"), await openArray(store, "a")];
    const rows = Array.from({ length: 18 }, (_, i) =>
      ndArray(Int32Array.of(i + 1, i + 1, i + 1, i + 1, i + 1, i + 1), [2, 3]),
    );
    const starts = await Promise.all(rows.map((row, i) => arrays[i % 3]!.append(row)));
    expect([...starts].sort((a, b) => a - b)).toEqual(rows.map((_, i) => 2 * i));
    const whole = await (await openArray(store, "a")).read();
    expect(whole.shape).toEqual([36, 3]);
    rows.forEach((row, i) => {
      const found = sliceArray(whole, [[starts[i] as number, (starts[i] as number) + 2]]);
      expect(arraysEqual(found, row)).toBe(true);
    });
  });

  it("attributes keep those of the others", async () => {
    for (const zarrFormat of [2, 3] as const) {
      const store = memoryStore();
      await createArray(store, "a", { shape: [1], dtype: "uint8", zarrFormat, attributes: { first: true } });
      await Promise.all(Array.from({ length: 20 }, (_, i) => setAttributes(store, "a", { [`n${i}`]: i })));
      const { attributes } = await openArray(store, "a");
      expect(Object.keys(attributes)).toHaveLength(21);
      await setAttributes(store, "a", ({ n0, n1 }) => ({ sum: Number(n0) + Number(n1) }));
      expect((await openArray(store, "a")).attributes).toEqual({ sum: 1 });
      await expect(setAttributes(store, "a", { bad: Number.NaN })).rejects.toMatchObject({ code: "INVALID_DATA" });
      await expect(setAttributes(store, "none", {})).rejects.toMatchObject({ code: "NOT_FOUND" });
    }
  });

  it("are refused parts of chunks where the store has no conditional writes, unless they are alone", async () => {
    const store = noConditions(memoryStore());
    const array = await createArray(store, "a", { shape: [5, 4], dtype: "uint8", chunkShape: [2, 2] });
    await array.write([], ramp([5, 4], "uint8"));
    await array.write([[4, 5]], ramp([1, 4], "uint8"));
    const before = bitsOf(await array.read());
    const refusal = { code: "UNSUPPORTED", message: expect.stringContaining("exclusive: true") };
    await expect(array.write([[0, 1]], ramp([1, 4], "uint8"))).rejects.toMatchObject(refusal);
    await expect(array.append(ramp([1, 4], "uint8"))).rejects.toMatchObject(refusal);
    await expect(array.resize([3, 4])).rejects.toMatchObject(refusal);
    expect(bitsOf(await (await openArray(store, "a")).read())).toEqual(before);
    const alone = await openArray(store, "a", { exclusive: true });
    await Promise.all(Array.from({ length: 20 }, (_, i) => alone.write([i >> 2, i & 3], ramp([], "uint8"))));
    expect([...(await alone.read()).data].every((value) => value === 0)).toBe(true);
    await array.resize([2, 4]);
    await array.resize([7, 4]);
    expect(array.shape).toEqual([7, 4]);
  });

  it("appending gives its room back when the values cannot be stored", async () => {
    const store = new BreakingStore(memoryStore());
    const array = await createArray(store, "a", { shape: [3, 2], dtype: "uint8", chunkShape: [2, 2] });
    await array.write([], ramp([3, 2], "uint8"));
    store.isBroken = true;
    await expect(array.append(ramp([4, 2], "uint8"))).rejects.toMatchObject({ code: "NO_SPACE" });
    store.isBroken = false;
    expect(array.shape).toEqual([3, 2]);
    expect(bitsOf(await (await openArray(store, "a")).read())).toEqual(bitsOf(ramp([3, 2], "uint8")));
    expect(await array.append(ramp([1, 2], "uint8"))).toBe(3);
  });
});

describe("nodes", () => {
  it("have valid metadata of v3, complete", async () => {
    const store = memoryStore();
    await createArray(store, "g/a", {
      shape: [10, 20],
      dtype: "uint16",
      chunkShape: [1, 20],
      shardShape: [5, 20],
      fillValue: 3,
      dimensionNames: ["y", null],
      attributes: { unit: "µm" },
    });
    expect(await readJson(store, "zarr.json")).toEqual({ zarr_format: 3, node_type: "group", attributes: {} });
    expect(await readJson(store, "g/zarr.json")).toEqual({ zarr_format: 3, node_type: "group", attributes: {} });
    const bytes = { name: "bytes", configuration: { endian: "little" } };
    expect(await readJson(store, "g/a/zarr.json")).toEqual({
      zarr_format: 3,
      node_type: "array",
      shape: [10, 20],
      data_type: "uint16",
      chunk_grid: { name: "regular", configuration: { chunk_shape: [5, 20] } },
      chunk_key_encoding: { name: "default", configuration: { separator: "/" } },
      fill_value: 3,
      codecs: [
        {
          name: "sharding_indexed",
          configuration: {
            chunk_shape: [1, 20],
            codecs: [
              bytes,
              {
                name: "blosc",
                configuration: { cname: "zstd", clevel: 1, shuffle: "shuffle", typesize: 2, blocksize: 0 },
              },
            ],
            index_codecs: [bytes, { name: "crc32c" }],
            index_location: "end",
          },
        },
      ],
      attributes: { unit: "µm" },
      dimension_names: ["y", null],
    });
  });

  it("have valid metadata of v2", async () => {
    const store = memoryStore();
    await createArray(store, "g/a", {
      shape: [10, 20],
      dtype: "uint16",
      chunkShape: [1, 20],
      zarrFormat: 2,
      dimensionNames: ["y", "x"],
      attributes: { unit: "µm" },
    });
    expect(await keysOf(store)).toEqual([".zgroup", "g/.zgroup", "g/a/.zarray", "g/a/.zattrs"]);
    expect(await readJson(store, ".zgroup")).toEqual({ zarr_format: 2 });
    expect(await readJson(store, "g/a/.zattrs")).toEqual({ unit: "µm", _ARRAY_DIMENSIONS: ["y", "x"] });
    expect(await readJson(store, "g/a/.zarray")).toEqual({
      zarr_format: 2,
      shape: [10, 20],
      chunks: [1, 20],
      dtype: "<u2",
      compressor: { id: "blosc", cname: "zstd", clevel: 1, shuffle: 1, blocksize: 0 },
      fill_value: 0,
      order: "C",
      filters: null,
      dimension_separator: "/",
    });
    expect((await openArray(store, "g/a")).dimensionNames).toEqual(["y", "x"]);
    // What is made below has the version of its group.
    await createArray(store, "g/b", { shape: [2], dtype: "uint8" });
    expect(await keysOf(store)).toContain("g/b/.zarray");
    await expect(createArray(store, "g/c", { shape: [2], dtype: "uint8", zarrFormat: 3 })).rejects.toMatchObject({
      code: "INVALID_DATA",
    });
  });

  it("are refused when they make no sense, each with what would, and nothing is made", async () => {
    const store = memoryStore();
    const make = (options: object) => createArray(store, "a", { shape: [4, 4], dtype: "uint8", ...options });
    for (const [options, code, message] of [
      [{ chunkShape: [2] }, "INVALID_DATA", /chunkShape must have 2/],
      [{ chunkShape: [2, 0] }, "INVALID_DATA", /chunkShape/],
      [{ chunkShape: [3, 3], shardShape: [4, 4] }, "INVALID_DATA", /no multiple/],
      [{ shardShape: [4, 4], zarrFormat: 2 }, "INVALID_DATA", /no shards/],
      [{ compressor: "zlib" }, "INVALID_DATA", /"gzip"/],
      [{ compressor: "lz4" }, "INVALID_DATA", /"blosc-lz4"/],
      [{ compressor: "zst" }, "INVALID_DATA", /did you mean "zstd"/],
      [{ compressor: { name: "gzip", level: 10 } }, "INVALID_DATA", /0 to 9/],
      [{ codecs: [{ name: "delta" }] }, "INVALID_DATA", /Unknown codec/],
      [
        { codecs: [{ name: "gzip" }, { name: "transpose", configuration: { order: [1, 0] } }] },
        "INVALID_DATA",
        /before/,
      ],
      [{ codecs: [{ name: "transpose", configuration: { order: [0] } }] }, "INVALID_DATA", /each of the 2 axes/],
      [{ codecs: [{ name: "crc32c" }], zarrFormat: 2 }, "INVALID_DATA", /codec "crc32c"/],
      [{ codecs: [{ name: "zstd", configuration: { checksum: true } }] }, "INVALID_DATA", /crc32c/],
      [{ codecs: [], compressor: "none" }, "INVALID_DATA", /not both/],
      [{ dimensionNames: ["x"] }, "INVALID_DATA", /2 names/],
      [{ attributes: { f: () => 1 } }, "INVALID_DATA", /attributes\.f/],
      [{ shape: [-1, 1] }, "SHAPE_MISMATCH", /whole numbers/],
      [{ dtype: "complex64" }, "DTYPE_MISMATCH", /complex/],
    ] as const) {
      await expect(make(options), JSON.stringify(options)).rejects.toMatchObject({
        code,
        message: expect.stringMatching(message),
      });
    }
    expect(await keysOf(store)).toEqual([]);
  });

  it("are not put over one another, but for an array that may be replaced", async () => {
    const store = memoryStore();
    const options = { shape: [2], dtype: "uint8", chunkShape: [1] } as const;
    const old = await createArray(store, "g/a", options);
    await old.write([], ndArray(Uint8Array.of(1, 2)));
    await store.write("g/text.txt", Uint8Array.of(1));
    await store.write("plain/text.txt", Uint8Array.of(1));
    const refused = (path: string, code: string, more = {}) =>
      expect(createArray(store, path, { ...options, ...more }), path).rejects.toMatchObject({ code });
    await refused("g/a", "ALREADY_EXISTS");
    await refused("g", "IS_A_DIRECTORY", { ifExists: "replace" });
    await refused("plain", "IS_A_DIRECTORY", { ifExists: "replace" });
    await refused("g/text.txt", "ALREADY_EXISTS");
    await refused("g/a/b", "NOT_A_DIRECTORY");
    await refused("g/text.txt/b", "NOT_A_DIRECTORY");
    await expect(createGroup(store, "g/a")).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await expect(createGroup(store, "g")).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await createGroup(store, "g", { ifExists: "skip" });
    expect((await old.read()).data).toEqual(Uint8Array.of(1, 2));
    const fresh = await createArray(store, "g/a", { ...options, ifExists: "replace" });
    expect((await fresh.read()).data).toEqual(Uint8Array.of(0, 0));
    expect((await keysOf(store)).filter((key) => key.startsWith("g/a"))).toEqual(["g/a/zarr.json"]);
  });

  it("have one winner among many who make the same one", async () => {
    const store = memoryStore();
    const makers = Array.from({ length: 10 }, () => createArray(store, "a", { shape: [2], dtype: "uint8" }));
    const outcomes = await Promise.allSettled(makers);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  it.each([2, 3] as const)("consolidated, are listed where the store does not list (v%i)", async (zarrFormat) => {
    const inner = memoryStore();
    await createGroup(inner, "", { zarrFormat, attributes: { plate: 1 } });
    await createArray(inner, "a", { shape: [2], dtype: "int64", fillValue: 2n ** 60n, attributes: { x: 1 } });
    await createArray(inner, "g/b", { shape: [2], dtype: "uint8" });
    const blind = new PoorStore(inner, { list: false });
    await expect(openZarr(blind)).rejects.toMatchObject({ code: "UNSUPPORTED" });
    expect(await consolidateMetadata(inner)).toBe(3);
    expect(await openZarr(blind)).toMatchObject({ attributes: { plate: 1 }, arrays: ["a"], groups: ["g"] });
    // A change of attributes keeps it.
    await setAttributes(inner, "", { plate: 2 });
    expect(await openZarr(blind)).toMatchObject({ attributes: { plate: 2 }, arrays: ["a"], groups: ["g"] });
    await expect(consolidateMetadata(inner, "a")).rejects.toMatchObject({ code: "INVALID_DATA" });
    await expect(consolidateMetadata(inner, "none")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});
