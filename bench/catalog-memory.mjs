// Peak memory of reading what is long: a run of a million events page by page and as each kind of file, and an index of
// many runs. Each in a process of its own, beside one that only opens the same file.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Catalog, IndexWriter, openDatabase, RunWriter } from "../dist/src/catalog/index.js";

const EVENTS = Number(process.env.EVENTS ?? 1_000_000);
const RUNS = Number(process.env.RUNS ?? 100_000);

/** A beamtime file with one long run, and one with many. */
async function write(folder) {
  const long = join(folder, "long.db");
  await new RunWriter(long, { name: "PS" }).use(async (writer) => {
    await writer.openRun("scan", { uid: "long" });
    await writer.openStream("primary", {}, { uid: "stream" });
  });
  const data = (i) =>
    JSON.stringify({ energy: 280 + i / 1000, diode: Math.sin(i), shutter: i % 2 === 0, note: `n${i}` });
  await fill(long, "INSERT INTO events VALUES (?, 'stream', ?, ?, ?, '{}')", EVENTS, (i) => [
    ...[`event-${i}`, i, 1.7e9 + i / 1000, data(i)],
  ]);
  const many = join(folder, "many.db");
  await new RunWriter(many, { name: "PS" }).use(async () => {});
  const sql =
    "INSERT INTO runs (uid, plan_name, time_start, exit_status, metadata) VALUES (?, 'scan', ?, 'success', ?)";
  await fill(many, sql, RUNS, (i) => [`run-${i}`, 1.7e9 + i, JSON.stringify({ note: `number ${i}`, tags: ["night"] })]);
}

async function fill(path, sql, count, row) {
  const database = await openDatabase(path);
  for (let start = 1; start <= count; start += 10_000) {
    const rows = Array.from({ length: Math.min(10_000, count - start + 1) }, (_, i) => row(start + i));
    await database.transaction((transaction) => transaction.runMany(sql, rows));
  }
  await database.close();
}

const run = async (folder, use) => {
  const catalog = await Catalog.open(join(folder, "long.db"));
  await use(await catalog.get("long"));
  await catalog.close();
};
const drain = async (pieces) => {
  let bytes = 0;
  for await (const piece of pieces) bytes += piece.byteLength ?? piece.length ?? 1;
  return bytes;
};
const indexed = async (folder, use) => {
  const index = new IndexWriter(join(folder, "index.db"));
  await use(index, join(folder, "many.db"));
  await index.close();
};

const tasks = {
  "opening alone": (folder) => run(folder, async () => {}),
  "pages of 10,000": (folder) => run(folder, (long) => drain(long.pages())),
  csv: (folder) => run(folder, (long) => drain(long.export("csv"))),
  ndjson: (folder) => run(folder, (long) => drain(long.export("ndjson"))),
  json: (folder) => run(folder, (long) => drain(long.export("json"))),
  documents: (folder) => run(folder, (long) => drain(long.export("documents"))),
  arrow: (folder) => run(folder, (long) => drain(long.export("arrow"))),
  follow: (folder) => run(folder, (long) => drain(long.follow())),
  "one table (all of it)": (folder) => run(folder, (long) => long.table()),
  "reindex of many runs": (folder) =>
    indexed(folder, async (index, many) => {
      await index.registerBeamtime(await index.registerResearcher("Anna", folder), "many", many);
      await index.reindex(many);
    }),
  "the same again": (folder) => indexed(folder, (index, many) => index.reindex(many)),
  verify: (folder) => indexed(folder, (index) => drain(index.verify())),
};

const [folder, name] = process.argv.slice(2);
if (name !== undefined) {
  const start = performance.now();
  await tasks[name](folder);
  const seconds = (performance.now() - start) / 1000;
  process.stdout.write(JSON.stringify({ seconds, mib: process.resourceUsage().maxRSS / 1024 }));
} else {
  const scratch = mkdtempSync(join(tmpdir(), "sluice-catalog-memory-"));
  await write(scratch);
  console.log(`Peak memory: a run of ${EVENTS} events, a beamtime of ${RUNS} runs (load ${loadavg()[0].toFixed(1)})`);
  for (const task of Object.keys(tasks)) {
    const args = [fileURLToPath(import.meta.url), scratch, task];
    const { stdout, status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`${task}: ${stderr}`);
    const { seconds, mib } = JSON.parse(stdout);
    console.log(`${task.padEnd(22)} ${mib.toFixed(0).padStart(5)} MiB  ${seconds.toFixed(1).padStart(6)} s`);
  }
  rmSync(scratch, { recursive: true });
}
