import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { arraysEqual, type DType, dtypes, isNdArray, type NdArray, StorageError } from "../../src/index.ts";
import { ReplayCamera, SimulatedCamera, SimulatedStage } from "../../src/session/index.ts";
import { FakeStorage } from "../../src/testing/fake-storage.ts";

function take(options: object, index: number): NdArray {
  return new SimulatedCamera("camera", options).preview(index);
}

describe("The simulated camera", () => {
  it("makes frames of every dtype and shape, each a function of seed and number alone", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...(Object.keys(dtypes) as DType[])),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }),
        fc.nat(1000),
        fc.nat(100),
        (dtype, shape, seed, index) => {
          const frame = take({ dtype, shape, seed }, index);
          expect(isNdArray(frame)).toBe(true);
          expect(frame).toMatchObject({ dtype, shape });
          expect(arraysEqual(frame, take({ dtype, shape, seed }, index))).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("shows another frame each time, and another film with another seed", () => {
    const options = { shape: [32, 32] };
    const frames = Array.from({ length: 40 }, (_, i) => take(options, i));
    for (let i = 0; i < frames.length; i++) {
      for (let j = 0; j < i; j++) expect(arraysEqual(frames[i] as NdArray, frames[j] as NdArray)).toBe(false);
    }
    expect(arraysEqual(take({ ...options, seed: 1 }, 0), take({ ...options, seed: 2 }, 0))).toBe(false);
  });

  it("has the noise of counting on top of its background, and blobs above both", () => {
    const dark = [...(take({ shape: [256, 256], blobs: 0 }, 0).data as Uint16Array)];
    const mean = dark.reduce((sum, value) => sum + value, 0) / dark.length;
    const variance = dark.reduce((sum, value) => sum + (value - mean) ** 2, 0) / dark.length;
    expect(mean).toBeGreaterThan(99);
    expect(mean).toBeLessThan(101);
    // Shot noise of 100 counts and a read noise of 5: a variance of 125.
    expect(variance).toBeGreaterThan(120);
    expect(variance).toBeLessThan(130);
    const bright = Math.max(...(take({ shape: [256, 256], blobs: 5 }, 0).data as Uint16Array));
    expect(bright).toBeGreaterThan(1000);
  });

  it("moves its blobs", () => {
    const brightest = (index: number) => {
      const { data } = take({ shape: [128, 128], blobs: 1, seed: 3 }, index);
      return data.indexOf(Math.max(...(data as Uint16Array)) as never);
    };
    expect(new Set([0, 10, 20, 30].map(brightest)).size).toBe(4);
  });

  it("goes through sunflare's sequence with a storage of its own", async () => {
    const camera = new SimulatedCamera("camera", { shape: [4, 6], blobs: 1 });
    const storage = new FakeStorage();
    camera.storage = storage;
    await camera.prepare({ capacity: 3 });
    await camera.kickoff();
    await camera.complete();
    expect([...new Set(storage.methods)]).toEqual(["updateSource", "prepare", "kickoff", "write", "closeSink"]);
    expect(storage.calls[0]).toEqual({ method: "updateSource", values: ["camera", "uint16", [4, 6], {}] });
    expect(storage.calls[1]).toEqual({ method: "prepare", values: ["camera", 3] });
    const frames = storage.frames("camera");
    expect(frames).toHaveLength(3);
    for (const [i, frame] of frames.entries()) expect(arraysEqual(frame, camera.preview(i))).toBe(true);
  });

  it("begins anew with each acquisition", async () => {
    const camera = new SimulatedCamera("camera", { shape: [4, 6] });
    const storage = new FakeStorage();
    camera.storage = storage;
    for (let run = 0; run < 2; run++) {
      await camera.prepare({ capacity: 2 });
      await camera.kickoff();
      await camera.complete();
      expect(arraysEqual(storage.frames("camera").at(-1) as NdArray, camera.preview(1))).toBe(true);
    }
  });

  it("takes frames without end until it is told to complete", async () => {
    const camera = new SimulatedCamera("camera", { shape: [4, 6], frameRate: 1000 });
    const storage = new FakeStorage();
    camera.storage = storage;
    await camera.prepare({ writeForever: true, capacity: 5 });
    await camera.kickoff();
    while (storage.frames("camera").length < 7) await new Promise((resolve) => setImmediate(resolve));
    await camera.complete();
    const taken = storage.frames("camera").length;
    await new Promise((resolve) => setImmediate(resolve));
    expect(storage.frames("camera")).toHaveLength(taken);
  });

  it("takes one frame for each software trigger", async () => {
    const camera = new SimulatedCamera("camera", { shape: [4, 6] });
    const storage = new FakeStorage();
    camera.storage = storage;
    await camera.prepare({ capacity: 2, trigger: "software" });
    await camera.kickoff();
    expect(storage.frames("camera")).toHaveLength(0);
    await camera.trigger();
    await camera.trigger();
    await camera.complete();
    expect(storage.frames("camera").map((frame, i) => arraysEqual(frame, camera.preview(i)))).toEqual([true, true]);
  });

  it("reports a failing write when it completes, and closes its sink all the same", async () => {
    const camera = new SimulatedCamera("camera", { shape: [4, 6] });
    const storage = new FakeStorage();
    camera.storage = storage;
    await camera.prepare({ capacity: 20 });
    storage.failNext("write", new StorageError("NO_SPACE", "full"));
    await camera.kickoff();
    await expect(camera.complete()).rejects.toMatchObject({ code: "NO_SPACE" });
    expect(storage.methods).toContain("closeSink");
  });

  it("says what is missing: storage, preparation", async () => {
    const camera = new SimulatedCamera("camera");
    expect(camera.storage).toBeNull();
    expect(camera.writerLogic).toBeNull();
    await expect(camera.prepare({ capacity: 1 })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    await expect(camera.kickoff()).rejects.toMatchObject({ code: "NOT_OPEN" });
    await expect(camera.trigger()).rejects.toMatchObject({ code: "NOT_OPEN" });
  });

  it("describes every setting that it reports", () => {
    const files = {} as ConstructorParameters<typeof ReplayCamera>[2];
    for (const device of [
      new SimulatedCamera("camera"),
      new SimulatedStage("stage"),
      new ReplayCamera("replay", { backend: "raw" }, files),
    ]) {
      expect(Object.keys(device.describeConfiguration())).toEqual(Object.keys(device.readConfiguration()));
    }
  });
});

describe("The simulated stage", () => {
  it("reads its axes, described with their unit", async () => {
    const stage = new SimulatedStage("stage", { axes: ["x", "y", "z"], units: "mm" });
    expect(Object.keys(stage.read())).toEqual(["stage-x", "stage-y", "stage-z"]);
    expect(Object.keys(stage.describe())).toEqual(Object.keys(stage.read()));
    expect(stage.describe()["stage-z"]).toMatchObject({ units: "mm", dtype: "number", object_name: "stage" });
  });

  it("moves the named axes, all or none", async () => {
    const stage = new SimulatedStage("stage", { limit: 100 });
    await stage.set({ x: 12.5 });
    const position = () => Object.values(stage.read()).map(({ value }) => value);
    expect(position()).toEqual([12.5, 0]);
    await expect(stage.set({ y: 5, x: 101 })).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
    await expect(stage.set({ y: Number.NaN })).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
    await expect(stage.set({ y: 5, q: 1 })).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect(position()).toEqual([12.5, 0]);
  });

  it("shakes by no more than its jitter, in a fixed pattern", () => {
    const read = () => {
      const stage = new SimulatedStage("stage", { jitter: 0.5 });
      return Array.from({ length: 20 }, () => stage.read()["stage-x"]?.value as number);
    };
    expect(read()).toEqual(read());
    expect(new Set(read()).size).toBeGreaterThan(10);
    expect(read().every((x) => Math.abs(x) <= 0.5)).toBe(true);
  });
});

describe("A device made in code", () => {
  it("refuses wrong options by its name, each with its path", () => {
    const wrong = (message: RegExp) =>
      expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringMatching(message) });
    expect(() => new SimulatedCamera("camera", { shape: [4, 0] })).toThrow(
      wrong(/^Device "camera" has 1 mistake:\n {2}shape\[1\]: expected at least 1$/),
    );
    expect(() => new SimulatedStage("stage", { axes: 3 } as object)).toThrow(wrong(/^Device "stage".*\n {2}axes: /));
  });
});
