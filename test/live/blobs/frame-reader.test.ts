import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ZarrBackend } from "../../../backends/zarr/index.ts";
import { BackendSet } from "../../../registry/backend-set.ts";
import { createRegistry } from "../../../registry/builtin.ts";
import { crc32c } from "../../../src/codecs/crc32c.ts";
import type { FrameSink, FrameWriter } from "../../../src/core/frame-writer.ts";
import { type NdArray, ndArray } from "../../../src/core/nd-array.ts";
import { frameReader } from "../../../src/live/blobs/frame-reader.ts";
import type { FrameKind, FrameReference } from "../../../src/live/encoding/frames.ts";
import { failureOf } from "../battery/subject.ts";

const shape = [4, 6];
const kind: FrameKind = { shape, dtype: "uint16", endian: "little" };

/** A frame that is all its number. */
function frame(value: number): NdArray {
  return ndArray(new Uint16Array(24).fill(value), shape);
}

/** The number of each frame of an array. */
function valuesOf(frames: NdArray): number[] {
  return Array.from({ length: frames.shape[0] as number }, (_, i) => frames.data[i * 24] as number);
}

let root = "";
let backends: BackendSet;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "sluice-frames-"));
  backends = new BackendSet(createRegistry(), { memory: { use: "memory" } });
});
afterEach(async () => {
  await backends.close();
  await rm(root, { recursive: true, force: true });
});

/** A writer with one source that has written frames, all of which are announced. */
async function recording(
  use: string,
  count: number,
  options: object = {},
): Promise<{ writer: FrameWriter; sink: FrameSink }> {
  const uri = pathToFileURL(join(root, `run.${use === "tiff" ? "tiffs" : use}`)).href;
  const writer = await backends.openWriter({ use, uri, ...options });
  writer.updateSource("cam", "uint16", shape);
  const sink = await writer.prepare("cam");
  await writer.kickoff();
  for (let i = 0; i < count; i++) await sink.write(frame(i));
  for await (const announced of writer.observeIndicesWritten({ name: "cam" })) if (announced >= count) break;
  return { writer, sink };
}

function references(uri: string, indexes: readonly number[]): FrameReference[] {
  return indexes.map((index) => ({ kind: "array", uri, path: "cam", index }));
}

describe("frames of an array", () => {
  it.each([
    ["as they are", {}],
    ["packed", { codec: "blosc-zstd" }],
  ])("are read while their shard is open, and after it is closed: %s", async (_, options) => {
    const { writer } = await recording("zarr", 10, { shardBytes: 48 * 4, ...options });
    const uri = writer.storeUri as string;
    const other = new BackendSet(createRegistry());
    const read = frameReader(other);
    for (const indexes of [[9], [8, 9], [3, 4, 5, 6, 7, 8, 9], [9, 2, 3, 0]]) {
      expect(valuesOf(await read(references(uri, indexes), kind, {}))).toEqual(indexes);
    }
    expect(await failureOf(read(references(uri, [9, 10]), kind, {}))).toMatchObject({ code: "NOT_FOUND" });
    await writer.close();
    expect(valuesOf(await read(references(uri, [0, 1, 8, 9]), kind, {}))).toEqual([0, 1, 8, 9]);
    await other.close();
  });

  it("are read by a reader that was there before them", async () => {
    const { writer, sink } = await recording("zarr", 1, { shardBytes: 48 * 4 });
    const uri = writer.storeUri as string;
    const other = new BackendSet(createRegistry());
    const read = frameReader(other);
    expect(valuesOf(await read(references(uri, [0]), kind, {}))).toEqual([0]);
    for (let i = 1; i < 11; i++) {
      await sink.write(frame(i));
      for await (const announced of writer.observeIndicesWritten({ name: "cam" })) if (announced > i) break;
      expect(valuesOf(await read(references(uri, [i - 1, i]), kind, {}))).toEqual([i - 1, i]);
    }
    await writer.close();
    await other.close();
  });

  it("are told to be gone once their store is removed", async () => {
    const { writer } = await recording("zarr", 2);
    const uri = writer.storeUri as string;
    await writer.close();
    const read = frameReader(backends);
    expect(valuesOf(await read(references(uri, [1]), kind, {}))).toEqual([1]);
    await rm(join(root, "run.zarr"), { recursive: true });
    expect(await failureOf(read(references(uri, [1]), kind, {}))).toMatchObject({ code: "NOT_FOUND" });
  });

  it("may be image files", async () => {
    const { writer } = await recording("tiff", 3);
    const uri = pathToFileURL(join(root, "run.tiffs", "cam")).href;
    const files = [1, 2].map((index) => ({
      kind: "array",
      uri,
      index,
      mimetype: "multipart/related;type=image/tiff",
      template: "cam_{:06d}.tif",
    }));
    expect(valuesOf(await frameReader(backends)(files, kind, {}))).toEqual([1, 2]);
    await writer.close();
  });

  it("may be in a named backend of the set", async () => {
    backends.define("scans", { use: "zarr", store: "memory" });
    const scans = (await backends.get("scans")) as ZarrBackend;
    await scans.save(
      ndArray(
        new Uint16Array(72).map((_, i) => Math.floor(i / 24)),
        [3, ...shape],
      ),
      "cam",
    );
    const uri = (await backends.store("memory")).uri("");
    expect(valuesOf(await frameReader(backends)(references(uri, [2, 0]), kind, {}))).toEqual([2, 0]);
  });

  it("must be those of the stream", async () => {
    const { writer } = await recording("zarr", 1);
    const [reference] = references(writer.storeUri as string, [0]);
    const read = frameReader(backends);
    const one = [reference as FrameReference];
    expect(await failureOf(read(one, { ...kind, shape: [6, 4] }, {}))).toMatchObject({ code: "SHAPE_MISMATCH" });
    expect(await failureOf(read(one, { ...kind, dtype: "int16" }, {}))).toMatchObject({ code: "DTYPE_MISMATCH" });
    await writer.close();
  });
});

describe("frames that are bytes", () => {
  const frames = [frame(7), frame(258)];
  const bytes = frames.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength));

  /** Two frames in a file, with something between them. */
  function referencesIn(uri: string): FrameReference[] {
    return bytes.map((part, i) => ({ kind: "bytes", uri, offset: 3 + i * 50, length: 48, crc32c: crc32c(part) }));
  }

  async function writeBytes(): Promise<{ path: string; references: FrameReference[] }> {
    const path = join(root, "frames #1.bin");
    await writeFile(
      path,
      Buffer.concat([Buffer.alloc(3), bytes[0] as Uint8Array, Buffer.alloc(2), bytes[1] as Uint8Array]),
    );
    return { path, references: referencesIn(pathToFileURL(path).href) };
  }

  it("are ranges of a file", async () => {
    const { references } = await writeBytes();
    const read = frameReader(backends);
    expect(valuesOf(await read(references, kind, {}))).toEqual([7, 258]);
    expect(valuesOf(await read(references.slice(1), kind, {}))).toEqual([258]);
    const swapped = await read(references.slice(1), { ...kind, endian: "big" }, {});
    expect(valuesOf(swapped)).toEqual([513]);
  });

  it("are ranges of a value of any store", async () => {
    const memory = await backends.store("memory");
    await memory.write(
      "a/b c",
      Buffer.concat([Buffer.alloc(3), bytes[0] as Uint8Array, Buffer.alloc(2), bytes[1] as Uint8Array]),
    );
    const read = frameReader(backends);
    expect(valuesOf(await read(referencesIn(memory.uri("a/b c")), kind, {}))).toEqual([7, 258]);
  });

  it("are checked, and said to be damaged, cut short, removed or of another size", async () => {
    const { path, references } = await writeBytes();
    const read = frameReader(backends);
    const [first, last] = references as [FrameReference, FrameReference];
    const wrong = { ...last, crc32c: (last.crc32c as number) ^ 1 };
    // The faster of two checksums is the one that counts.
    expect(valuesOf(await read([{ ...wrong, crc32: crc32(bytes[1] as Uint8Array) }], kind, {}))).toEqual([258]);
    expect(await failureOf(read([{ ...last, crc32: 1 }], kind, {}))).toMatchObject({ code: "CORRUPT" });
    expect(await failureOf(read([first, wrong], kind, {}))).toMatchObject({ code: "CORRUPT" });
    expect(await failureOf(read([{ ...first, length: 47 }], kind, {}))).toMatchObject({ code: "SHAPE_MISMATCH" });
    await truncate(path, 100);
    expect(valuesOf(await read([first], kind, {}))).toEqual([7]);
    expect(await failureOf(read([first, last], kind, {}))).toMatchObject({ code: "CORRUPT" });
    await truncate(path, 10);
    expect(await failureOf(read([last], kind, {}))).toMatchObject({ code: "CORRUPT" });
    await rm(path);
    expect(await failureOf(read([first], kind, {}))).toMatchObject({ code: "EXPIRED" });
  });

  it("stand beside frames of arrays", async () => {
    const { references: inFile } = await writeBytes();
    const { writer } = await recording("zarr", 3);
    const [a, b] = references(writer.storeUri as string, [1, 2]) as [FrameReference, FrameReference];
    const [c, d] = inFile as [FrameReference, FrameReference];
    expect(valuesOf(await frameReader(backends)([a, c, d, b, a, b], kind, {}))).toEqual([1, 7, 258, 2, 1, 2]);
    await writer.close();
  });
});

it("says which kinds of reference it knows, and heeds the signal", async () => {
  const read = frameReader(backends);
  const uri = "file:///nowhere";
  expect(await failureOf(read([{ kind: "lima", uri }], kind, {}))).toMatchObject({
    code: "UNSUPPORTED",
    message: expect.stringContaining("Known: array, bytes"),
  });
  expect(await failureOf(read([{ kind: "array", uri }], kind, {}))).toMatchObject({ code: "CORRUPT" });
  const signal = AbortSignal.abort();
  for (const reference of [{ kind: "bytes", uri }, ...references(uri, [0])]) {
    expect(await failureOf(read([reference], kind, { signal }))).toMatchObject({ code: "ABORTED" });
  }
});
