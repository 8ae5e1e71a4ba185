// Live streams in a folder: `node bench/live-file.mjs`. Events of 200 B beside bare better-sqlite3 inserts and beside raw
// appends to a file; then the time from send to a reader in another process. ROUNDS=1 does less. DIRECTORY=… says where.
import { fork } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { openFileEngine } from "../dist/src/live/engines/file/index.js";
import { median } from "./support/interleave.mjs";

const EVENT_BYTES = Number(process.env.EVENT_BYTES ?? 200);
const INLINE_BYTES = process.env.INLINE_BYTES === undefined ? undefined : Number(process.env.INLINE_BYTES);
const base = process.env.DIRECTORY ?? tmpdir();

function event() {
  const payload = Buffer.alloc(EVENT_BYTES, 7);
  payload.writeBigUInt64LE(process.hrtime.bigint());
  return payload;
}

const entry = (index) => ({ index, length: 1, payload: event() });

async function inFolder(run) {
  const root = mkdtempSync(join(base, "sluice-bench-live-"));
  try {
    return await run(root);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

async function withEngine(run) {
  return await inFolder(async (root) => {
    const engine = await openFileEngine({ root, inlineBytes: INLINE_BYTES });
    const start = performance.now();
    await run(engine);
    const took = performance.now() - start;
    await engine[Symbol.asyncDispose]();
    return took;
  });
}

/** Each kind answers the milliseconds that it took for so many events. */
const kinds = {
  "engine, each acknowledged": (count) =>
    withEngine(async (engine) => {
      for (let index = 0; index < count; index++) await engine.append("a", [entry(index)]);
    }),
  "engine, 500 under way": (count) =>
    withEngine(async (engine) => {
      const waiting = [];
      for (let index = 0; index < count; index++) {
        waiting.push(engine.append("a", [entry(index)]));
        if (waiting.length >= 500) await waiting.shift();
      }
      await Promise.all(waiting);
    }),
  "engine, batches of 100": (count) =>
    withEngine(async (engine) => {
      for (let index = 0; index < count; index += 100) {
        await engine.append(
          "a",
          Array.from({ length: 100 }, (_, i) => entry(index + i)),
        );
      }
    }),
  "better-sqlite3, each committed": (count) => bareInserts(count, 1),
  "better-sqlite3, 100 a commit": (count) => bareInserts(count, 100),
  "file, one write each": (count) =>
    inFolder((root) => {
      const file = openSync(join(root, "raw"), "w");
      const start = performance.now();
      for (let index = 0; index < count; index++) writeSync(file, event());
      const took = performance.now() - start;
      closeSync(file);
      return took;
    }),
};

function bareInserts(count, group) {
  return inFolder((root) => {
    const database = new Database(join(root, "bare.db"));
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
    database.exec("CREATE TABLE entries (first INTEGER PRIMARY KEY, payload BLOB)");
    const insert = database.prepare("INSERT INTO entries VALUES (?, ?)");
    const [begin, commit] = [database.prepare("BEGIN IMMEDIATE"), database.prepare("COMMIT")];
    const start = performance.now();
    for (let index = 0; index < count; index += group) {
      begin.run();
      for (let i = index; i < index + group; i++) insert.run(i, event());
      commit.run();
    }
    const took = performance.now() - start;
    database.close();
    return took;
  });
}

/** The other process: readers that follow, and how long each event took. */
async function readers({ root, readers: number, count }) {
  const engine = await openFileEngine({ root });
  const tookMs = [];
  const follow = async () => {
    for (let next = 0; next < count; ) {
      const page = (await engine.wait(new Map([["a", next]]))).get("a");
      const { entries } = page.entries.length > 0 ? page : await engine.range("a", next, Number.MAX_SAFE_INTEGER);
      for (const { index, payload } of entries) {
        next = index + 1;
        const sent = Buffer.from(payload.buffer, payload.byteOffset, 8).readBigUInt64LE();
        tookMs.push(Number(process.hrtime.bigint() - sent) / 1e6);
      }
    }
  };
  const reading = Array.from({ length: number }, follow);
  process.send("ready");
  await Promise.all(reading);
  await engine[Symbol.asyncDispose]();
  tookMs.sort((a, b) => a - b);
  const at = (part) => tookMs[Math.floor((tookMs.length - 1) * part)];
  process.send({ p50: at(0.5), p99: at(0.99) });
  process.disconnect();
}

/** Sends one event every few milliseconds, so that each is waited for. */
async function delivery(number, count) {
  return await inFolder(async (root) => {
    const child = fork(fileURLToPath(import.meta.url), ["reader"]);
    child.send({ root, readers: number, count });
    await once(child, "message");
    const done = once(child, "message");
    const engine = await openFileEngine({ root });
    for (let index = 0; index < count; index++) {
      await engine.append("a", [entry(index)]);
      await new Promise((resolve) => setTimeout(resolve, 3 + (index % 5)));
    }
    const [result] = await done;
    await engine[Symbol.asyncDispose]();
    return result;
  });
}

async function main() {
  const rounds = Number(process.env.ROUNDS ?? 5);
  const count = rounds === 1 ? 4000 : 10_000;
  const names = Object.keys(kinds);
  const rates = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const name of names.toSorted(() => Math.random() - 0.5)) {
      rates[name].push((count / (await kinds[name](count))) * 1000);
    }
  }
  console.log(`--- events of ${EVENT_BYTES} B; load ${loadavg()[0].toFixed(1)}`);
  for (const [name, list] of Object.entries(rates)) {
    const ratio = median(list.map((rate, i) => rate / rates["better-sqlite3, each committed"][i]));
    console.log(`${name.padEnd(32)} ${median(list).toFixed(0).padStart(8)}/s  × ${ratio.toFixed(2)}`);
  }
  console.log(`\n--- from send to a reader in another process; load ${loadavg()[0].toFixed(1)}`);
  for (const number of [1, 4, 10]) {
    const list = [];
    for (let round = 0; round < rounds; round++) list.push(await delivery(number, rounds === 1 ? 200 : 400));
    const of = (name) => median(list.map((result) => result[name])).toFixed(2);
    console.log(`${String(number).padStart(2)} readers  p50 ${of("p50")} ms  p99 ${of("p99")} ms`);
  }
}

if (process.argv[2] === "reader") process.once("message", (task) => void readers(task));
else await main();
