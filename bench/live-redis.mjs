// Live streams in Redis beside the bare client: `node bench/live-redis.mjs`. Starts a redis-server of its own.
// Readers are in a process of their own: 1, 4 and 10 of them, each of which gets every event. ROUNDS=1 does less.
// "bare" is XADD and XREAD of the package redis, "engine" the live engine, "stream" the whole path: a stream writer that
// encodes, and cursors whose views are decoded; "python" is blissdata's own client, on a server with the modules it needs.
import { fork } from "node:child_process";
import { once } from "node:events";
import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createClient, RESP_TYPES } from "redis";
import { openRedisEngine } from "../dist/src/live/engines/redis/index.js";
import { DataStore } from "../dist/src/live/index.js";
import { median, shuffled } from "./support/interleave.mjs";
import { runBlissdata, startRedis } from "./support/redis.mjs";

const EVENT_BYTES = 200;
/** Events sent and not acknowledged. */
const WINDOW = 500;
/** As many are enough for Python. */
const PYTHON_EVENTS = 10_000;

async function bareReader(url, stream, onEvent) {
  const client = createClient({ url, RESP: 2 }).withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  await client.connect();
  let id = "0-0";
  const read = async (count) => {
    for (let seen = 0; seen < count; ) {
      const reply = await client.sendCommand(["XREAD", "COUNT", "128", "BLOCK", "0", "STREAMS", stream, id]);
      for (const [entryId, [, payload]] of reply[0][1]) {
        id = String(entryId);
        seen++;
        onEvent(payload);
      }
    }
    client.destroy();
  };
  return read;
}

async function engineReader(engine, stream, onEvent) {
  return async (count) => {
    for (let next = 0; next < count; ) {
      const { entries } = (await engine.wait(new Map([[stream, next]]))).get(stream);
      for (const { index, payload } of entries) {
        next = index + 1;
        onEvent(payload);
      }
    }
  };
}

async function streamReader(store, scan, onEvent) {
  const cursor = await (await store.loadScan(scan)).stream("events").cursor();
  return async (count) => {
    for (let seen = 0; seen < count; ) {
      const { data, shape } = await (await cursor.read()).data();
      const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
      for (let i = 0; i < shape[0]; i++) onEvent(bytes.subarray(i * EVENT_BYTES, (i + 1) * EVENT_BYTES));
      seen += shape[0];
    }
  };
}

/** The other process: reads, and answers how long each event took. */
async function readers({ kind, url, stream, scan, readers: number, count }) {
  const tookMs = [];
  const onEvent = (payload) => tookMs.push(Number(process.hrtime.bigint() - payload.readBigUInt64LE(0)) / 1e6);
  const engine = kind === "bare" ? undefined : await openRedisEngine({ url });
  const store = kind === "stream" ? new DataStore(engine) : undefined;
  const open = {
    bare: () => bareReader(url, stream, onEvent),
    engine: () => engineReader(engine, stream, onEvent),
    stream: () => streamReader(store, scan, onEvent),
  };
  const all = await Promise.all(Array.from({ length: number }, open[kind]));
  const reading = Promise.all(all.map((read) => read(count)));
  process.send("ready");
  await reading;
  const end = process.hrtime.bigint();
  tookMs.sort((a, b) => a - b);
  const at = (part) => tookMs[Math.floor((tookMs.length - 1) * part)];
  await engine?.[Symbol.asyncDispose]();
  process.send({ end: String(end), p50: at(0.5), p99: at(0.99) });
  process.disconnect();
}

function event() {
  const payload = Buffer.alloc(EVENT_BYTES, 7);
  payload.writeBigUInt64LE(process.hrtime.bigint());
  return payload;
}

/** What appends: answers a function that takes an index and a payload. */
async function writer(kind, url, stream) {
  if (kind === "engine") {
    const engine = await openRedisEngine({ url });
    return {
      append: (index, payload) => engine.append(stream, [{ index, length: 1, payload }]),
      close: () => engine[Symbol.asyncDispose](),
    };
  }
  if (kind === "stream") {
    const store = new DataStore(await openRedisEngine({ url }));
    const scan = await store.createScan({ name: "bench" });
    const events = await scan.createStream("events", { dtype: "uint8", shape: [EVENT_BYTES] });
    await scan.prepare();
    await scan.start();
    const close = async () => {
      await scan.close();
      await store[Symbol.asyncDispose]();
    };
    return { scan: scan.key, append: (_index, payload) => events.send(payload), close };
  }
  const client = createClient({ url, RESP: 2 });
  await client.connect();
  return {
    append: (index, payload) => client.sendCommand(["XADD", stream, `${index}-1`, "payload", payload]),
    close: async () => client.destroy(),
  };
}

async function run(kind, url, { readers: number, count, window, perSecond }) {
  const stream = `bench:${crypto.randomUUID()}`;
  const { append, close, scan } = await writer(kind, url, stream);
  const child = fork(fileURLToPath(import.meta.url), ["reader"]);
  child.send({ kind, url, stream, scan, readers: number, count });
  await once(child, "message");
  const done = once(child, "message");
  const start = process.hrtime.bigint();
  const waiting = [];
  for (let index = 0; index < count; index++) {
    const dueMs =
      perSecond === undefined ? 0 : (index * 1000) / perSecond - Number(process.hrtime.bigint() - start) / 1e6;
    if (dueMs >= 1) await sleep(dueMs);
    waiting.push(append(index, event()));
    if (waiting.length >= window) await waiting.shift();
  }
  await Promise.all(waiting);
  const written = process.hrtime.bigint();
  const [{ end, p50, p99 }] = await done;
  await close();
  const rate = (until) => count / (Number(until - start) / 1e9);
  return { written: rate(written), read: rate(BigInt(end)), p50, p99 };
}

async function main() {
  const rounds = Number(process.env.ROUNDS ?? 5);
  const redis = await startRedis();
  const stack = await startRedis({ isStack: true });
  const cases = [
    { title: `${WINDOW} events of ${EVENT_BYTES} B under way`, window: WINDOW, count: rounds === 1 ? 10_000 : 50_000 },
    { title: `one event of ${EVENT_BYTES} B at a time`, window: 1, count: rounds === 1 ? 1_000 : 5_000 },
    {
      title: `1000 events of ${EVENT_BYTES} B per second`,
      window: WINDOW,
      perSecond: 1000,
      count: rounds === 1 ? 1_000 : 3_000,
    },
  ];
  for (const { title, ...how } of cases) {
    console.log(`\n--- ${title}; load ${loadavg()[0].toFixed(1)}`);
    for (const number of [1, 4, 10]) {
      const results = { bare: [], engine: [], stream: [], ...(stack && how.window > 1 && { python: [] }) };
      for (let round = 0; round < rounds; round++) {
        for (const kind of shuffled(Object.keys(results))) {
          const isPython = kind === "python";
          const { count } = how;
          results[kind].push(
            isPython
              ? await runBlissdata(stack.url, {
                  ...how,
                  readers: number,
                  bytes: EVENT_BYTES,
                  count: Math.min(count, PYTHON_EVENTS),
                })
              : await run(kind, redis.url, { readers: number, ...how }),
          );
        }
      }
      for (const [kind, list] of Object.entries(results)) {
        const of = (name) => median(list.map((result) => result[name]));
        const ratio = median(list.map(({ read }, i) => read / results.bare[i].read));
        console.log(
          `${String(number).padStart(2)} readers  ${kind.padEnd(6)}  written ${of("written").toFixed(0).padStart(6)}/s` +
            `  read ${of("read").toFixed(0).padStart(6)}/s (× ${ratio.toFixed(2)})` +
            `  p50 ${of("p50").toFixed(2)} ms  p99 ${of("p99").toFixed(2)} ms`,
        );
      }
    }
  }
  await redis.stop();
  await stack?.stop();
}

if (process.argv[2] === "reader") process.once("message", (task) => void readers(task));
else await main();
