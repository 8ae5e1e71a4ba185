// Live streams in Redis beside the bare client: `node bench/live-redis.mjs`. Starts a redis-server of its own.
// Readers are in a process of their own: 1, 4 and 10 of them, each of which gets every event. ROUNDS=1 does less.
import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createClient, RESP_TYPES } from "redis";
import { openRedisEngine } from "../dist/src/live/engines/redis/index.js";
import { median } from "./support/interleave.mjs";

const EVENT_BYTES = 200;
/** Events sent and not acknowledged. */
const WINDOW = 500;

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

/** The other process: reads, and answers how long each event took. */
async function readers({ kind, url, stream, readers: number, count }) {
  const tookMs = [];
  const onEvent = (payload) => tookMs.push(Number(process.hrtime.bigint() - payload.readBigUInt64LE(0)) / 1e6);
  const engine = kind === "engine" ? await openRedisEngine({ url }) : undefined;
  const all = await Promise.all(
    Array.from({ length: number }, () =>
      engine === undefined ? bareReader(url, stream, onEvent) : engineReader(engine, stream, onEvent),
    ),
  );
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
  const client = createClient({ url, RESP: 2 });
  await client.connect();
  return {
    append: (index, payload) => client.sendCommand(["XADD", stream, `${index}-1`, "payload", payload]),
    close: async () => client.destroy(),
  };
}

async function run(kind, url, { readers: number, count, window }) {
  const stream = `bench:${crypto.randomUUID()}`;
  const child = fork(fileURLToPath(import.meta.url), ["reader"]);
  child.send({ kind, url, stream, readers: number, count });
  await once(child, "message");
  const { append, close } = await writer(kind, url, stream);
  const done = once(child, "message");
  const start = process.hrtime.bigint();
  const waiting = [];
  for (let index = 0; index < count; index++) {
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
  const directory = mkdtempSync(join(tmpdir(), "sluice-bench-redis-"));
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", directory, "--save", "", "--appendonly", "no"];
  const server = spawn("redis-server", args);
  server.on("error", () => console.log("live-redis: no redis-server; apt-get install redis-server"));
  server.on("error", () => process.exit(0));
  for await (const chunk of server.stdout) if (/Ready to accept/.test(chunk.toString())) break;
  server.stdout?.resume?.();
  const url = `redis://127.0.0.1:${port}`;
  const cases = [
    { title: `${WINDOW} events of ${EVENT_BYTES} B under way`, window: WINDOW, count: rounds === 1 ? 5_000 : 20_000 },
    { title: `one event of ${EVENT_BYTES} B at a time`, window: 1, count: rounds === 1 ? 1_000 : 3_000 },
  ];
  for (const { title, window, count } of cases) {
    console.log(`\n--- ${title}; load ${loadavg()[0].toFixed(1)}`);
    for (const number of [1, 4, 10]) {
      const results = { bare: [], engine: [] };
      for (let round = 0; round < rounds; round++) {
        for (const kind of Math.random() < 0.5 ? ["bare", "engine"] : ["engine", "bare"]) {
          results[kind].push(await run(kind, url, { readers: number, count, window }));
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
  server.kill();
  await once(server, "exit");
  rmSync(directory, { recursive: true, force: true });
}

if (process.argv[2] === "reader") process.once("message", (task) => void readers(task));
else await main();
