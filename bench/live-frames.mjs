// Frames of 8 MiB to 1, 4 and 10 readers, inside their events and by reference: `node bench/live-frames.mjs`. Starts a
// redis-server of its own. Beside them: plain streams of Redis with the frame inside, and blissdata's own client. ROUNDS=1
// does less. "shared": by reference, and read once for all readers of the process. Readers are in a process of their own, but for the memory engine; each
// decodes every frame. Then a slice of 100 frames by reference beside the same part of the Zarr array.
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { createClient, RESP_TYPES } from "redis";
import { BackendSet, createRegistry, ndArray } from "../dist/src/index.js";
import { DataStore, frameReader, MemoryEngine, openBlobTier, openLive, sharedFrames } from "../dist/src/live/index.js";
import { median, shuffled } from "./support/interleave.mjs";
import { runBlissdata, startRedis } from "./support/redis.mjs";

const SHAPE = [2048, 2048];
const FRAME_BYTES = 8 * 2 ** 20;
const FRAMES = 48;
const rounds = Number(process.env.ROUNDS ?? 3);

const frame = (value) => ndArray(new Uint16Array(SHAPE[0] * SHAPE[1]).fill(value), SHAPE);

/** Where in a frame the moment stands at which it was sent. */
const CLOCK_AT = 8;

function stamp(one) {
  new DataView(one.data.buffer).setBigUint64(CLOCK_AT, process.hrtime.bigint(), true);
}

const timesOf = () => {
  const tookMs = [];
  return {
    saw: (bytes, at) =>
      tookMs.push(
        Number(
          process.hrtime.bigint() - new DataView(bytes.buffer, bytes.byteOffset + at).getBigUint64(CLOCK_AT, true),
        ) / 1e6,
      ),
    answer: () => {
      tookMs.sort((a, b) => a - b);
      const part = (share) => tookMs[Math.floor((tookMs.length - 1) * share)];
      return { p50: part(0.5), p99: part(0.99) };
    },
  };
};

/** Follows a stream with several cursors, and checks each frame. Answers how long they took. */
async function follow(store, key, readers, onReady) {
  const times = timesOf();
  const cursors = await Promise.all(
    Array.from({ length: readers }, async () => (await store.loadScan(key)).stream("camera").cursor()),
  );
  const all = Promise.all(
    cursors.map(async (cursor) => {
      for (let seen = 0; seen < FRAMES; ) {
        const view = await cursor.read({ maxItems: 1 });
        const { data } = await view.data();
        if (data[0] !== seen || data[data.length - 1] !== seen + view.length - 1) throw new Error("Another frame");
        for (let i = 0; i < view.length; i++) times.saw(data, i * FRAME_BYTES);
        seen += view.length;
      }
    }),
  );
  onReady();
  await all;
  return times.answer();
}

/** The same with the package redis alone. */
async function followBare(url, stream, readers, onReady) {
  const times = timesOf();
  const clients = await Promise.all(
    Array.from({ length: readers }, () =>
      createClient({ url, RESP: 2 })
        .withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
        .connect(),
    ),
  );
  const all = Promise.all(
    clients.map(async (client) => {
      let id = "0-0";
      for (let seen = 0; seen < FRAMES; ) {
        const reply = await client.sendCommand(["XREAD", "COUNT", "1", "BLOCK", "0", "STREAMS", stream, id]);
        for (const [entryId, [, payload]] of reply[0][1]) {
          id = String(entryId);
          times.saw(payload, 0);
          if (payload.readUInt16LE(0) !== seen++) throw new Error("Another frame");
        }
      }
      client.destroy();
    }),
  );
  onReady();
  await all;
  return times.answer();
}

async function openStore(location, isShared) {
  const readFrames = isShared ? sharedFrames(frameReader()) : undefined;
  return await openLive(location, readFrames && { readFrames });
}

async function reader() {
  const [{ location, key, readers, isShared }] = await once(process, "message");
  const onReady = () => process.send("ready");
  if (key.startsWith("bare:")) process.send(await followBare(location, key, readers, onReady));
  else {
    const store = await openStore(location, isShared);
    process.send(await follow(store, key, readers, onReady));
    await store[Symbol.asyncDispose]();
  }
  process.disconnect();
}

/** Frames in the entries of a plain Redis stream. */
async function deliverBare(url, readers) {
  const client = await createClient({ url, RESP: 2 }).connect();
  const key = `bare:${crypto.randomUUID()}`;
  const frames = Array.from({ length: FRAMES }, (_, i) => frame(i));
  const child = fork(fileURLToPath(import.meta.url), ["reader"]);
  child.send({ location: url, key, readers });
  await once(child, "message");
  const done = once(child, "message");
  const start = performance.now();
  for (const [i, one] of frames.entries()) {
    stamp(one);
    await client.sendCommand(["XADD", key, `${i}-1`, "payload", Buffer.from(one.data.buffer)]);
  }
  const [times] = await done;
  const seconds = (performance.now() - start) / 1000;
  await client.del(key);
  client.destroy();
  return { rate: FRAMES / seconds, ...times };
}

/** Frames per second that each reader gets, and how long they take. */
async function deliver(location, how, readers, directory) {
  const isShared = how === "shared";
  const store = await openStore(location === "folder" ? join(directory, "live") : location, isShared);
  const blobs = how !== "inside" ? await openBlobTier({ root: join(directory, "blobs") }) : undefined;
  const scan = await store.createScan({ name: "bench" });
  const camera = await scan.createStream("camera", { type: "frames", dtype: "uint16", shape: SHAPE }, { blobs });
  await scan.prepare();
  await scan.start();
  const frames = Array.from({ length: FRAMES }, (_, i) => frame(i));
  let done;
  if (location === "memory:") {
    await new Promise((ready) => (done = follow(store, scan.key, readers, ready).then((times) => [times])));
  } else {
    const child = fork(fileURLToPath(import.meta.url), ["reader"]);
    child.send({
      location: location === "folder" ? join(directory, "live") : location,
      key: scan.key,
      readers,
      isShared,
    });
    await once(child, "message");
    done = once(child, "message");
  }
  const start = performance.now();
  for (const one of frames) {
    stamp(one);
    await camera.send(one);
  }
  const [times] = await done;
  const seconds = (performance.now() - start) / 1000;
  await scan.close();
  await store.deleteScan(scan.key);
  await store[Symbol.asyncDispose]();
  await blobs?.[Symbol.asyncDispose]();
  return { rate: FRAMES / seconds, ...times };
}

async function deliveries() {
  const redis = await startRedis();
  const stack = await startRedis({ isStack: true });
  const places = { redis: redis.url, folder: "folder", memory: "memory:" };
  const inDirectory = async (run) => {
    const directory = mkdtempSync(join(tmpdir(), "sluice-bench-"));
    try {
      return await run(directory);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  };
  const peer = "XADD and XREAD alone";
  for (const readers of [1, 4, 10]) {
    const candidates = { [peer]: () => deliverBare(redis.url, readers) };
    if (stack !== undefined) {
      const how = { readers, bytes: FRAME_BYTES, count: FRAMES };
      candidates["blissdata in Python"] = () =>
        runBlissdata(stack.url, how).then(({ read, ...times }) => ({ ...times, rate: read }));
    }
    for (const [place, location] of Object.entries(places)) {
      for (const how of ["inside", "by reference", "shared"]) {
        candidates[`${place}, ${how}`] = () => inDirectory((directory) => deliver(location, how, readers, directory));
      }
    }
    const results = new Map(Object.keys(candidates).map((name) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const [name, run] of shuffled(Object.entries(candidates))) results.get(name).push(await run());
    }
    console.log(`\n8 MiB frames, ${readers} readers, each of which gets them all (load ${loadavg()[0].toFixed(1)})`);
    for (const [name, list] of results) {
      const of = (what) =>
        median(list.map((result) => result[what]))
          .toFixed(1)
          .padStart(6);
      const ratio = median(list.map(({ rate }, i) => rate / results.get(peer)[i].rate)).toFixed(2);
      console.log(`${name.padEnd(22)} ${of("rate")} frames/s (× ${ratio})  p50 ${of("p50")} ms  p99 ${of("p99")} ms`);
    }
  }
  await redis.stop();
  await stack?.stop();
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
