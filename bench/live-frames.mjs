// Frames of 8 MiB to 1, 4 and 10 readers, inside their events and by reference: `node bench/live-frames.mjs`. Starts a
// redis-server of its own. ROUNDS=1 does less. Readers are in a process of their own, but for the memory engine; each
// decodes every frame. Then a slice of 100 frames by reference beside the same part of the Zarr array.
import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { BackendSet, createRegistry, ndArray } from "../dist/src/index.js";
import { DataStore, frameReader, MemoryEngine, openBlobTier, openLive } from "../dist/src/live/index.js";
import { median, shuffled } from "./support/interleave.mjs";

const SHAPE = [2048, 2048];
const FRAMES = 16;
const rounds = Number(process.env.ROUNDS ?? 3);

const frame = (value) => ndArray(new Uint16Array(SHAPE[0] * SHAPE[1]).fill(value), SHAPE);

/** Follows a stream with several cursors, and checks each frame. */
async function follow(store, key, readers, onReady) {
  const cursors = await Promise.all(
    Array.from({ length: readers }, async () => (await store.loadScan(key)).stream("camera").cursor()),
  );
  const all = Promise.all(
    cursors.map(async (cursor) => {
      for (let seen = 0; seen < FRAMES; ) {
        const view = await cursor.read({ maxItems: 4 });
        const { data } = await view.data();
        if (data[0] !== seen || data[data.length - 1] !== seen + view.length - 1) throw new Error("Another frame");
        seen += view.length;
      }
    }),
  );
  onReady();
  await all;
}

async function reader() {
  const [{ location, key, readers }] = await once(process, "message");
  const store = await openLive(location);
  await follow(store, key, readers, () => process.send("ready"));
  process.send("done");
  await store[Symbol.asyncDispose]();
  process.disconnect();
}

/** Frames per second that each reader gets. */
async function deliver(location, isByReference, readers, directory) {
  const store = await openLive(location === "folder" ? join(directory, "live") : location);
  const blobs = isByReference ? await openBlobTier({ root: join(directory, "blobs") }) : undefined;
  const scan = await store.createScan({ name: "bench" });
  const camera = await scan.createStream("camera", { type: "frames", dtype: "uint16", shape: SHAPE }, { blobs });
  await scan.prepare();
  await scan.start();
  const frames = Array.from({ length: FRAMES }, (_, i) => frame(i));
  let done;
  if (location === "memory:") {
    await new Promise((ready) => (done = follow(store, scan.key, readers, ready)));
  } else {
    const child = fork(fileURLToPath(import.meta.url), ["reader"]);
    child.send({ location: location === "folder" ? join(directory, "live") : location, key: scan.key, readers });
    await once(child, "message");
    done = once(child, "message");
  }
  const start = performance.now();
  for (const one of frames) await camera.send(one);
  await done;
  const seconds = (performance.now() - start) / 1000;
  await scan.close();
  await store.deleteScan(scan.key);
  await store[Symbol.asyncDispose]();
  await blobs?.[Symbol.asyncDispose]();
  return FRAMES / seconds;
}

async function startRedis() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  const server = spawn("redis-server", ["--port", String(port), "--save", "", "--appendonly", "no"], {
    stdio: "ignore",
  });
  await sleep(500);
  return { url: `redis://127.0.0.1:${port}`, stop: () => server.kill() };
}

async function deliveries() {
  const redis = await startRedis();
  const places = { redis: redis.url, folder: "folder", memory: "memory:" };
  for (const readers of [1, 4, 10]) {
    const rates = new Map();
    for (let round = 0; round < rounds; round++) {
      for (const [place, isByReference] of shuffled(
        Object.keys(places).flatMap((name) => [false, true].map((reference) => [name, reference])),
      )) {
        const directory = mkdtempSync(join(tmpdir(), "sluice-bench-"));
        try {
          const rate = await deliver(places[place], isByReference, readers, directory);
          const key = `${place} ${isByReference ? "by reference" : "inside"}`;
          rates.set(key, [...(rates.get(key) ?? []), rate]);
        } finally {
          rmSync(directory, { recursive: true, force: true });
        }
      }
    }
    console.log(`\n8 MiB frames, ${readers} readers, frames/s for each (load ${loadavg()[0].toFixed(1)})`);
    for (const place of Object.keys(places)) {
      const [inside, reference] = ["inside", "by reference"].map((how) => rates.get(`${place} ${how}`));
      const ratio = median(reference.map((rate, i) => rate / inside[i]));
      console.log(
        `${place.padEnd(8)} inside ${median(inside).toFixed(1)}  by reference ${median(reference).toFixed(1)}  ×${ratio.toFixed(2)}`,
      );
    }
  }
  redis.stop();
}

/** A slice of 100 frames of an array: by references, and straight from the backend. */
async function slices() {
  const root = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  const uri = pathToFileURL(join(root, "run.zarr")).href;
  const backends = new BackendSet(createRegistry(), { direct: { use: "zarr", uri } });
  const shape = [1024, 1024];
  const writer = await backends.openWriter({ use: "zarr", uri });
  writer.updateSource("cam", "uint16", shape);
  const sink = await writer.prepare("cam");
  await writer.kickoff();
  const store = new DataStore(new MemoryEngine(), { readFrames: frameReader(backends) });
  const scan = await store.createScan({ name: "bench" });
  const camera = await scan.createStream("camera", { type: "frames", dtype: "uint16", shape });
  await scan.prepare();
  for (let index = 0; index < 120; index++) {
    await sink.write(ndArray(new Uint16Array(2 ** 20).fill(index), shape));
    await camera.send([{ kind: "array", uri: writer.storeUri, path: "cam", index }]);
  }
  const stream = (await store.loadScan(scan.key)).stream("camera");
  for await (const announced of writer.observeIndicesWritten({ name: "cam" })) if (announced >= 120) break;
  const open = [];
  for (let round = 0; round < rounds * 2; round++) open.push(await secondsOf(() => stream.slice(10, 110)));
  await writer.close();
  const direct = await backends.get("direct");
  const candidates = {
    reference: () => stream.slice(10, 110),
    direct: () => direct.readRegion("cam", [[10, 110]]),
  };
  const took = { reference: [], direct: [] };
  for (let round = 0; round < rounds * 2; round++) {
    for (const name of shuffled(Object.keys(candidates))) took[name].push(await secondsOf(candidates[name]));
  }
  const ratio = median(took.reference.map((seconds, i) => seconds / took.direct[i]));
  console.log(`\nA slice of 100 frames of 2 MiB (load ${loadavg()[0].toFixed(1)})`);
  console.log(
    `by reference ${(median(took.reference) * 1000).toFixed(0)} ms, the array itself ${(median(took.direct) * 1000).toFixed(0)} ms: ×${ratio.toFixed(2)}; ` +
      `by reference while the shard is open ${(median(open) * 1000).toFixed(0)} ms`,
  );
  await backends.close();
  rmSync(root, { recursive: true, force: true });
}

async function secondsOf(run) {
  const start = performance.now();
  await run();
  return (performance.now() - start) / 1000;
}

if (process.argv[2] === "reader") await reader();
else {
  await slices();
  await deliveries();
}
