/** What readers of one process share, and what they do not. */
import { describe, expect, it } from "vitest";
import { StorageError } from "../../../src/core/errors.ts";
import { type NdArray, ndArray } from "../../../src/core/nd-array.ts";
import { type SharedFramesOptions, sharedFrames } from "../../../src/live/blobs/shared-frames.ts";
import type { FrameKind, FrameReference } from "../../../src/live/encoding/frames.ts";

const kind: FrameKind = { shape: [4], dtype: "uint8", endian: "little" };
const referenceOf = (index: number): FrameReference => ({ kind: "array", uri: "file:///run.zarr", path: "cam", index });

/** Frames that say which they are; `answers` holds each read back until it is let go. */
function source(options?: SharedFramesOptions) {
  const reads: { indexes: number[]; signal: AbortSignal | undefined; answer: (error?: Error) => void }[] = [];
  const read = sharedFrames((references, { shape, dtype }, { signal }) => {
    const indexes = references.map(({ index }) => index as number);
    const frames = ndArray(Uint8Array.from(indexes.flatMap((index) => Array(4).fill(index))), [
      indexes.length,
      ...shape,
    ]);
    expect(dtype).toBe("uint8");
    return new Promise<NdArray>((resolve, reject) => {
      reads.push({ indexes, signal, answer: (error) => (error ? reject(error) : resolve(frames)) });
    });
  }, options);
  const one = (index: number, signal?: AbortSignal) => read([referenceOf(index)], kind, { signal });
  const answered = async (index: number) => {
    const frame = one(index);
    if (reads.at(-1)?.indexes[0] === index) reads.at(-1)?.answer();
    return await frame;
  };
  return { reads, read, one, answered };
}

describe("Frames that are shared", () => {
  it("are read once, for those who wait and for those who come later", async () => {
    const { reads, one } = source();
    const waiting = [one(7), one(7), one(7)];
    reads[0]?.answer();
    const frames = await Promise.all(waiting);
    expect(new Set([...frames, await one(7)]).size).toBe(1);
    expect([frames[0]?.shape, frames[0]?.data[0], reads.length]).toEqual([[1, 4], 7, 1]);
  });

  it("are told apart by all that their reference says", async () => {
    const { reads, read } = source();
    void read([referenceOf(1)], kind, {});
    void read([{ ...referenceOf(1), path: "other" }], kind, {});
    void read([referenceOf(1)], { ...kind, shape: [2, 2] }, {});
    expect(reads).toHaveLength(3);
    for (const { answer } of reads) answer();
  });

  it("go, the one that was used longest ago first, once they are more than their bytes", async () => {
    const { reads, answered, one } = source({ maxBytes: 8 });
    await answered(1);
    await answered(2);
    await one(1);
    await answered(3);
    expect(reads).toHaveLength(3);
    await one(1);
    await answered(2);
    expect(reads.map(({ indexes }) => indexes[0])).toEqual([1, 2, 3, 2]);
  });

  it("that are larger than all that may be kept are read each time", async () => {
    const { reads, answered } = source({ maxBytes: 3 });
    await answered(1);
    await answered(1);
    expect(reads).toHaveLength(2);
  });

  it("are not those of a slice: it is its reader's own", async () => {
    const { reads, read } = source();
    const slice = () => read([referenceOf(1), referenceOf(2)], kind, {});
    const both = [slice(), slice()];
    for (const { answer } of reads) answer();
    expect(await both[0]).not.toBe(await both[1]);
    expect(reads).toHaveLength(2);
  });

  it("are read on while anybody waits, and given up with the last", async () => {
    const { reads, one } = source();
    const [first, second] = [new AbortController(), new AbortController()];
    const [left, stays] = [one(5, first.signal), one(5, second.signal)];
    first.abort();
    await expect(left).rejects.toMatchObject({ code: "ABORTED" });
    expect(reads[0]?.signal?.aborted).toBe(false);
    second.abort();
    await expect(stays).rejects.toMatchObject({ code: "ABORTED" });
    expect(reads[0]?.signal?.aborted).toBe(true);
    reads[0]?.answer(new Error("given up"));
  });

  it("that could not be read are tried again", async () => {
    const { reads, one, answered } = source();
    const failing = one(9);
    reads[0]?.answer(new StorageError("TIMED_OUT", "away"));
    await expect(failing).rejects.toMatchObject({ code: "TIMED_OUT" });
    expect((await answered(9)).data[0]).toBe(9);
  });
});
