/** Live scans of runs in which something goes wrong: what readers were told of is there, and they are told of the end. */
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { arraysEqual, type NdArray, sliceArray } from "../../src/index.ts";
import { type DataStore, openLive, type Scan, type Stream } from "../../src/live/index.ts";
import { count, type Session, SimulatedCamera } from "../../src/session/index.ts";
import { scratchFolder, start } from "../cli/command.ts";
import { requireBuild } from "../support/built.ts";
import { rejectionOf } from "../support/rejection.ts";
import { arrayOf } from "./run-support.ts";
import { fixture, open, temporaryFolder } from "./support.ts";

const camera = { use: "simulated-camera", shape: [24, 32], blobs: 1, seed: 3 } as const;

async function liveSession(devices: object, writer: object = { use: "zarr" }): Promise<Session> {
  const folder = await temporaryFolder();
  return open({
    live: { location: join(folder, "live") },
    storage: { basePath: join(folder, "data"), writers: { default: writer as { use: string } } },
    devices: devices as Record<string, { use: string }>,
  });
}

async function lastScan({ live }: Session): Promise<Scan> {
  const store = live as DataStore;
  return store.loadScan((await store.lastScan()).key);
}

const streamOf = (scan: Scan, name: string) => scan.stream<NdArray, NdArray>(name);

/** Every point that a reader gets who follows from the start to the end. */
async function followed(stream: Stream<NdArray, NdArray>): Promise<NdArray[]> {
  const points: NdArray[] = [];
  for await (const view of stream) for await (const point of view) points.push(point);
  return points;
}

describe("A device that fails in the middle of a run", { timeout: 120_000 }, () => {
  it.each([
    ["zarr", { use: "zarr" }],
    ["zarr, a shard of many frames", { use: "zarr", shardBytes: 600, journal: "never" }],
    ["tiff", { use: "tiff" }],
  ])("ends the scan as a failure, with every frame that its cameras gave: %s", async (_, writer) => {
    const devices = { broken: { use: fixture("BreakingCamera") }, other: camera };
    const session = await liveSession(devices, writer);
    const { tag } = await (session.live as DataStore).engine.lastScan();
    const following = (async () => {
      const store = session.live as DataStore;
      const { key } = await store.nextScan({ since: tag, timeoutMs: 60_000 });
      const scan = await store.loadScan(key);
      await scan.waitState(1, { timeoutMs: 60_000 });
      return await followed(streamOf(scan, "broken"));
    })();
    expect(await rejectionOf(session.run(count({ num: 100_000 })))).toMatchObject({ code: "TIMED_OUT" });
    const seen = await following;
    expect(seen.map((frame) => frame.data[0])).toEqual([0, 1]);
    const scan = await lastScan(session);
    expect([scan.stateName, scan.endReason]).toEqual(["CLOSED", "FAILURE"]);
    const other = streamOf(scan, "other");
    const written = session.writers.get("default")?.sources.get("other")?.framesWritten as number;
    expect([await other.length(), await other.sealed()]).toEqual([written, true]);
    await expectFrames(other, new SimulatedCamera("other", { shape: [24, 32], blobs: 1, seed: 3 }));
  });

  it("ends the scan with the readings that came before, and the next run is a scan of its own", async () => {
    const session = await liveSession({ camera, probe: { use: fixture("BreakingThermometer") } });
    expect(await rejectionOf(session.run(count({ num: 10 })))).toMatchObject({ code: "TIMED_OUT" });
    const scan = await lastScan(session);
    expect([scan.stateName, scan.endReason]).toEqual(["CLOSED", "FAILURE"]);
    const readings = await scan.stream<NdArray>("probe").slice();
    expect([...readings.data]).toEqual([0, 1, 2]);
    const frames = session.writers.get("default")?.sources.get("camera")?.framesWritten as number;
    expect(await streamOf(scan, "camera").length()).toBe(frames);
    await rejectionOf(session.run(count({ num: 1 })));
    const next = await lastScan(session);
    expect([next.key === scan.key, next.stateName]).toEqual([false, "CLOSED"]);
  });
});

describe("A camera whose frames are dropped on the way", { timeout: 120_000 }, () => {
  it.each([["zarr"], ["tiff"], ["memory"]])(
    "has a stream with those that its store has, by their index: %s",
    async (use) => {
      const session = await liveSession({ camera: { use: fixture("DroppingCamera") } }, { use });
      const summary = await session.run(count({ num: 7 }));
      // Every third one never came to the store: 0, 1, 3, 4, 6, 7, 9.
      expect(summary.devices.camera).toMatchObject({ frames: 7, rejected: 3 });
      expect(summary.live).toMatchObject({ missing: 0, streams: { camera: { sent: 7, missing: 0 } } });
      const scan = await lastScan(session);
      expect([scan.endReason]).toEqual(["SUCCESS"]);
      const frames = streamOf(scan, "camera");
      const numbers = (await followed(frames)).map((frame) => frame.data[0]);
      expect(numbers).toEqual([0, 1, 3, 4, 6, 7, 9]);
      if (use !== "zarr") return;
      const stored = await arrayOf(summary, "camera");
      for (let i = 0; i < 7; i++) {
        const { data } = (await stored.read([i])) as NdArray;
        expect(data[0], `frame ${i} of the store`).toBe(numbers[i]);
      }
    },
  );
});

describe("A session that is interrupted", { timeout: 120_000 }, () => {
  beforeAll(requireBuild);

  it.each([
    ["SIGINT", "{use: zarr, shardBytes: 20000}"],
    ["SIGTERM", "{use: zarr, shardBytes: 8000, journal: never}"],
    ["SIGINT", "{use: tiff}"],
  ] as const)(
    "by %s closes its scan as aborted, and everything that was announced is there: %s",
    async (signal, writer) => {
      const folder = scratchFolder({
        "s.yaml": `
session: interrupted
live: live
storage: {basePath: data, writers: {default: ${writer}}}
devices:
  camera: {use: simulated-camera, shape: [24, 32], blobs: 1, seed: 3, frameRate: 200}
  stage: {use: simulated-stage}
plan: {use: count, num: 1000000}
`,
      });
      await using store = await openLive(join(folder, "live"));
      const running = start(["acquire", "s.yaml", "--json"], folder);
      let following: Promise<NdArray[]> | undefined;
      let found: Scan;
      try {
        const { key } = await store.nextScan({ since: "oldest", timeoutMs: 60_000 });
        found = await store.loadScan(key);
        await found.waitState(2, { timeoutMs: 60_000 });
        following = followed(streamOf(found, "camera"));
        await (await streamOf(found, "camera").cursor({ from: 3 })).read({ timeoutMs: 60_000 });
        running.child.kill(signal);
      } catch (error) {
        running.child.kill("SIGKILL");
        throw error;
      }
      const { code, output, errors } = await running.finished;
      expect(code, errors).toBe(130);
      const { devices, events, live } = JSON.parse(output);
      expect(live).toMatchObject({ key: found.key, missing: 0 });
      // Whoever followed got the last frame, and the end.
      const device = new SimulatedCamera("camera", { shape: [24, 32], blobs: 1, seed: 3 });
      const seen = await following;
      expect(seen).toHaveLength(devices.camera.frames);
      for (const [i, frame] of seen.entries()) {
        expect(arraysEqual(frame, device.preview(i)), `frame ${i}`).toBe(true);
      }
      const scan = await store.loadScan(found.key);
      expect([scan.stateName, scan.endReason]).toEqual(["CLOSED", "USER_ABORT"]);
      await expectFrames(streamOf(scan, "camera"), device);
      expect(await scan.stream("stage-x").length()).toBe(events);
    },
  );
});

/** All frames of the stream, read at once, are those of the camera. */
async function expectFrames(stream: Stream<NdArray, NdArray>, device: SimulatedCamera): Promise<void> {
  const all = await stream.slice();
  for (let i = 0; i < (all.shape[0] as number); i++) {
    expect(arraysEqual(sliceArray(all, [i]), device.preview(i)), `frame ${i} of ${stream.name}`).toBe(true);
  }
}
