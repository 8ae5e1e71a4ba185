// The master index: how long it takes to build, and how long each kind of search takes, also on deep pages and for
// questions that find nothing after a long look. SIZES lists numbers of runs, 2,000 to a beamtime; a single round takes few.
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "../dist/src/catalog/database.js";
import { IndexWriter } from "../dist/src/catalog/index/index-writer.js";
import { migrate } from "../dist/src/catalog/migrations.js";
import { beamtimeSchema } from "../dist/src/catalog/schema.js";
import { openSqlite } from "../dist/src/sqlite/open.js";

const rounds = Number(process.env.ROUNDS ?? 20);
const isQuick = rounds === 1;
const sizes = (process.env.SIZES ?? (isQuick ? "2000" : "100000,1000000")).split(",").map(Number);
const PER_BEAMTIME = 2000;
const plans = ["en_scan", "count", "rel_scan", "align", "rocking", "nexafs", "rsoxs", "calibrate", "dark", "focus"];

/** Runs like those of a beamline: names that repeat, words that all have, words that few have, and one of its own. */
function runOf(i) {
  return {
    uid: i.toString(16).padStart(32, "0"),
    plan: plans[i % plans.length],
    sample: i % 5000,
    // Each beamtime has its days, and the next comes later.
    time: 1_500_000_000 + i * 90 + (i % 7) / 10,
    metadata: JSON.stringify({
      tags: [`tag ${i % 7}`, `group ${i % 1000}`, i % 3 === 0 ? "bad" : "good"],
      operator: ["Anna Müller", "Ben", "Zoë"][i % 3],
      note: `polymer PS-b-PMMA on silicon, ${i % 300} nm, batch word${i % 20_011}, ${i % 2 ? "even" : "odd"} side, beam stable`,
      ring: { current: 500 + (i % 10) },
      scan_id: i,
    }),
  };
}

async function writeBeamtime(path, from, to) {
  const database = await openDatabase(path);
  await migrate(database, beamtimeSchema);
  await database.close();
  const driver = await openSqlite(path);
  driver.exec("BEGIN");
  const samples = new Map();
  for (let i = from; i < to; i++) {
    const { uid, plan, sample, time, metadata } = runOf(i);
    if (!samples.has(sample)) {
      const values = [`sample ${sample}`, "C8H8"];
      samples.set(sample, driver.run("INSERT INTO samples (name, formula) VALUES (?, ?)", values).lastInsertRowid);
    }
    driver.run(
      "INSERT INTO runs (uid, sample_id, plan_name, time_start, time_stop, exit_status, num_events, metadata) VALUES (?, ?, ?, ?, ?, 'success', 100, ?)",
      [uid, samples.get(sample), plan, time, time + 60, metadata],
    );
  }
  driver.exec("COMMIT");
  driver.close();
}

/** Each kind of search, with what it costs most. */
function searches(count) {
  const middle = runOf(Math.floor(count / 2)).time;
  const early = runOf(Math.floor(count / 20)).time;
  return {
    newest: {},
    "time range": { from: middle, to: middle + 90_000 },
    "old time range": { to: early },
    "tag of many": { tags: { all: ["good"] } },
    "tag of few": { tags: { all: ["group 7"] } },
    "any of three tags": { tags: { any: ["tag 1", "tag 2", "group 3"] } },
    "two tags that never meet": { tags: { all: ["tag 1", "tag 2"] } },
    plan: { plan: "nexafs" },
    sample: { sample: "sample 77" },
    "sample and plan that never meet": { sample: "sample 77", plan: "en_scan" },
    beamtime: { beamtime: 1 },
    researcher: { researcher: "Researcher 3" },
    "word of all": { text: "polymer" },
    "word of few": { text: "word17" },
    "word of none": { text: "graphene" },
    phrase: { text: '"ps b pmma" zoe' },
    "words that never meet": { text: "even odd" },
    "phrase that is none": { text: '"silicon on"' },
    "one letter": { text: "w*" },
    "four letters": { text: "word*" },
    "five letters": { text: "word1*" },
    "all at once": {
      text: "stable pol*",
      plan: ["nexafs", "rsoxs"],
      tags: { all: ["good"] },
      from: early,
      researcher: 3,
    },
    nobody: { text: "polymer", sample: "no such sample" },
  };
}

const percentile = (values, p) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * p))];

for (const count of sizes) {
  const folder = mkdtempSync(join(process.env.SLUICE_BENCH_DIR ?? tmpdir(), "sluice-bench-"));
  try {
    const path = join(folder, "index.db");
    const index = new IndexWriter(path);
    const beamtimes = Math.ceil(count / PER_BEAMTIME);
    let buildSeconds = 0;
    for (let b = 0; b < beamtimes; b++) {
      const file = join(folder, `${b}.db`);
      await writeBeamtime(file, b * PER_BEAMTIME, Math.min(count, (b + 1) * PER_BEAMTIME));
      const start = performance.now();
      const researcher = await index.registerResearcher(`Researcher ${b % 10}`, folder);
      await index.registerBeamtime(researcher, `beamtime ${b}`, file, { description: "Films of block copolymers" });
      await index.reindex(file);
      buildSeconds += (performance.now() - start) / 1000;
    }
    await index.close();
    const size = statSync(path).size / 1e6;
    const load = loadavg()[0].toFixed(1);
    console.log(
      `catalog-index: ${count} runs of ${beamtimes} beamtimes, load ${load}: built in ${buildSeconds.toFixed(1)} s ` +
        `(${Math.round(count / buildSeconds)} runs/s), ${size.toFixed(0)} MB`,
    );
    const columns = ["p50", "p95", "cpu p50", "cpu p95", "deep p50", "deep p95"].map((name) => name.padStart(9));
    console.log(`  ${"ms for 100 runs a page".padEnd(34)} found${columns.join("")}`);
    const reader = new IndexWriter(path, { readOnly: true });
    await reader.ensureSchema();
    for (const [name, filter] of Object.entries(searches(count))) {
      // Time of the processor too: a busy machine does not stretch it as much as that of the clock.
      const timed = async (options) => {
        const start = performance.now();
        const processor = process.cpuUsage();
        const page = await reader.search({ ...filter, ...options });
        const { user, system } = process.cpuUsage(processor);
        return { ms: performance.now() - start, cpuMs: (user + system) / 1000, page };
      };
      // Far behind the first page: past a fifth of all runs, or as far as what is found goes.
      let deep = (await timed()).page.cursor;
      for (let i = 0; i < 20 && deep !== undefined; i++) {
        const limit = Math.min(10_000, Math.ceil(count / 100));
        deep = (await reader.search({ ...filter, cursor: deep, limit })).cursor ?? deep;
      }
      const near = [];
      const far = [];
      for (let round = 0; round < rounds; round++) {
        near.push(await timed());
        if (deep !== undefined) far.push(await timed({ cursor: deep }));
      }
      const figures = [near.map(({ ms }) => ms), near.map(({ cpuMs }) => cpuMs), far.map(({ ms }) => ms)]
        .filter(({ length }) => length > 0)
        .flatMap((values) => [percentile(values, 0.5), percentile(values, 0.95)]);
      const cells = figures.map((value) => value.toFixed(2).padStart(9)).join("");
      console.log(`  ${name.padEnd(34)} ${String(near[0].page.runs.length).padStart(5)}${cells}`);
    }
    await reader.close();
    const start = performance.now();
    const verifier = new IndexWriter(path, { readOnly: true });
    let problems = 0;
    for await (const _ of verifier.verify()) problems++;
    await verifier.close();
    console.log(`  verified in ${((performance.now() - start) / 1000).toFixed(1)} s, ${problems} problems`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
