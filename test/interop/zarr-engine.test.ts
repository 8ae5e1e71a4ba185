import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DiskStore } from "../../backends/disk/store.ts";
import type { CreateArrayOptions } from "../../backends/zarr/index.ts";
import { consolidateMetadata, createArray, createGroup, openArray, openZarr } from "../../backends/zarr/index.ts";
import type { ByteStore } from "../../src/core/byte-store.ts";
import { type DType, toTypestr } from "../../src/core/dtype.ts";
import { arrayFromBytes, arrayToBytes, type NdArray, sliceArray } from "../../src/core/nd-array.ts";
import { WrappedStore } from "../../src/layers/wrapped-store.ts";
import { bytesOf, everyDType, frameOf } from "../backends/zarr/support.ts";
import { bitsOf } from "../support/arrays.ts";
import { isPythonExpected, runPython, runPythonCode } from "../support/python.ts";

/** An array for Python to look at. */
interface Case {
  readonly name: string;
  readonly path: string;
  readonly format: 2 | 3;
  readonly expected: string;
  readonly numpy: string;
  readonly shape: readonly number[];
  readonly tensorstore: boolean;
  readonly attributes?: object;
  readonly fill?: string;
}

class Unlisted extends WrappedStore {
  constructor(inner: ByteStore) {
    super("meter", inner, { ...inner.capabilities, list: false });
  }
}

type Layout = Omit<CreateArrayOptions, "shape" | "dtype">;

/** A hierarchy of each version cannot hold the other. */
function storesOf(root: string): Record<2 | 3, DiskStore> {
  const at = (format: 2 | 3) => new DiskStore({ root: join(root, `v${format}`), durability: "none" });
  return { 2: at(2), 3: at(3) };
}

const chunkShape = [2, 4, 5];
const shardShape = [4, 8, 5];

/** Every way of storing an array, by name. */
function* layouts(): Generator<[name: string, layout: Layout, dtypes: readonly DType[]]> {
  for (const zarrFormat of [2, 3] as const) yield [`v${zarrFormat}-usual`, { zarrFormat, chunkShape }, everyDType];
  yield ["v3-sharded", { chunkShape, shardShape }, everyDType];
  const some: readonly DType[] = ["uint8", "int16", "float64"];
  for (const compressor of ["none", "gzip", "zstd", "blosc-lz4", "blosc-zstd"] as const) {
    for (const shards of [{}, { shardShape }, { shardShape, indexLocation: "start" as const }]) {
      yield [`v3-${compressor}-${JSON.stringify(shards)}`, { chunkShape, compressor, ...shards }, some];
    }
  }
  for (const shuffle of ["noshuffle", "shuffle", "bitshuffle"]) {
    for (const cname of ["blosclz", "lz4", "lz4hc", "zlib", "zstd"]) {
      const codecs = [{ name: "blosc", configuration: { cname, shuffle, clevel: 5 } }];
      yield [`v3-blosc-${cname}-${shuffle}`, { chunkShape, codecs }, some];
    }
  }
  const chain = [
    { name: "transpose", configuration: { order: [1, 2, 0] } },
    { name: "bytes", configuration: { endian: "big" } },
    { name: "gzip", configuration: { level: 1 } },
    { name: "crc32c" },
  ];
  yield ["v3-chain", { chunkShape, codecs: chain, separator: "." }, some];
  yield ["v3-chain-sharded", { chunkShape, shardShape, codecs: chain }, some];
  for (const compressor of ["none", "gzip", "zlib", "lz4", "zstd", "blosc-lz4"] as const) {
    yield [`v2-${compressor}`, { zarrFormat: 2, chunkShape, compressor }, some];
  }
  const fortran = [
    { name: "transpose", configuration: { order: [2, 1, 0] } },
    { name: "bytes", configuration: { endian: "big" } },
  ];
  yield ["v2-fortran", { zarrFormat: 2, chunkShape, codecs: fortran, separator: "." }, some];
}

// In .ci/run the interpreter must be there: the tests run, and fail, without it.
describe.skipIf(!isPythonExpected)("the Zarr engine, zarr-python and tensorstore", () => {
  let root = "";
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "sluice-engine-"));
  });
  afterAll(() => rm(root, { recursive: true }));

  async function caseOf(
    name: string,
    path: string,
    format: 2 | 3,
    values: NdArray,
    more: Partial<Case> = {},
  ): Promise<Case> {
    const expected = `${name.replaceAll(/[^a-z0-9-]/gi, "_")}.bytes`;
    await writeFile(join(root, expected), arrayToBytes(values));
    // tensorstore's driver for v2 has no LZ4.
    const tensorstore = !name.startsWith("v2-lz4");
    return { name, path, format, expected, numpy: toTypestr(values.dtype), shape: values.shape, tensorstore, ...more };
  }

  it("they read what we write, equal: types, codecs, shards, ragged edges, v2 and v3", {
    timeout: 240_000,
  }, async () => {
    const stores = storesOf(root);
    const cases: Case[] = [];
    let count = 0;
    for (const [layoutName, layout, dtypes] of layouts()) {
      for (const dtype of dtypes) {
        const name = `${layoutName}-${dtype}`;
        const format = layout.zarrFormat ?? 3;
        const path = String(count++);
        // Grown in both ways, and written in parts that share chunks.
        const whole = frameOf(count, [7, 9, 6], dtype);
        const attributes = { note: "µ", n: count };
        const array = await createArray(stores[format], path, { shape: [5, 9, 4], dtype, attributes, ...layout });
        await array.write([[0, 3]], sliceArray(whole, [[0, 3], null, [0, 4]]));
        await array.write([[3, 5]], sliceArray(whole, [[3, 5], null, [0, 4]]));
        await array.append(sliceArray(whole, [[0, 5], null, [4, 6]]), 2);
        await array.append(sliceArray(whole, [[5, 7]]));
        cases.push(await caseOf(name, `v${format}/${path}`, format, whole, { attributes }));
      }
    }
    for (const [dtype, fillValue, fill] of [
      ["int64", 2n ** 60n + 1n, String(2n ** 60n + 1n)],
      ["uint64", 2n ** 64n - 1n, String(2n ** 64n - 1n)],
      ["float32", Number.NaN, "nan"],
      ["float64", Number.NEGATIVE_INFINITY, "-inf"],
      ["bool", true, "True"],
    ] as const) {
      for (const zarrFormat of [2, 3] as const) {
        const path = `fill-${dtype}`;
        const array = await createArray(stores[zarrFormat], path, {
          shape: [4],
          dtype,
          fillValue,
          chunkShape: [2],
          zarrFormat,
        });
        await array.write(
          [[1, 2]],
          arrayFromBytes(new Uint8Array(array.dtype === "bool" ? 1 : dtype === "float32" ? 4 : 8), dtype, [1]),
        );
        cases.push(
          await caseOf(`${path}-v${zarrFormat}`, `v${zarrFormat}/${path}`, zarrFormat, await array.read(), { fill }),
        );
      }
    }
    await writeFile(join(root, "arrays.json"), JSON.stringify(cases));
    expect(cases.length).toBeGreaterThan(100);
    expect(runPython("read_arrays.py", root)).toEqual(Object.fromEntries(cases.map(({ name }) => [name, []])));
  });

  it("we read what they write, equal, and they read what we change of it", { timeout: 240_000 }, async () => {
    const written = runPython("write_arrays.py", root) as {
      name: string;
      dtype: DType;
      shape: number[];
      format: 2 | 3;
    }[];
    expect(written.length).toBeGreaterThan(70);
    await using store = new DiskStore({ root, durability: "none" });
    const changed: Case[] = [];
    for (const { name, dtype, shape, format } of written) {
      const array = await openArray(store, name);
      const expected = await readFile(join(root, `${name}.bytes`));
      expect({ name, dtype: array.dtype, shape: array.shape }).toEqual({ name, dtype, shape });
      expect(Buffer.compare(bytesOf(await array.read()), expected), name).toBe(0);
      const few = shape.map((length) => [Math.floor(length / 3), Math.ceil(length / 2)] as const);
      const whole = arrayFromBytes(new Uint8Array(expected), dtype, shape);
      expect(bitsOf(await array.read(few)), name).toEqual(bitsOf(sliceArray(whole, few)));
      // A part of some chunks, all of others.
      const stop = shape.map((length) => Math.ceil(length * 0.7));
      const selection = stop.map((to) => [1, to] as const);
      const part = frameOf(
        7,
        stop.map((to) => to - 1),
        dtype,
      );
      await array.write(selection, part);
      await array.resize(shape.map((length, axis) => (axis === 0 ? length - 1 : length + 1)));
      const now = await array.read();
      expect(bitsOf(sliceArray(now, selection)), name).toEqual(bitsOf(part));
      changed.push(await caseOf(name, name, format, now, { tensorstore: !/-lz4-|^zp-.*packed/.test(name) }));
    }
    await writeFile(join(root, "arrays.json"), JSON.stringify(changed));
    expect(runPython("read_arrays.py", root)).toEqual(Object.fromEntries(changed.map(({ name }) => [name, []])));
  });

  it("each reads the consolidated metadata of the other", { timeout: 120_000 }, async () => {
    await using store = new DiskStore({ root, durability: "none" });
    const blind = new Unlisted(store);
    for (const format of [2, 3] as const) {
      expect(await openZarr(blind, `consolidated-v${format}`)).toMatchObject({ arrays: ["a"], groups: ["g"] });
      const own = storesOf(root)[format];
      const path = "snapshot";
      await createGroup(own, path, { zarrFormat: format, attributes: { made: "here" } });
      await createArray(own, `${path}/g/a`, { shape: [2], dtype: "int64", fillValue: 2n ** 60n + 1n });
      await createArray(own, `${path}/b`, { shape: [2], dtype: "uint8" });
      expect(await consolidateMetadata(own, path)).toBe(3);
    }
    const script = `
import json, zarr
out = []
for n in (2, 3):
    group = zarr.open_consolidated(f"v{n}/snapshot", zarr_format=n)
    out.append([dict(group.attrs), sorted(name for name, _ in group.members(max_depth=None)), str(group["g/a"].fill_value)])
print(json.dumps(out))`;
    const seen = JSON.parse(runPythonCode(script, root));
    const expected = [{ made: "here" }, ["b", "g", "g/a"], String(2n ** 60n + 1n)];
    expect(seen).toEqual([expected, expected]);
  });
});
