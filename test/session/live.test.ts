import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { arraysEqual, type NdArray, StorageError } from "../../src/index.ts";
import { type DataStore, MemoryEngine, openLive, scanStates, validateScanInfo } from "../../src/live/index.ts";
import {
  count,
  LIVE,
  type Plan,
  type RunSummary,
  type Session,
  type SessionInput,
  type SimulatedCamera,
} from "../../src/session/index.ts";
import { hasRedis, type RedisServer, startRedis } from "../support/redis-server.ts";
import { rejectionOf } from "../support/rejection.ts";
import { deviceOf, open, temporaryFolder } from "./support.ts";

const camera = { use: "simulated-camera", shape: [24, 32], blobs: 2 } as const;

/** A session with live scans and one camera, in a folder of its own. */
async function liveSession(folder: string, more: Partial<SessionInput> = {}, options: Parameters<typeof open>[1] = {}) {
  const config = {
    live: "live",
    metadata: { operator: "Ada", sample: "PS 1" },
    storage: { basePath: "data" },
    devices: { camera, stage: { use: "simulated-stage" } },
    ...more,
  } as Partial<SessionInput>;
  return open(config, { baseDirectory: folder, ...options });
}

const storeOf = (session: Session) => session.live as DataStore;

/** The scan of a run, and what its streams have. */
async function contentsOf(store: DataStore, summary: RunSummary) {
  const scan = await store.loadScan(summary.live?.key as string);
  const frames = scan.stream<NdArray, NdArray>("camera");
  const x = scan.stream<NdArray, number>("stage-x");
  return { scan, frames, x };
}

/** The same for every engine. */
function sessionsOn(name: string, located: () => string | Promise<string>): void {
  describe(`A session with live scans on ${name}`, () => {
    it("makes every run a scan, with frames by reference and readings inside, and says which one it is", async () => {
      const folder = await temporaryFolder();
      const session = await liveSession(folder, { live: await located() });
      const summary = await session.run(count({ num: 4 }));
      expect(summary.live).toMatchObject({
        ...{ missing: 0, file: { path: join(dirname(summary.folder as string), "test.h5"), entry: "count_00000" } },
        streams: { camera: { sent: 4, missing: 0 }, "stage-x": { sent: 4 }, "timer:epoch": { sent: 4 } },
      });
      expect(summary.live?.error).toBeUndefined();
      const store = storeOf(session);
      const { scan, frames, x } = await contentsOf(store, summary);
      expect([scan.stateName, scan.endReason]).toEqual(["CLOSED", "SUCCESS"]);
      expect(scan.identity).toMatchObject({ name: "count", number: 0, session: "test", uid: summary.runUid });
      validateScanInfo(scan.info);
      expect(scan.info).toMatchObject({ user_name: "Ada", npoints: 4, devices: { camera: {}, stage: {} } });
      const device = deviceOf<SimulatedCamera>(session, "camera");
      for (const i of [0, 3]) expect(arraysEqual(await frames.at(i), device.preview(i))).toBe(true);
      expect(await frames.locate(1)).toMatchObject({ state: "here", tier: "array" });
      expect(await x.length()).toBe(4);
      expect([await frames.bounds(), await x.bounds()]).toMatchObject([{ durable: 4 }, { durable: 4 }]);
    });

    it("reads what retention has removed from the written store, as if nothing had happened", async () => {
      const session = await liveSession(await temporaryFolder(), { live: await located() });
      const summary = await session.run(count({ num: 4 }));
      const store = storeOf(session);
      const { scan, frames, x } = await contentsOf(store, summary);
      const before = await x.slice();
      for (const stream of scan.streamNames) await store.engine.trim(scan.stream(stream).key, 4);
      expect(await frames.locate(0)).toMatchObject({ state: "in file" });
      const device = deviceOf<SimulatedCamera>(session, "camera");
      expect(arraysEqual(await frames.at(2), device.preview(2))).toBe(true);
      expect(arraysEqual(await x.slice(), before)).toBe(true);
      expect((await scan.stream<NdArray>("timer:epoch").slice()).data[0]).toBeGreaterThan(1.7e9);
    });

    it("is followed while it runs", async () => {
      const session = await liveSession(await temporaryFolder(), { live: await located() });
      const store = storeOf(session);
      const next = store.nextScan();
      const running = session.run(count({ num: 20 }));
      const scan = await store.loadScan((await next).key);
      await scan.waitState(scanStates.PREPARED);
      const device = deviceOf<SimulatedCamera>(session, "camera");
      let index = 0;
      for await (const view of await scan.stream<NdArray, NdArray>("camera").cursor()) {
        for await (const frame of view) expect(arraysEqual(frame, device.preview(index++))).toBe(true);
      }
      expect(index).toBe(20);
      await running;
    });
  });
}

sessionsOn("files", () => "live");
sessionsOn("memory", () => "memory:");

describe.skipIf(!hasRedis)("Redis", () => {
  let server: RedisServer;
  let database = 0;
  beforeAll(async () => {
    server = await startRedis({ args: ["--requirepass", "secret"] });
    vi.stubEnv("REDISCLI_AUTH", "secret");
  }, 60_000);
  afterAll(async () => {
    vi.unstubAllEnvs();
    await server.stop();
  });
  sessionsOn("redis, with the password of the environment", () => server.url(database++));

  it("shows no password", async () => {
    const session = await liveSession(await temporaryFolder(), {
      live: { location: server.url(database++), prefix: "a:" },
    });
    const { live } = await session.run(count({ num: 1 }));
    expect(live?.location).toBe(server.url(database - 1));
    expect(JSON.stringify(live)).not.toContain("secret");
  });
});

describe("Live scans of a session", () => {
  it("reach devices by their token, and are closed after them", async () => {
    const folder = await temporaryFolder();
    writeFileSync(
      join(folder, "device.mjs"),
      `export class Follower {
        static inject = [Symbol.for("sluice.session.LIVE")];
        constructor(live) { this.live = live; }
        async close() { this.found = (await this.live.search()).keys.length; }
      }`,
    );
    const devices = { camera, follower: { use: "./device.mjs#Follower" } };
    const session = await liveSession(folder, { devices });
    await session.run(count({ num: 1 }));
    const follower = deviceOf<{ live: DataStore; found: number }>(session, "follower");
    expect([follower.live, session.get(LIVE)]).toEqual([session.live, session.live]);
    await session.close();
    expect(follower.found).toBe(1);
    await expect(follower.live.search()).rejects.toMatchObject({ code: "NOT_OPEN" });
    await expect(open({ devices }, { baseDirectory: folder })).rejects.toThrow(
      /asks at position 0 for the live scans.*add a live section/,
    );
  });

  it.each([
    ["Zarr in a named store", { use: "zarr", store: "archive", path: "frames" }],
    ["Zarr in a named store, a shard a frame", { use: "zarr", store: "archive", shard: "frame" }],
    ["a TIFF sequence", { use: "tiff" }],
    ["the memory of the writer", { use: "memory" }],
  ])("refer to frames where they are: %s", async (_, writer) => {
    const session = await liveSession(await temporaryFolder(), {
      backends: { other: { use: "memory" }, archive: { use: "memory" } },
      storage: { basePath: "data", writers: { default: writer } },
    });
    const summary = await session.run(count({ num: 3 }));
    const { frames, x, scan } = await contentsOf(storeOf(session), summary);
    const device = deviceOf<SimulatedCamera>(session, "camera");
    const all = await frames.slice();
    expect(all.shape).toEqual([3, 24, 32]);
    expect(arraysEqual(await frames.at(-1), device.preview(2))).toBe(true);
    // What is in the memory of this process alone is not safe anywhere.
    expect([(await frames.bounds()).durable, (await x.bounds()).durable]).toEqual([writer.use === "tiff" ? 3 : 0, 3]);
    expect(scan.info.data_writer).toBe("sluice");
  });

  it("say of a run that was aborted, and of one that failed, that it was", async () => {
    const session = await liveSession(await temporaryFolder());
    const stop = new AbortController();
    const summary = await session.run(count({ num: 1000 }), {
      signal: stop.signal,
      onProgress: ({ events }) => events === 3 && stop.abort(),
    });
    const failing = session.run(count({ num: 5 }), {
      onDocument: ([name]) => {
        if (name === "event") throw new Error("no tape");
      },
    });
    await expect(failing).rejects.toThrow("no tape");
    const plan: Plan = async (_, { onDocument }) => {
      onDocument?.(["start", { uid: "mine", time: 1, plan_name: "by hand" }]);
      return { runUid: "mine", exitStatus: "success", reason: "" } as RunSummary;
    };
    await session.run(plan);
    const store = storeOf(session);
    const scans = await Promise.all((await store.search()).keys.map((key) => store.loadScan(key)));
    expect(scans.map(({ endReason, identity }) => [endReason, identity.name])).toEqual([
      ["USER_ABORT", "count"],
      ["FAILURE", "count"],
      ["SUCCESS", "by hand"],
    ]);
    const frames = scans[0]?.stream("camera");
    expect(await frames?.length()).toBe(summary.devices.camera?.frames);
    expect(scans[2]?.identity).toMatchObject({ path: "test.h5", session: "test", number: 0 });
  });

  it("in memory are not those of another session; in one folder they are", async () => {
    const folder = await temporaryFolder();
    const [one, other] = [
      await liveSession(folder, { live: "memory:" }),
      await liveSession(folder, { live: "memory:" }),
    ];
    await one.run(count({ num: 1 }));
    expect((await storeOf(other).search()).keys).toEqual([]);
    const sessions = [await liveSession(folder), await liveSession(folder)] as const;
    const summaries = await Promise.all(sessions.map((session) => session.run(count({ num: 10 }))));
    const keys = summaries.map(({ live }) => live?.key);
    expect([...(await storeOf(sessions[0]).search()).keys].sort()).toEqual(keys.sort());
    for (const { live } of summaries) expect(live?.missing).toBe(0);
  });

  it("leave by the policy of the file, while the session is open", async () => {
    const retention = { intervalMs: 5, closedScanMs: 0, protectedMs: 0 };
    const session = await liveSession(await temporaryFolder(), { live: { location: "live", retention } });
    const { live } = await session.run(count({ num: 2 }));
    const store = storeOf(session);
    await expect.poll(() => store.states([live?.key as string]), { timeout: 30_000 }).toEqual([undefined]);
  });
});

describe("Live scans that fail", () => {
  it("refuse the session if they cannot be opened, unless they are not essential", async () => {
    const folder = await temporaryFolder();
    writeFileSync(join(folder, "live"), "");
    const error = await rejectionOf(liveSession(folder));
    expect(error).toMatchObject({ message: expect.stringMatching(/^live: /) });
    const told: StorageError[] = [];
    const options = { onLiveError: (error: StorageError) => told.push(error) };
    const session = await liveSession(folder, { live: { location: "live", essential: false } }, options);
    expect([told.length, session.live]).toEqual([1, undefined]);
    expect(await session.run(count({ num: 2 }))).toMatchObject({ exitStatus: "success", events: 2 });
  });

  it("on the way cost no frame: the run goes on, the report counts what readers lack", async () => {
    const told: StorageError[] = [];
    const options = { onLiveError: (error: StorageError) => told.push(error) };
    const session = await liveSession(await temporaryFolder(), { live: "memory:" }, options);
    const append = vi.spyOn(MemoryEngine.prototype, "append");
    append.mockRejectedValue(new StorageError("UNEXPECTED", "the cable is out"));
    try {
      const summary = await session.run(count({ num: 5 }));
      expect(summary).toMatchObject({ exitStatus: "success", devices: { camera: { frames: 5, rejected: 0 } } });
      expect(summary.live).toMatchObject({ missing: 20, error: { code: "UNEXPECTED", message: "the cable is out" } });
      expect(told.map(({ message }) => message)).toEqual(["the cable is out"]);
    } finally {
      append.mockRestore();
    }
    const next = await session.run(count({ num: 2 }));
    expect(next.live).toMatchObject({ missing: 0 });
  });

  it("never keep the frames waiting: an engine that does not answer is left behind", async () => {
    const live = { location: "memory:", patienceMs: 20 };
    const session = await liveSession(await temporaryFolder(), { live }, { onLiveError: () => {} });
    const append = vi.spyOn(MemoryEngine.prototype, "append").mockReturnValue(new Promise(() => {}));
    try {
      const summary = await session.run(count({ num: 5 }));
      expect(summary).toMatchObject({ exitStatus: "success", devices: { camera: { frames: 5 } } });
      expect(summary.live).toMatchObject({ missing: 20, error: { code: "TIMED_OUT" } });
    } finally {
      append.mockRestore();
    }
  });
});

it("another reader of the folder needs nothing of the session", async () => {
  const folder = await temporaryFolder();
  const session = await liveSession(folder);
  const summary = await session.run(count({ num: 3 }));
  await session.close();
  await using store = await openLive(join(folder, "live"));
  const { scan, frames, x } = await contentsOf(store, summary);
  expect((await frames.slice()).shape).toEqual([3, 24, 32]);
  // Also where points have left.
  const before = await x.slice();
  for (const name of scan.streamNames) await store.engine.trim(scan.stream(name).key, 3);
  const again = await contentsOf(store, summary);
  expect((await again.frames.slice()).shape).toEqual([3, 24, 32]);
  expect(arraysEqual(await again.x.slice(), before)).toBe(true);
});
