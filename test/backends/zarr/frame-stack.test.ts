/** Frames one at a time into an array that grows. */
import { describe, expect, it } from "vitest";
import { MemoryStore } from "../../../backends/memory/store.ts";
import { ZarrBackend } from "../../../backends/zarr/backend.ts";
import { openZarr } from "../../../backends/zarr/index.ts";
import type { ZarrArray } from "../../../backends/zarr/reader-types.ts";
import { isFrameStackSource } from "../../../src/core/frame-stack.ts";
import { arraysEqual, type NdArray, ndArray, sliceArray, zeros } from "../../../src/core/nd-array.ts";

const frameOf = (value: number): NdArray =>
  ndArray(
    Uint16Array.from({ length: 6 }, (_, i) => value * 10 + i),
    [2, 3],
  );
const options = { frameShape: [2, 3], dtype: "uint16" } as const;

function newBackend(layout: ConstructorParameters<typeof ZarrBackend>[1] = {}) {
  const store = new MemoryStore();
  const array = async () => (await openZarr(store, "run/cam")) as ZarrArray;
  return { store, backend: new ZarrBackend(store, layout), array };
}

describe("a stack of frames", () => {
  it("shows frames when it is published, and not before", async () => {
    const { backend, store, array } = newBackend();
    expect(isFrameStackSource(backend)).toBe(true);
    const stack = await backend.openFrameStack("run/cam", options);
    expect(await stack.append(frameOf(1))).toBe(0);
    expect(await stack.append(frameOf(2))).toBe(1);
    expect((await array()).shape).toEqual([0, 2, 3]);
    expect((await store.stat("run/cam/c.1.0.0")).kind).toBe("file");
    await stack.publish();
    await stack.publish();
    const found = await array();
    expect(found.shape).toEqual([2, 2, 3]);
    for (const index of [0, 1]) expect(arraysEqual(await found.frame(index), frameOf(index + 1))).toBe(true);
  });

  it("keeps the order of calls that nobody awaits", async () => {
    const { backend, array } = newBackend();
    const stack = await backend.openFrameStack("run/cam", options);
    const indices = await Promise.all(Array.from({ length: 20 }, (_, i) => stack.append(frameOf(i))));
    expect(indices).toEqual(Array.from({ length: 20 }, (_, i) => i));
    await stack.publish();
    const found = await array();
    for (const index of indices) expect(arraysEqual(await found.frame(index), frameOf(index))).toBe(true);
  });

  it("refuses frames of another shape or type, and takes the next", async () => {
    const { backend } = newBackend();
    const stack = await backend.openFrameStack("run/cam", options);
    await expect(stack.append(zeros([3, 2], "uint16"))).rejects.toMatchObject({ code: "SHAPE_MISMATCH" });
    await expect(stack.append(zeros([2, 3], "int16"))).rejects.toMatchObject({ code: "DTYPE_MISMATCH" });
    expect(stack.length).toBe(0);
    expect(await stack.append(frameOf(1))).toBe(0);
  });

  it("goes on where one was published, over what was not", async () => {
    const { backend, array } = newBackend();
    const first = await backend.openFrameStack("run/cam", options);
    await first.append(frameOf(1));
    await first.publish();
    await first.append(frameOf(2));
    const second = await backend.openFrameStack("run/cam", options);
    expect(second.length).toBe(1);
    // A frame of zeros stores no chunk: what lay there must not shine through.
    expect(await second.append(zeros([2, 3], "uint16"))).toBe(1);
    await second.publish();
    expect(arraysEqual(await (await array()).frame(1), zeros([2, 3], "uint16"))).toBe(true);
    const other = backend.openFrameStack("run/cam", { ...options, dtype: "float32" });
    await expect(other).rejects.toMatchObject({ code: "DTYPE_MISMATCH" });
  });

  it("takes strided frames, and borrows them only until they are stored", async () => {
    const { backend, array } = newBackend();
    const stack = await backend.openFrameStack("run/cam", options);
    const large = ndArray(
      Uint16Array.from({ length: 24 }, (_, i) => i),
      [4, 6],
    );
    const part = sliceArray(large, [
      [1, 3],
      [2, 5],
    ]);
    await stack.append(part);
    (large.data as Uint16Array).fill(0);
    await stack.publish();
    expect([...((await (await array()).frame(0)).data as Uint16Array)]).toEqual([8, 9, 10, 14, 15, 16]);
  });

  it.each([
    ["blosc-zstd", "blosc"],
    ["zstd", "zstd"],
    ["gzip", "gzip"],
    ["none", "none"],
  ] as const)("packed by %s says %s", async (compressor, codec) => {
    const { backend } = newBackend({ layout: { compressor } });
    expect((await backend.openFrameStack("run/cam", options)).codec).toBe(codec);
  });

  it("is no group, no plain value, and no name of Zarr's own", async () => {
    const { backend } = newBackend();
    await backend.ensureDirectory("group");
    await expect(backend.openFrameStack("group", options)).rejects.toMatchObject({ code: "IS_A_DIRECTORY" });
    await backend.save({ a: 1 }, "value.json");
    await expect(backend.openFrameStack("value.json", options)).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await expect(backend.openFrameStack("run/zarr.json", options)).rejects.toMatchObject({ code: "INVALID_KEY" });
    await backend.save(zeros([2, 2, 3], "uint16"), "whole", { chunkShape: [2, 2, 3] });
    await expect(backend.openFrameStack("whole", options)).rejects.toMatchObject({ code: "UNSUPPORTED" });
  });
});
