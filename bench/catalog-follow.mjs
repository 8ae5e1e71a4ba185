// How long events of another process take to those who follow: from writeEvent there to the loop here, in a file and in
// PostgreSQL, beside lines of the same process through a pipe, which show what the machine itself adds. Rounds of all,
// one after the other in random order.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setInterval } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Catalog, openDatabase, RunWriter } from "../dist/src/catalog/index.js";

const ROUNDS = Number(process.env.ROUNDS ?? 5);
const EVENTS = Number(process.env.EVENTS ?? 400);
const server = process.env.SLUICE_BENCH_POSTGRES ?? process.env.SLUICE_TEST_POSTGRES;
const now = () => performance.timeOrigin + performance.now();

/** The other process: an event or a line about every 5 milliseconds, with the moment at which it was made. */
async function write(place) {
  const writer = place === "pipe" ? undefined : new RunWriter(place, { name: "PS" });
  await writer?.open();
  console.log(await writer?.openRun("scan"));
  await writer?.openStream("primary", {});
  let left = EVENTS;
  for await (const _ of setInterval(5)) {
    const made = now();
    if (writer === undefined) console.log(made);
    else await writer.writeEvent({ made });
    if (--left === 0) break;
  }
  await writer?.closeRun();
  await writer?.close();
}

async function measure(place) {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), place], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { value: uid } = await lines.next();
  const latencies = [];
  if (place === "pipe") for await (const line of lines) latencies.push(now() - Number(line));
  else {
    const catalog = await Catalog.open(place);
    const run = await catalog.get(uid);
    for await (const { data } of run.follow()) latencies.push(now() - data.made);
    await catalog.close();
  }
  return latencies;
}

async function inFile() {
  const folder = mkdtempSync(join(tmpdir(), "sluice-follow-"));
  try {
    return await measure(join(folder, "bt.db"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function inPostgres() {
  const schema = `bench_${randomUUID().replaceAll("-", "")}`;
  const url = `${server}?schema=${schema}`;
  const latencies = await measure(url);
  const database = await openDatabase(url);
  await database.transaction((transaction) => transaction.run(`DROP SCHEMA ${schema} CASCADE`));
  await database.close();
  return latencies;
}

const [place] = process.argv.slice(2);
if (place !== undefined) await write(place);
else {
  const candidates = new Map([
    ["a pipe", () => measure("pipe")],
    ["a file", inFile],
  ]);
  if (server === undefined) console.log("LEFT OUT: no PostgreSQL; set SLUICE_BENCH_POSTGRES to its URL");
  else candidates.set("PostgreSQL", inPostgres);
  const all = new Map([...candidates.keys()].map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    const order = [...candidates].sort(() => Math.random() - 0.5);
    for (const [name, run] of order) all.get(name).push(...(await run()));
  }
  const load = loadavg()[0].toFixed(1);
  console.log(`\nFrom writeEvent to another process, ${ROUNDS} × ${EVENTS} events (ms; load ${load} at the end)`);
  for (const [name, values] of all) {
    values.sort((a, b) => a - b);
    const at = (part) => values[Math.floor(part * (values.length - 1))].toFixed(1).padStart(7);
    console.log(`  ${name.padEnd(10)}  p50 ${at(0.5)}  p99 ${at(0.99)}  longest ${at(1)}`);
  }
}
