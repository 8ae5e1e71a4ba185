import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DiskStore } from "../../backends/disk/store.ts";
import { openZarrArray, openZarrGroup } from "../../backends/zarr/reader.ts";
import { type DType, dtypes, toTypestr } from "../../src/core/dtype.ts";
import { bytesOf, everyDType, frameOf, writerOver } from "../backends/zarr/support.ts";
import { isPythonExpected, runPython } from "../support/python.ts";

interface Case {
  readonly name: string;
  readonly dtype: DType;
  readonly frameShape: readonly number[];
  readonly codec: "none" | "blosc-zstd";
  readonly frames: number;
}

const framesPerShard = 2;
const cases: Case[] = [];
for (const codec of ["none", "blosc-zstd"] as const) {
  for (const dtype of everyDType)
    cases.push({ name: `${dtype}-${codec}`, dtype, frameShape: [6, 5], codec, frames: 5 });
  cases.push({ name: `rgb-${codec}`, dtype: "uint8", frameShape: [6, 5, 3], codec, frames: 4 });
  cases.push({ name: `line-${codec}`, dtype: "uint16", frameShape: [1000], codec, frames: 3 });
  cases.push({ name: `nothing-${codec}`, dtype: "uint16", frameShape: [6, 5], codec, frames: 0 });
}

describe.skipIf(!isPythonExpected)("zarr-python and tensorstore", () => {
  let root = "";
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "sluice-interop-"));
  });
  afterAll(() => rm(root, { recursive: true }));

  it("read what we write, equal: every dtype, both codecs, any rank, partial and empty shards", {
    timeout: 120_000,
  }, async () => {
    const descriptions = [];
    for (const { name, dtype, frameShape, codec, frames } of cases) {
      await using store = new DiskStore({ root: join(root, `${name}.zarr`), durability: "none" });
      const frameBytes = frameOf(0, frameShape, dtype).data.byteLength;
      const writer = writerOver(store, { codec, shardBytes: framesPerShard * frameBytes });
      const attributes = { sample: "beads", nested: { list: [1, 2.5, null, true] } };
      writer.updateMetadata(attributes);
      writer.updateSource("cam", dtype, frameShape);
      const sink = await writer.prepare("cam");
      await writer.kickoff();
      const expected: Buffer[] = [];
      for (let i = 0; i < frames; i++) {
        const frame = frameOf(i, frameShape, dtype);
        expected.push(bytesOf(frame));
        await sink.write(frame);
      }
      await sink.close();
      await writeFile(join(root, `${name}.bytes`), Buffer.concat(expected));
      descriptions.push({
        name,
        store: `${name}.zarr`,
        array: "cam",
        expected: `${name}.bytes`,
        numpy: toTypestr(dtype),
        shape: [frames, ...frameShape],
        chunks: [1, ...frameShape],
        shards: [framesPerShard, ...frameShape],
        dimensions: (await openZarrArray(store, "cam")).dimensionNames,
        attributes,
      });
    }
    await writeFile(join(root, "cases.json"), JSON.stringify(descriptions));
    expect(runPython("read_with_python.py", root)).toEqual(Object.fromEntries(cases.map(({ name }) => [name, []])));
  });

  it("write what we read, equal: sharded and regular, gzip, zstd and Blosc, both byte orders, v2", {
    timeout: 120_000,
  }, async () => {
    const written = runPython("write_with_python.py", root) as { name: string; dtype: DType; shape: number[] }[];
    expect(written.length).toBeGreaterThan(30);
    await using store = new DiskStore({ root, durability: "none" });
    const group = await openZarrGroup(store, "python.zarr");
    expect(group.attributes).toEqual({ "made by": "zarr-python" });
    expect(group.arrays).toEqual(
      expect.arrayContaining(written.map(({ name }) => name).filter((name) => name !== "v2")),
    );
    for (const { name, dtype, shape } of written) {
      const array = await openZarrArray(store, name === "v2" ? "python2.zarr/v2" : `python.zarr/${name}`);
      expect({ name, dtype: array.dtype, shape: array.shape }).toEqual({ name, dtype, shape });
      const expected = await readFile(join(root, `${name}.bytes`));
      const whole = await array.read();
      expect(Buffer.compare(bytesOf(whole), expected), name).toBe(0);
      const last = await array.frame(-1);
      const size = (expected.byteLength / shape[0]!) | 0;
      expect(last.data.length * dtypes[dtype].itemSize).toBe(size);
      expect(Buffer.compare(bytesOf(last), expected.subarray(-size)), name).toBe(0);
    }
  });
});
