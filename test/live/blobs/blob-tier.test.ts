/** Frames that are too large for an event: stored beside it, before it, and removed behind it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, test, vi } from "vitest";
import { BackendSet } from "../../../registry/backend-set.ts";
import { createRegistry } from "../../../registry/builtin.ts";
import { StorageError } from "../../../src/core/errors.ts";
import { type NdArray, ndArray } from "../../../src/core/nd-array.ts";
import { type BlobPlace, BlobTier } from "../../../src/live/blobs/blob-tier.ts";
import { frameReader } from "../../../src/live/blobs/frame-reader.ts";
import { type OpenBlobTierOptions, openBlobTier } from "../../../src/live/blobs/open-blob-tier.ts";
import { DataStore } from "../../../src/live/data-store.ts";
import { type FrameReference, referencesOf } from "../../../src/live/encoding/frames.ts";
import { MemoryEngine } from "../../../src/live/engines/memory.ts";
import { openRedisEngine } from "../../../src/live/engines/redis/index.ts";
import type { Stream } from "../../../src/live/stream.ts";
import type { StreamWriter } from "../../../src/live/stream-writer.ts";
import { type Bundle, bundle, installed } from "../../support/bundle.ts";
import { hasRedis, type RedisServer, startRedis } from "../../support/redis-server.ts";
import { failureOf } from "../battery/subject.ts";

const shape = [8, 8];
/** What one frame takes. */
const FRAME_BYTES = 128;

function frame(value: number): NdArray {
  return ndArray(new Uint16Array(64).fill(value), shape);
}

function batch(...values: number[]): NdArray {
  return ndArray(Uint16Array.from(values.flatMap((value) => Array(64).fill(value) as number[])), [
    values.length,
    ...shape,
  ]);
}

/** The value of each frame. */
function valuesOf(frames: NdArray): number[] {
  const size = frames.data.length / (frames.shape[0] as number);
  return Array.from({ length: frames.shape[0] as number }, (_, i) => frames.data[i * size] as number);
}

let root = "";
let backends: BackendSet;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "sluice-blobs-"));
  backends = new BackendSet(createRegistry(), {
    memory: { use: "memory" },
    disk: { use: "disk", root },
    frames: { use: "zarr", root },
  });
});
afterEach(async () => {
  await backends.close();
  await rm(root, { recursive: true, force: true });
});

interface Pair {
  readonly store: DataStore;
  readonly engine: MemoryEngine;
  readonly writer: StreamWriter;
  readonly stream: Stream<NdArray, NdArray>;
}

/** A stream of frames that is written with a tier and read without it. */
async function makePair(blobs: BlobTier, options: object = {}): Promise<Pair> {
  const engine = new MemoryEngine();
  const store = new DataStore(engine, { readFrames: frameReader(backends) });
  const scan = await store.createScan({ name: "loop" }, { leaseMs: 0 });
  const definition = { type: "frames", dtype: "uint16", shape } as const;
  const writer = await scan.createStream("camera", definition, { blobs, ...options });
  await scan.prepare();
  await scan.start();
  const stream = (await store.loadScan(scan.key)).stream<NdArray, NdArray>("camera");
  return { store, engine, writer, stream };
}

async function segmentNames(): Promise<string[]> {
  const [folder] = await readdir(root);
  return folder === undefined ? [] : (await readdir(join(root, folder))).sort();
}

const places: readonly (readonly [string, "bytes" | "array", () => OpenBlobTierOptions])[] = [
  ["segment files", "bytes", () => ({ root })],
  ["a folder, a file for each frame", "bytes", () => ({ backend: "disk" })],
  ["memory", "bytes", () => ({ backend: "memory" })],
  ["a Zarr hierarchy", "array", () => ({ backend: "frames", folder: "live" })],
];

describe.each(places)("large frames in %s", (_, kind, options) => {
  it("come back as they were, and their events are small", async () => {
    await using blobs = await openBlobTier({ ...options(), inlineBytes: FRAME_BYTES - 1 }, backends);
    const { writer, stream, engine } = await makePair(blobs);
    await writer.send(frame(0));
    await writer.send(batch(1, 2, 3));
    await Promise.all([4, 5, 6].map((value) => writer.send(frame(value))));
    for (const value of [7, 8]) await writer.sendNoWait(frame(value));
    expect(await writer.seal()).toBe(9);
    expect(valuesOf(await stream.slice())).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(valuesOf(await stream.slice(1, undefined, 3))).toEqual([1, 4, 7]);
    expect((await stream.at(-1)).data).toEqual(frame(8).data);
    expect(await stream.locate(4)).toMatchObject({ state: "here", tier: kind, uri: expect.stringContaining("://") });
    const { entries } = await engine.range(stream.key, 0, 9);
    expect(entries.flatMap(referencesOf)).toHaveLength(9);
  });

  it("stay inside their event up to the limit", async () => {
    await using blobs = await openBlobTier({ ...options(), inlineBytes: FRAME_BYTES }, backends);
    const { writer, stream } = await makePair(blobs);
    await writer.send(batch(1, 2, 3));
    expect(await stream.locate(1)).toEqual({ state: "here", tier: "memory" });
    expect(valuesOf(await stream.slice())).toEqual([1, 2, 3]);
    expect(await readdir(root)).toEqual([]);
  });

  it("of another shape or dtype are refused, and nothing is stored", async () => {
    await using blobs = await openBlobTier({ ...options(), inlineBytes: 0 }, backends);
    const { writer, stream } = await makePair(blobs);
    const other = ndArray(new Int16Array(64), shape);
    expect(await failureOf(writer.send(other))).toMatchObject({ code: "DTYPE_MISMATCH" });
    expect(await failureOf(writer.sendNoWait(ndArray(new Uint16Array(4), [2, 2])))).toMatchObject({
      code: "SHAPE_MISMATCH",
    });
    expect(await failureOf(writer.send(frame(1), { signal: AbortSignal.abort() }))).toMatchObject({ code: "ABORTED" });
    expect([await stream.length(), await readdir(root)]).toEqual([0, []]);
    await writer.send(frame(5));
    expect(valuesOf(await stream.slice())).toEqual([5]);
  });
});

it("a hundred frames are few reads", async () => {
  await using blobs = await openBlobTier({ root, inlineBytes: 0 }, backends);
  const { writer, stream } = await makePair(blobs);
  for (let i = 0; i < 100; i++) await writer.sendNoWait(frame(i));
  await writer.seal();
  const disk = await backends.store("file:///");
  let reads = 0;
  for (const method of ["read", "readRanges"] as const) {
    const original = disk[method].bind(disk) as (...args: unknown[]) => Promise<never>;
    disk[method] = (...args: unknown[]) => {
      reads++;
      return original(...args);
    };
  }
  expect(valuesOf(await stream.slice())).toEqual(Array.from({ length: 100 }, (_, i) => i));
  expect(reads).toBe(1);
});

it("a segment file has the frame at the place that the reference names", async () => {
  await using blobs = await openBlobTier({ root, inlineBytes: 0 }, backends);
  const { writer, engine, stream } = await makePair(blobs);
  await writer.send(frame(258));
  const [reference] = (await engine.range(stream.key, 0, 1)).entries.flatMap(referencesOf);
  const { uri = "", offset = 0, length } = reference ?? {};
  expect(length).toBe(FRAME_BYTES);
  const bytes = (await readFile(fileURLToPath(uri))).subarray(offset, offset + FRAME_BYTES);
  expect(bytes.every((byte, i) => byte === (i % 2 === 0 ? 2 : 1))).toBe(true);
});

describe("retention", () => {
  it("removes the segment files that only points below the index refer to", async () => {
    // Each file takes two frames.
    await using blobs = await openBlobTier({ root, inlineBytes: 0, segmentBytes: FRAME_BYTES * 2 }, backends);
    const { writer, stream } = await makePair(blobs);
    for (let i = 0; i < 7; i++) await writer.send(frame(i));
    const before = await segmentNames();
    expect(before.map((name) => Number(name.slice(0, 16)))).toEqual([0, 2, 4, 6]);
    // From a process that has not written it.
    await using other = await openBlobTier({ root }, backends);
    await other.trim(stream.key, 5);
    expect(await segmentNames()).toEqual(before.slice(2));
    expect(valuesOf(await stream.slice(4))).toEqual([4, 5, 6]);
    expect(await failureOf(stream.at(3))).toMatchObject({ code: "EXPIRED" });
    await other.trim(stream.key, 7);
    expect(await segmentNames()).toEqual(before.slice(3));
    await writer.send(frame(7));
    expect(valuesOf(await stream.slice(6))).toEqual([6, 7]);
    await other.trim(stream.key, Number.MAX_SAFE_INTEGER);
    expect(await readdir(root)).toEqual([]);
    await other.trim("esrf:stream:never", Number.MAX_SAFE_INTEGER);
  });

  it("removes the values of a byte store, and of an array nothing", async () => {
    for (const [backend, left] of [
      ["memory", 2],
      ["frames", 5],
    ] as const) {
      await using blobs = await openBlobTier({ backend, inlineBytes: 0 }, backends);
      const { writer, stream } = await makePair(blobs);
      for (let i = 0; i < 5; i++) await writer.send(frame(i));
      await blobs.trim(stream.key, 3);
      const readable = await Promise.allSettled([0, 1, 2, 3, 4].map((i) => stream.at(i)));
      expect(readable.filter(({ status }) => status === "fulfilled")).toHaveLength(left);
      expect(valuesOf(await stream.slice(3))).toEqual([3, 4]);
    }
  });

  it("keeps what a reader may ask for where frames were dropped before they got an index", async () => {
    await using blobs = await openBlobTier({ backend: "memory", inlineBytes: 0 }, backends);
    const { writer, stream, engine } = await makePair(blobs, { highWaterBytes: 1, backPressure: "dropOldest" });
    const append = engine.append.bind(engine);
    let go = () => {};
    const gate = new Promise<void>((resolve) => (go = resolve));
    engine.append = async (...args) => {
      await gate;
      await append(...args);
    };
    const stored = vi.spyOn(blobs, "put");
    const sends: Promise<void>[] = [];
    for (const value of [0, 1, 2, 3, 4]) {
      const sent = writer.send(frame(value));
      sent.catch(() => {});
      sends.push(sent);
      // Each is stored before the next is sent: what is dropped then is its event.
      await expect
        .poll(() => stored.mock.settledResults.filter(({ type }) => type === "fulfilled").length, { timeout: 30_000 })
        .toBe(value + 1);
    }
    const settled = Promise.allSettled(sends);
    await expect.poll(() => writer.dropped, { timeout: 30_000 }).toBe(3);
    go();
    await settled;
    // Frames 0 and 4 became points 0 and 1.
    expect(valuesOf(await stream.slice())).toEqual([0, 4]);
    await blobs.trim(stream.key, 1);
    expect(valuesOf(await stream.slice(1))).toEqual([4]);
  });

  it("leaves what an earlier writer of the stream has stored as it is", async () => {
    for (const options of [{ root }, { backend: "memory" }]) {
      const kind = { shape, dtype: "uint16", endian: "little" } as const;
      const put = async (...values: number[]) => {
        await using blobs = await openBlobTier({ ...options, inlineBytes: 0 }, backends);
        return (await Promise.all(
          values.map((value) => blobs.put("esrf:stream:x", frame(value), kind, 0)),
        )) as never[][];
      };
      const references = [...(await put(1)), ...(await put(2)), ...(await put(3))].flat();
      expect(valuesOf(await frameReader(backends)(references, kind, {}))).toEqual([1, 2, 3]);
    }
  });
});

it("a frame that cannot be stored sends no event, and the next one takes its place", async () => {
  let isFull = true;
  const place: BlobPlace = {
    put: async ({ frames }) => {
      if (isFull) throw new StorageError("NO_SPACE", "Full");
      return frames.map(() => ({ kind: "bytes", uri: "file:///x", offset: 0 }));
    },
    nextSequence: async () => 0,
    end: async () => {},
    trim: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
  const { writer, stream } = await makePair(new BlobTier(place, { inlineBytes: 0 }));
  expect(await failureOf(writer.send(frame(1)))).toMatchObject({ code: "NO_SPACE" });
  expect(await failureOf(writer.sendNoWait(frame(1)))).toMatchObject({ code: "NO_SPACE" });
  isFull = false;
  await writer.send(frame(1));
  expect(await stream.length()).toBe(1);
});

describe.skipIf(!hasRedis)("a producer that is killed", () => {
  let server: RedisServer;
  let child: Bundle;
  beforeAll(async () => {
    server = await startRedis();
    child = await bundle(new URL("../children/send-frames.ts", import.meta.url), installed);
  }, 60_000);
  afterAll(async () => {
    await server.stop();
    await child.remove();
  });

  it.each([
    ["segments", 3],
    ["segments", 20],
    ["array", 3],
    ["array", 20],
  ])("leaves no reference to a frame that is not there: %s, after %i", async (place, frames) => {
    const url = `redis://127.0.0.1:${server.port}`;
    const running = spawn(process.execPath, [child.path, url, root, place], { stdio: ["ignore", "pipe", "inherit"] });
    const lines: string[] = [];
    const closed = once(running, "close");
    for await (const line of createInterface(running.stdout)) {
      lines.push(line);
      if (lines.length > frames) running.kill("SIGKILL");
    }
    expect((await closed)[1]).toBe("SIGKILL");
    await using store = new DataStore(await openRedisEngine({ url }), { readFrames: frameReader(backends) });
    const stream = (await store.loadScan(lines[0] as string)).stream<NdArray, NdArray>("camera");
    const length = await stream.length();
    expect(length).toBeGreaterThanOrEqual(lines.length - 1);
    const read = await stream.slice();
    expect(valuesOf(read)).toEqual(Array.from({ length }, (_, i) => i));
  });
});

test.each(["segment files", "a byte store"])(
  "frames in %s stay in their place, whatever the key of their stream",
  async (place) => {
    const options = place === "segment files" ? { root: join(root, "place") } : { backend: "place" };
    await using set = new BackendSet(createRegistry(), { place: { use: "disk", root: join(root, "place") } });
    await using blobs = await openBlobTier({ ...options, inlineBytes: 0 }, set);
    const kind = { shape, dtype: "uint16", endian: "little" } as const;
    // What a tier takes for a file of a stream, had the key led there.
    const others = ["0000000000000000-00000000.seg", "0000000000000000"].map((name) => join(root, name));
    for (const path of others) await writeFile(path, "of somebody else");
    for (const key of ["..", ".", "a/../..", "/", "*"]) {
      const [reference] = (await blobs.put(key, frame(1), kind, 0)) as readonly FrameReference[];
      expect(dirname(dirname(fileURLToPath(reference?.uri ?? "")))).toBe(join(root, "place"));
      await blobs.trim(key, Number.MAX_SAFE_INTEGER);
      await blobs.end(key);
    }
    for (const key of ["", "\ud800"]) {
      expect(await failureOf(blobs.put(key, frame(1), kind, 0))).toMatchObject({ code: "INVALID_KEY" });
      expect(await failureOf(blobs.trim(key, Number.MAX_SAFE_INTEGER))).toMatchObject({ code: "INVALID_KEY" });
    }
    for (const path of others) expect(await readFile(path, "utf8")).toBe("of somebody else");
  },
);
