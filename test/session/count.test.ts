import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, it } from "vitest";
import { arraysEqual, type Document, type NdArray } from "../../src/index.ts";
import { count, type Session, type SimulatedCamera } from "../../src/session/index.ts";
import { rejectionOf } from "../support/rejection.ts";
import { RedsunCamera } from "./fixtures/devices.ts";
import { arrayOf, documentOf, documentsOf, tiffsOf } from "./run-support.ts";
import { deviceOf, fixture, open, temporaryFolder } from "./support.ts";

let basePath: string;
beforeEach(async () => {
  basePath = await temporaryFolder();
});

const camera = { use: "simulated-camera", shape: [24, 32], blobs: 2 };
const writers = (use: string) => ({ basePath, writers: { default: { use } } });

/** A session with a camera and a stage. */
function openCameraAndStage(use = "zarr", options: object = {}): Promise<Session> {
  return open({
    metadata: { operator: "me" },
    storage: writers(use),
    devices: { camera: { ...camera, ...options }, stage: { use: "simulated-stage", velocity: 250 } },
  });
}

describe("count", () => {
  it("writes one frame per event of each camera, the same that the camera shows", async () => {
    const session = await openCameraAndStage();
    const summary = await session.run(count({ num: 7 }));
    expect(summary).toMatchObject({
      exitStatus: "success",
      reason: "",
      events: 7,
      devices: { camera: { frames: 7, rejected: 0, bytes: 7 * 24 * 32 * 2 } },
    });
    const array = await arrayOf(summary, "camera");
    expect(array.shape).toEqual([7, 24, 32]);
    for (let i = 0; i < 7; i++) {
      expect(arraysEqual(await array.frame(i), deviceOf<SimulatedCamera>(session, "camera").preview(i))).toBe(true);
    }
  });

  it("makes a folder for the run, with the store and its documents", async () => {
    const summary = await (await openCameraAndStage()).run({ use: "count", num: 2 });
    expect(summary.folder).toMatch(/\/test\/\d{4}_\d\d_\d\d\/count_00000$/);
    expect((await readdir(summary.folder as string)).sort()).toEqual(["default.zarr", "documents.jsonl"]);
    expect(fileURLToPath(summary.stores.default as string)).toBe(join(summary.folder as string, "default.zarr"));
  });

  it("emits the documents of the event model, consistent with the store", async () => {
    const session = await openCameraAndStage();
    const heard: Document[] = [];
    const end = session.subscribe((document) => heard.push(document));
    const summary = await session.run(count({ num: 3 }));
    const documents = await documentsOf(summary.folder);
    expect(heard).toEqual(documents);
    expect(documents.map(([name]) => name)).toEqual([
      ...["start", "descriptor", "event", "event", "event", "stream_resource", "stream_datum", "stop"],
    ]);
    const start = documentOf(documents, "start");
    expect(start).toMatchObject({
      uid: summary.runUid,
      plan_name: "count",
      operator: "me",
      session: "test",
      num_points: 3,
    });
    const descriptor = documentOf(documents, "descriptor");
    expect(descriptor.run_start).toBe(start.uid);
    expect(descriptor.object_keys).toEqual({ camera: ["camera"], stage: ["stage-x", "stage-y"] });
    expect(descriptor.data_keys.camera).toMatchObject({
      dtype: "array",
      shape: [1, 24, 32],
      dtype_numpy: "<u2",
      external: "STREAM:",
      object_name: "camera",
      dims: ["time", "y", "x"],
    });
    expect(descriptor.data_keys["stage-x"]).toMatchObject({ dtype: "number", units: "um", shape: [] });
    expect(descriptor.configuration.stage?.data).toEqual({ "stage-velocity": 250, "stage-limit": 50_000 });
    expect(descriptor.configuration.stage?.data_keys["stage-velocity"]?.units).toBe("um/s");
    const events = documents.flatMap(([name, doc]) => (name === "event" ? [doc] : []));
    expect(events.map(({ seq_num, data }) => [seq_num, Object.keys(data)])).toEqual([
      [1, ["stage-x", "stage-y"]],
      [2, ["stage-x", "stage-y"]],
      [3, ["stage-x", "stage-y"]],
    ]);
    const resource = documentOf(documents, "stream_resource");
    expect(resource).toMatchObject({ run_start: start.uid, data_key: "camera", mimetype: "application/x-zarr" });
    expect(resource.uri).toBe(`${summary.stores.default}/camera`);
    expect(existsSync(fileURLToPath(resource.uri))).toBe(true);
    expect(documentOf(documents, "stream_datum")).toMatchObject({
      descriptor: descriptor.uid,
      stream_resource: resource.uid,
      indices: { start: 0, stop: 3 },
      seq_nums: { start: 1, stop: 4 },
    });
    expect(documentOf(documents, "stop")).toMatchObject({
      run_start: start.uid,
      exit_status: "success",
      num_events: { primary: 3 },
    });
    end();
    await session.run(count({ num: 1 }));
    expect(heard).toHaveLength(documents.length);
  });

  it("puts the session's metadata and every device's configuration into the store, a stage's too", async () => {
    const summary = await (await openCameraAndStage()).run(count({ num: 1 }));
    const metadata = await readFile(join(fileURLToPath(summary.stores.default as string), "zarr.json"), "utf8");
    for (const part of ['"operator"', '"stage-velocity"', "250", '"camera-exposure"', summary.runUid]) {
      expect(metadata).toContain(part);
    }
  });

  it("never overwrites: each run has a folder of its own, also after a restart", async () => {
    const session = await openCameraAndStage();
    const first = await session.run(count({ num: 2 }));
    const second = await session.run(count({ num: 3 }));
    await session.close();
    const third = await (await openCameraAndStage()).run(count({ num: 4 }));
    expect(new Set([first.folder, second.folder, third.folder]).size).toBe(3);
    expect(second.folder).toBe((first.folder as string).replace("00000", "00001"));
    const shapes = [first, second, third].map(async (run) => (await arrayOf(run, "camera")).shape[0]);
    expect(await Promise.all(shapes)).toEqual([2, 3, 4]);
    expect(first.runUid).not.toBe(second.runUid);
  });

  it.each(["zarr", "tiff", "memory"])("runs two cameras and a stage into one %s store", async (use) => {
    const session = await open({
      storage: writers(use),
      devices: {
        left: { ...camera, seed: 1 },
        right: { ...camera, dtype: "float32", seed: 2, shape: [8, 8] },
        stage: { use: "simulated-stage" },
      },
    });
    const summary = await session.run(count({ num: 5 }));
    expect(Object.keys(summary.stores)).toEqual(["default"]);
    expect(summary.devices).toMatchObject({ left: { frames: 5 }, right: { frames: 5 } });
    const documents = await documentsOf(summary.folder);
    expect(documents.filter(([name]) => name === "stream_resource")).toHaveLength(2);
    const expected = (name: string, i: number) => deviceOf<SimulatedCamera>(session, name).preview(i);
    const stored = async (name: string): Promise<readonly NdArray[]> => {
      if (use === "tiff") return tiffsOf(summary, name);
      const writer = session.writers.get("default") as unknown as { frames(name: string): readonly NdArray[] };
      if (use === "memory") return writer.frames(name);
      const array = await arrayOf(summary, name);
      return Promise.all([0, 1, 2, 3, 4].map((i) => array.frame(i)));
    };
    for (const name of ["left", "right"]) {
      const frames = await stored(name);
      expect(frames).toHaveLength(5);
      for (const [i, frame] of frames.entries()) expect(arraysEqual(frame, expected(name, i))).toBe(true);
    }
  });

  it("runs cameras of both generations, in several groups, each group in its own store", async () => {
    const session = await open({
      storage: { basePath, writers: { fast: { use: "zarr" }, slow: { use: "tiff" } } },
      devices: { slot: { ...camera, writer: "fast" }, logic: { use: fixture("RedsunCamera"), writer: "slow" } },
    });
    const summary = await session.run(count({ num: 3 }));
    expect(Object.keys(summary.stores).sort()).toEqual(["fast", "slow"]);
    expect(summary.devices).toMatchObject({ slot: { frames: 3 }, logic: { frames: 3 } });
    const frames = await tiffsOf({ ...summary, stores: { default: summary.stores.slow as string } }, "logic");
    for (const [i, frame] of frames.entries()) expect(arraysEqual(frame, RedsunCamera.frame(i))).toBe(true);
  });

  it("reads scalars without storage, and leaves nothing on disk", async () => {
    const session = await open({ devices: { stage: { use: "simulated-stage" } } });
    const documents: Document[] = [];
    const summary = await session.run(count({ num: 2 }), { onDocument: (document) => documents.push(document) });
    expect(summary).toMatchObject({ folder: undefined, stores: {}, devices: {}, events: 2 });
    expect(documents.map(([name]) => name)).toEqual(["start", "descriptor", "event", "event", "stop"]);
  });

  it("reports progress after every event", async () => {
    const session = await openCameraAndStage();
    const events: number[] = [];
    let last: unknown;
    await session.run(count({ num: 4 }), {
      onProgress: (progress) => {
        events.push(progress.events);
        last = progress;
      },
    });
    expect(events).toEqual([1, 2, 3, 4]);
    expect(last).toMatchObject({ total: 4, frames: { camera: 4 }, bytes: 4 * 24 * 32 * 2 });
  });

  it("with a delay, triggers each frame with its reading", async () => {
    const session = await openCameraAndStage();
    const written: number[] = [];
    const waits: number[] = [];
    const summary = await session.run(count({ num: 3, delay: 3600 }), {
      onProgress: ({ frames }) => written.push(frames.camera as number),
      wait: async (seconds) => {
        waits.push(seconds);
      },
    });
    expect(written).toEqual([1, 2, 3]);
    expect(waits).toHaveLength(2);
    expect(waits.every((seconds) => seconds > 3000 && seconds <= 3600)).toBe(true);
    expect((await arrayOf(summary, "camera")).shape[0]).toBe(3);
  });

  it("with a delay, refuses cameras that cannot be triggered, before it makes anything", async () => {
    const session = await open({ storage: writers("zarr"), devices: { logic: { use: fixture("RedsunCamera") } } });
    await expect(session.run(count({ num: 2, delay: 1 }))).rejects.toMatchObject({ code: "UNSUPPORTED" });
    expect(await readdir(basePath)).toEqual([]);
  });

  it("runs one plan at a time", async () => {
    const session = await openCameraAndStage();
    const first = session.run(count({ num: 2 }));
    await expect(session.run(count({ num: 2 }))).rejects.toMatchObject({ code: "CONFLICT" });
    expect((await first).exitStatus).toBe("success");
  });

  it("needs a plan, and a right one", async () => {
    const session = await openCameraAndStage();
    await expect(session.run()).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    const wrong = session.run({ use: "count", num: 0, dely: 1 } as never);
    await expect(wrong).rejects.toThrow(/plan\.num: expected at least 1\n {2}plan\.dely: unknown key/);
    expect(() => count({ num: -1 })).toThrow("num must be a whole number ≥ 1");
  });
});

describe("A run that is aborted", () => {
  it("closes its stores cleanly, counts what is there, and says so in its documents", async () => {
    const session = await openCameraAndStage("zarr", { frameRate: 200 });
    const abort = new AbortController();
    const summary = await session.run(count({ num: 100_000 }), {
      signal: abort.signal,
      onProgress: ({ events }) => events === 5 && abort.abort(new Error("enough")),
    });
    expect(summary).toMatchObject({ exitStatus: "abort", reason: "enough" });
    const frames = summary.devices.camera?.frames as number;
    expect(frames).toBeGreaterThanOrEqual(5);
    expect((await arrayOf(summary, "camera")).shape[0]).toBe(frames);
    const documents = await documentsOf(summary.folder);
    expect(documentOf(documents, "stop")).toMatchObject({ exit_status: "abort", reason: "enough" });
    expect(documentOf(documents, "stream_datum").indices).toEqual({ start: 0, stop: frames });
    expect((await session.run(count({ num: 2 }))).exitStatus).toBe("success");
  });

  it("can be aborted at full speed, and by closing the session", async () => {
    const session = await openCameraAndStage("memory");
    let isRunning: () => void = () => {};
    const running = new Promise<void>((resolve) => {
      isRunning = resolve;
    });
    const run = session.run(count({ num: 1_000_000 }), { onProgress: () => isRunning() });
    await running;
    await session.close();
    expect((await run).exitStatus).toBe("abort");
  });

  it("can be aborted between two readings", async () => {
    const session = await openCameraAndStage();
    const abort = new AbortController();
    const summary = await session.run(count({ num: 3, delay: 3600 }), {
      signal: abort.signal,
      onProgress: () => abort.abort(),
    });
    expect(summary).toMatchObject({ exitStatus: "abort", events: 1, devices: { camera: { frames: 1 } } });
  });

  it("does not begin when it is aborted already", async () => {
    const session = await openCameraAndStage();
    await expect(session.run(count({ num: 2 }), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "ABORTED",
    });
    expect(await readdir(basePath)).toEqual([]);
  });
});

describe("A run that fails", () => {
  it("ends with a stop document, closed stores and the frames that were written", async () => {
    const session = await open({ storage: writers("tiff"), devices: { camera: { use: fixture("BreakingCamera") } } });
    await expect(session.run(count({ num: 5 }))).rejects.toMatchObject({ code: "TIMED_OUT" });
    const [day] = await readdir(join(basePath, "test"));
    const folder = join(basePath, "test", day as string, "count_00000");
    const documents = await documentsOf(folder);
    expect(documentOf(documents, "stop")).toMatchObject({ exit_status: "fail", reason: "the sensor does not answer" });
    expect(documentOf(documents, "stream_datum").indices).toEqual({ start: 0, stop: 2 });
    const names = await readdir(join(folder, "default.tiffs", "camera"));
    expect(names).toHaveLength(2);
    expect([...session.writers.values()].map((writer) => writer.isOpen)).toEqual([false]);
  });

  it("says how many frames a camera that ended early gave", async () => {
    const session = await open({ storage: writers("tiff"), devices: { camera: { use: fixture("LazyCamera") } } });
    await expect(session.run(count({ num: 5 }))).rejects.toMatchObject({
      code: "CONFLICT",
      message: "A camera ended after 1 of 5 frames",
    });
  });

  it("stops the other cameras too", async () => {
    const session = await open({
      storage: writers("memory"),
      devices: { a: { use: fixture("BreakingCamera") }, b: { ...camera } },
    });
    await expect(session.run(count({ num: 1_000_000 }))).rejects.toMatchObject({ code: "TIMED_OUT" });
    expect((await session.writers.get("default")?.sources.get("b")?.framesWritten) as number).toBeLessThan(1_000_000);
  });

  it("fails when a camera has no storage", async () => {
    const session = await open({ devices: { camera } });
    await expect(session.run(count({ num: 1 }))).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });

  it("fails when a subscriber does, and still closes and writes its stop document", async () => {
    const session = await openCameraAndStage();
    session.subscribe(([name]) => {
      if (name === "event") throw new Error("the display is gone");
    });
    const error = await rejectionOf(session.run(count({ num: 3 })));
    expect(error.message).toContain("the display is gone");
    const [day] = await readdir(join(basePath, "test"));
    const documents = await documentsOf(join(basePath, "test", day as string, "count_00000"));
    expect(documents.at(-1)?.[0]).toBe("stop");
    expect(session.writers.get("default")?.isOpen).toBe(false);
  });
});
