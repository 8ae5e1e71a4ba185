// What it costs a writer that its frames and readings are live: `node bench/live-session.mjs`. Starts a redis-server of its
// own. Each run writes frames to a Zarr store on disk, with a reading and its document beside each, once without anybody
// being told, once as a live scan in files, in redis and in memory; beside them, each frame and reading sent to a plain
// stream of Redis, which is how it is done without references. Time counts until frames, documents and scan are complete;
// a second table has the time of processors that this process takes, which a busy machine changes less.
// ROUNDS=3 does less.
import { loadavg } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { createClient } from "redis";
import { DocumentFile, RunDocuments } from "../dist/src/acquire/index.js";
import { BackendSet, createRegistry } from "../dist/src/index.js";
import { openLive, ScanRecorder } from "../dist/src/live/index.js";
import { noiseFrames } from "./support/frames.mjs";
import { interleave, median, printRows } from "./support/interleave.mjs";
import { startRedis } from "./support/redis.mjs";

const rounds = Number(process.env.ROUNDS ?? 7);
const server = await startRedis();
const bare = await createClient({ url: server.url }).connect();
const number = { source: "bench", dtype: "number", shape: [], object_name: "stage" };

/** One run. `tell` gets each frame with its reading; `record` each document; `end` is waited for. */
async function run(directory, frames, count, hasReadings, { writers, record, tell, end }) {
  const backends = new BackendSet(createRegistry(), {});
  const uri = pathToFileURL(join(directory, "run.zarr")).href;
  const writer = await backends.openWriter({ use: "zarr", uri, durability: "none" }, { instance: "bench" });
  writers?.push(writer);
  const file = new DocumentFile(join(directory, "documents.jsonl"));
  const documents = new RunDocuments(async (document) => {
    await file.append(document);
    record?.(document);
  });
  const start = performance.now();
  const cpu = process.cpuUsage();
  await documents.start({ plan_name: "bench" });
  writer.updateSource("camera", frames[0].dtype, frames[0].shape);
  const sink = await writer.prepare("camera");
  await writer.kickoff();
  const keys = await writer.open("camera");
  await documents.describe({ dataKeys: hasReadings ? { ...keys, x: number } : keys });
  for (let i = 0; i < count; i++) {
    const frame = frames[i % frames.length];
    await sink.write(frame);
    if (hasReadings) await documents.event("primary", { x: { value: i, timestamp: i } });
    await tell?.(frame, i);
  }
  await sink.close();
  await documents.assets("primary", writer.collectStreamDocs("camera", count));
  await documents.stop("success");
  await file.close();
  await end?.();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await backends.close();
  if (writer.getIndicesWritten("camera") !== count) throw new Error("Frames are missing");
  return { amount: count, seconds, cpu: (user + system) / count };
}

function live(frames, count, hasReadings, locate) {
  return async (directory) => {
    const store = await openLive(locate(directory));
    const writers = [];
    const recorder = new ScanRecorder(store, { writers: () => writers });
    const end = async () => {
      const { missing, error } = await recorder.endRun({ documentsAreDurable: true, timeoutMs: 60_000 });
      if (missing > 0 || error !== undefined) throw new Error("Readers lack points", { cause: error });
    };
    const record = (document) => recorder.record(document);
    try {
      return await run(directory, frames, count, hasReadings, { writers, record, end });
    } finally {
      await recorder.close();
      await store[Symbol.asyncDispose]();
    }
  };
}

/** The frame itself, and the reading, in one entry of a stream that keeps the newest. */
function inside(frames, count, hasReadings) {
  return async (directory) => {
    const waiting = [];
    const TRIM = { strategy: "MAXLEN", strategyModifier: "~", threshold: 256 };
    const tell = async ({ data }, i) => {
      const frame = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
      waiting.push(bare.xAdd("frames", "*", { frame, x: String(i) }, { TRIM }));
      // As many bytes on their way as sessions let wait.
      if (waiting.length * data.byteLength > 64 * 2 ** 20) await waiting.shift();
    };
    const end = async () => {
      await Promise.all(waiting);
      await bare.del("frames");
    };
    return await run(directory, frames, count, hasReadings, { tell, end });
  };
}

const scenarios = [
  ["512×512 uint16, a reading and its document for each frame", [512, 512], 1500, true],
  ["512×512 uint16, frames alone", [512, 512], 1500, false],
  ["64×64 uint16, a reading and its document for each frame", [64, 64], 15_000, true],
  ["64×64 uint16, frames alone", [64, 64], 50_000, false],
];
try {
  console.log(`Load ${loadavg()[0].toFixed(1)}`);
  for (const [title, shape, count, hasReadings] of scenarios) {
    const frames = noiseFrames(16, shape);
    const about = [frames, count, hasReadings];
    const candidates = [
      { name: "live: off", run: (directory) => run(directory, ...about, {}) },
      { name: "live: files", run: live(...about, (directory) => join(directory, "live")) },
      { name: "live: redis", run: live(...about, () => server.url) },
      { name: "live: memory", run: live(...about, () => "memory:") },
      { name: "plain streams of Redis, frames inside", run: inside(...about) },
    ];
    const cpu = new Map(candidates.map(({ name }) => [name, []]));
    const noted = candidates.map(({ name, run: measure }) => ({
      name,
      run: async (directory) => {
        const done = await measure(directory);
        cpu.get(name).push(done.cpu);
        return done;
      },
    }));
    await interleave(title, noted, { rounds, unit: "frames/s" });
    const [reference] = cpu.values();
    const rows = [...cpu].map(([name, values]) => {
      const ratio = median(values.map((value, round) => value / reference[round]));
      return { name, median: median(values), least: Math.min(...values), most: Math.max(...values), ratio };
    });
    printRows("time of processors for a frame", rows, "µs");
    console.log(`  load ${loadavg()[0].toFixed(1)}`);
  }
} finally {
  bare.destroy();
  await server.stop();
}
