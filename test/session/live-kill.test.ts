/** `sluice acquire` with live scans, killed in the middle: what a reader was told of is there. */
import { randomInt } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { arraysEqual, type NdArray, sliceArray } from "../../src/index.ts";
import { type DataStore, openLive, type Scan } from "../../src/live/index.ts";
import { SimulatedCamera } from "../../src/session/index.ts";
import { scratchFolder, sluice, start } from "../cli/command.ts";
import { requireBuild } from "../support/built.ts";
import { hasRedis, type RedisServer, startRedis } from "../support/redis-server.ts";

/** Sessions that are killed, for each engine. */
const TRIALS = Number(process.env.SLUICE_KILL_TRIALS ?? 1);

/** Frames that a reader has seen when the session is killed. */
const MOST_FRAMES = 60;

/** What each camera takes: they share a writer, and their shards are full at different times. */
const expected = {
  camera: new SimulatedCamera("camera", { shape: [24, 32], blobs: 1, seed: 3 }),
  other: new SimulatedCamera("other", { shape: [20, 16], blobs: 1, seed: 4 }),
};

/** Writers that announce frames at different times. */
const writers = [
  "{use: zarr, shardBytes: 20000}",
  "{use: zarr, durability: none}",
  "{use: zarr, shardBytes: 20000, codec: blosc-zstd, durability: none}",
  "{use: zarr, shardBytes: 8000, journal: never, durability: none}",
  "{use: zarr, shard: frame, codec: blosc-zstd, durability: none}",
  "{use: tiff}",
];

function sessionFile(live: string, writer: string, backends = "{}"): string {
  return `
session: killed
live: ${live}
backends: ${backends}
storage: {basePath: data, writers: {default: ${writer}}}
devices:
  camera: {use: simulated-camera, shape: [24, 32], blobs: 1, seed: 3, frameRate: 200}
  other: {use: simulated-camera, shape: [20, 16], blobs: 1, seed: 4, frameRate: 200}
  stage: {use: simulated-stage}
plan: {use: count, num: 1000000}
`;
}

/** Every frame that the streams have, compared with what the cameras took. */
async function checkFrames(scan: Scan): Promise<number[]> {
  const lengths: number[] = [];
  for (const [name, device] of Object.entries(expected)) {
    const stream = scan.stream<NdArray, NdArray>(name);
    const length = await stream.length();
    lengths.push(length);
    if (length === 0) continue;
    const frames = await stream.slice(0, length);
    expect(frames.shape[0]).toBe(length);
    for (let i = 0; i < length; i++) {
      const frame = sliceArray(frames, [i]);
      expect(arraysEqual(frame, device.preview(i)), `frame ${i} of ${length} of ${name}`).toBe(true);
    }
    expect(arraysEqual(await stream.at(length - 1), device.preview(length - 1))).toBe(true);
  }
  expect(lengths[0]).toBeGreaterThan(0);
  return lengths;
}

async function killed(
  folder: string,
  location: string,
  writer: string,
  leaseMs = 60_000,
): Promise<{ scan: Scan; store: DataStore }> {
  writeFileSync(join(folder, "s.yaml"), sessionFile(`{location: "${location}", leaseMs: ${leaseMs}}`, writer));
  const store = await openLive(location === "live" ? join(folder, "live") : location, { lostWritersMs: 100 });
  const { tag } = await store.engine.lastScan();
  const running = start(["acquire", "s.yaml"], folder);
  try {
    const { key } = await store.nextScan({ since: tag, timeoutMs: 60_000 });
    const scan = await store.loadScan(key);
    await scan.waitState(2, { timeoutMs: 60_000 });
    const seen = randomInt(1, MOST_FRAMES);
    const cursor = await scan.stream<NdArray, NdArray>("camera").cursor();
    let index = 0;
    while (index < seen) {
      const view = await cursor.read({ timeoutMs: 60_000 });
      for await (const frame of view ?? []) {
        expect(arraysEqual(frame, expected.camera.preview(index)), `frame ${index}, live`).toBe(true);
        index++;
      }
    }
    // Frames are announced before their event is.
    await (await scan.stream("stage-x").cursor()).read({ timeoutMs: 60_000 });
    return { scan, store };
  } finally {
    running.child.kill("SIGKILL");
    await running.finished;
  }
}

function killsOn(name: string, located: () => string): void {
  it(
    `on ${name} leaves every frame that was announced readable, in ${TRIALS} trials of each writer`,
    async () => {
      for (const writer of Array.from({ length: TRIALS }, () => writers).flat()) {
        const folder = scratchFolder();
        const { scan, store } = await killed(folder, located(), writer);
        try {
          const lengths = await checkFrames(scan);
          expect(await scan.stream("stage-x").length()).toBeGreaterThan(0);
          // What is finished afterwards is still the same.
          if (!writer.includes("tiff")) {
            const recovered = await sluice(["recover", "data", "--finish"], folder);
            expect(recovered.code, recovered.errors).toBe(0);
            expect(await checkFrames(scan)).toEqual(lengths);
          }
        } finally {
          await store[Symbol.asyncDispose]();
        }
      }
    },
    TRIALS * 300_000,
  );
}

describe("A session that is killed", () => {
  beforeAll(requireBuild);
  killsOn("files", () => "live");

  it("has a scan that ends as LOST once its lease has run out", async () => {
    const { scan, store } = await killed(scratchFolder(), "live", "{use: zarr}", 5000);
    expect(await scan.waitState(4, { timeoutMs: 120_000 })).toBe(true);
    expect([scan.endReason, await scan.stream("camera").sealed()]).toEqual(["LOST", true]);
    await store[Symbol.asyncDispose]();
  }, 300_000);
});

describe.skipIf(!hasRedis)("A session that is killed", () => {
  let server: RedisServer;
  let database = 0;
  beforeAll(async () => {
    server = await startRedis();
  }, 60_000);
  afterAll(() => server.stop());
  killsOn("redis", () => server.url(database++));
});
