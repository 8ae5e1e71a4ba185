// Events per second into a beamtime file: through RunWriter, by better-sqlite3 alone with the same rows in groups of the
// same size, and by Python's sqlite3 the way resonance does it, with one commit at the end of the run.
import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { openDatabase, RunWriter } from "../dist/src/catalog/index.js";
import { ndArray } from "../dist/src/index.js";
import { interleave } from "./support/interleave.mjs";

const ROUNDS = Number(process.env.ROUNDS ?? 7);
const EVENTS = 30_000;
const GROUP = 256;
const IMAGES = 60;
const script = fileURLToPath(new URL("catalog_events.py", import.meta.url));

const reading = (i) => ({ energy: 280 + i / 100, diode: Math.sin(i), i0: 1e-9 * i, shutter: i % 2 === 0, note: "ok" });
const times = (i) => ({ energy: 1.7e9 + i, diode: 1.7e9 + i, i0: 1.7e9 + i });

/** An open run with an open stream. */
async function begin(directory, options) {
  const path = join(directory, "bt.db");
  const writer = new RunWriter(path, { name: "PS" }, { driver: "better-sqlite3", ...options });
  await writer.open();
  await writer.openRun("scan");
  const stream = await writer.openStream("primary", {});
  return { path, writer, stream };
}

async function throughRunWriter(directory) {
  const { writer } = await begin(directory, { commitRows: GROUP });
  const start = performance.now();
  for (let i = 0; i < EVENTS; i++) await writer.writeEvent(reading(i), times(i));
  await writer.closeRun();
  const seconds = (performance.now() - start) / 1000;
  await writer.close();
  return { amount: EVENTS, seconds };
}

async function inPostgres() {
  const url = `${server}?schema=bench_${randomUUID().replaceAll("-", "")}`;
  const writer = new RunWriter(url, { name: "PS" }, { commitRows: GROUP });
  await writer.open();
  await writer.openRun("scan");
  await writer.openStream("primary", {});
  const start = performance.now();
  for (let i = 0; i < EVENTS; i++) await writer.writeEvent(reading(i), times(i));
  await writer.closeRun();
  const seconds = (performance.now() - start) / 1000;
  await writer.close();
  const database = await openDatabase(url);
  const { searchParams } = new URL(url);
  await database.transaction((transaction) => transaction.run(`DROP SCHEMA ${searchParams.get("schema")} CASCADE`));
  await database.close();
  return { amount: EVENTS, seconds };
}

async function bare(directory) {
  const { path, writer, stream } = await begin(directory);
  await writer.close();
  const database = new Database(path);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON");
  const insert = database.prepare("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)");
  const start = performance.now();
  for (let first = 0; first < EVENTS; first += GROUP) {
    database.exec("BEGIN IMMEDIATE");
    for (let i = first; i < Math.min(first + GROUP, EVENTS); i++) {
      const uid = randomUUID().replaceAll("-", "");
      insert.run(uid, stream, i + 1, Date.now() / 1000, JSON.stringify(reading(i)), JSON.stringify(times(i)));
    }
    database.exec("COMMIT");
  }
  const seconds = (performance.now() - start) / 1000;
  database.close();
  return { amount: EVENTS, seconds };
}

async function python(directory) {
  const { path, writer, stream } = await begin(directory);
  await writer.close();
  const { stdout, stderr, status } = spawnSync("python3", [script, path, stream, String(EVENTS)], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return { amount: EVENTS, seconds: Number(stdout) };
}

const candidates = [
  { name: "better-sqlite3 alone", run: bare },
  { name: "RunWriter", run: throughRunWriter },
];
if (spawnSync("python3", ["--version"]).error === undefined) {
  candidates.push({ name: "Python, as resonance does it", run: python });
} else console.log("LEFT OUT: no python3");
// A server, its disk and a network, beside a file: the same contract, not the same cost.
const server = process.env.SLUICE_BENCH_POSTGRES ?? process.env.SLUICE_TEST_POSTGRES;
if (server === undefined) console.log("LEFT OUT: no PostgreSQL; set SLUICE_BENCH_POSTGRES to its URL");
else candidates.push({ name: "RunWriter in PostgreSQL", run: inPostgres });
await interleave(`${EVENTS} events of 5 readings`, candidates, { rounds: ROUNDS, unit: "events/s" });

const image = ndArray(
  Uint16Array.from({ length: 512 * 512 }, (_, i) => (i * 7919) % 4096),
  [512, 512],
);
const images = (options) => async (directory) => {
  const root = join(directory, "images.zarr");
  const { writer } = await begin(directory, { images: { use: "zarr", root, ...options } });
  const start = performance.now();
  for (let i = 0; i < IMAGES; i++) await writer.writeImage(await writer.writeEvent(reading(i)), "cam", image);
  await writer.closeRun();
  const seconds = (performance.now() - start) / 1000;
  await writer.close();
  return { amount: IMAGES, seconds };
};
await interleave(
  `${IMAGES} events with an image of 512 × 512 uint16`,
  [
    { name: "durable, blosc", run: images({}) },
    { name: "durable, not packed", run: images({ compressor: "none" }) },
    { name: 'durability "none", blosc', run: images({ durability: "none" }) },
  ],
  { rounds: ROUNDS, unit: "events/s" },
);
