import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createPngCodec } from "../../src/codecs/index.ts";
import { byteLengthOf, type NdArray, ndArray } from "../../src/index.ts";
import { count, type Session, type SimulatedCamera, toPicture, writePreview } from "../../src/session/index.ts";
import { deviceOf, open, temporaryFolder } from "./support.ts";

/** A session with a camera and a stage. */
async function openCameraAndStage(use = "zarr"): Promise<Session> {
  return open({
    storage: { basePath: await temporaryFolder(), writers: { default: { use } } },
    devices: {
      camera: { use: "simulated-camera", shape: [24, 32], blobs: 2 },
      stage: { use: "simulated-stage" },
    },
  });
}

describe("The preview", () => {
  const decode = async (path: string) =>
    (await createPngCodec().decode(await readFile(path), { identifier: path, options: {} })) as NdArray;

  it.each(["zarr", "tiff", "memory"])("shows one frame of a %s store, from black to white", async (use) => {
    const session = await openCameraAndStage(use);
    const summary = await session.run(count({ num: 5 }));
    const preview = await writePreview(session, summary, { frame: -2 });
    expect(preview).toMatchObject({ path: join(summary.folder as string, "preview.png"), device: "camera", frame: 3 });
    const frame = deviceOf<SimulatedCamera>(session, "camera").preview(3);
    const values = [...(frame.data as Uint16Array)];
    const [black, white] = [Math.min(...values), Math.max(...values)];
    expect(preview).toMatchObject({ black, white });
    const expected = values.map((value) => Math.round(((value - black) / (white - black)) * 65535));
    const shown = await decode(preview?.path as string);
    expect(shown.shape).toEqual([24, 32]);
    expect([...(shown.data as Uint16Array)]).toEqual(expected);
  });

  const disk = (root: string) => ({ use: "disk", root, durability: "none" });
  it.each([
    ["memory", () => ({ use: "memory" }), ""],
    ["memory, odd names", () => ({ use: "memory" }), "frames #1/of 2026 %"],
    ["disk", disk, "a b"],
    ["disk, described in place", disk, undefined],
  ] as const)("shows a frame of a run that went to a store: %s", async (_, archiveIn, path) => {
    const basePath = await temporaryFolder();
    const archive = archiveIn(join(basePath, "elsewhere"));
    const isNamed = path !== undefined;
    const session = await open({
      ...(isNamed ? { backends: { archive } } : {}),
      storage: {
        basePath,
        writers: { default: { use: "zarr", store: isNamed ? "archive" : archive, path: path ?? "" } },
      },
      devices: { camera: { use: "simulated-camera", shape: [24, 32], blobs: 2 } },
    });
    const summary = await session.run(count({ num: 4 }));
    const preview = await writePreview(session, summary, { frame: 1 });
    const values = [...(deviceOf<SimulatedCamera>(session, "camera").preview(1).data as Uint16Array)];
    expect(preview).toMatchObject({ frame: 1, black: Math.min(...values), white: Math.max(...values) });
    expect((await decode(preview?.path as string)).shape).toEqual([24, 32]);
    // The store is still that of the session.
    expect((await session.run(count({ num: 1 }))).stores.default).toBeDefined();
    await session.close();
  });

  it("is left out for a store in memory that was described in place: nobody else can open it", async () => {
    const session = await open({
      storage: {
        basePath: await temporaryFolder(),
        writers: { default: { use: "zarr", store: { use: "memory" } } },
      },
      devices: { camera: { use: "simulated-camera", shape: [24, 32] } },
    });
    expect(await writePreview(session, await session.run(count({ num: 2 })))).toBeUndefined();
    await session.close();
  });

  it("is of the middle frame, never replaces another, and needs frames", async () => {
    const session = await openCameraAndStage();
    const summary = await session.run(count({ num: 5 }));
    expect(await writePreview(session, summary)).toMatchObject({ frame: 2 });
    await expect(writePreview(session, summary)).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await expect(writePreview(session, summary, { frame: 5 })).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
    expect(await writePreview(session, summary, { device: "stage" })).toBeUndefined();
  });

  it("makes a picture of any frame", () => {
    const line = toPicture(ndArray(Float32Array.of(-1, 0, 1, Number.NaN, Number.POSITIVE_INFINITY)));
    expect(line).toMatchObject({ black: -1, white: 1, pixels: { shape: [1, 5] } });
    expect([...line.pixels.data]).toEqual([0, 32768, 65535, 0, 65535]);
    const flat = toPicture(ndArray(BigInt64Array.of(7n, 7n), [1, 2]));
    expect([...flat.pixels.data]).toEqual([0, 0]);
    const volume = toPicture(ndArray(Uint16Array.of(0, 10, 20, 30), [2, 1, 2]));
    expect([...volume.pixels.data]).toEqual([0, 65535]);
    const colour = toPicture(ndArray(Uint8Array.of(0, 10, 20, 30, 40, 50), [1, 2, 3]));
    expect(colour.pixels.shape).toEqual([1, 2, 3]);
    expect([...colour.pixels.data]).toEqual([0, 51, 102, 153, 204, 255]);
    const nothing = toPicture(ndArray(Float64Array.of(Number.NaN), [1, 1]));
    expect(nothing).toMatchObject({ black: 0, white: 0 });
    expect(byteLengthOf(nothing.pixels)).toBe(2);
  });
});
