// Runs candidates against each other in one process: every candidate in every round, in random order, so that a busy
// machine slows all of them alike. What counts is the ratio to the first candidate, taken within each round.
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The middle value. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/**
 * @param candidates - `{ name, run(directory) }`; `run` answers how much it did, in the given unit, or
 * `{ amount, seconds }` where only a part of it counts.
 * @param options - `rounds`; `unit` of the rate, for example `"MB/s"`; `invert` for a time per item instead.
 * @returns Name, median, least and most, and the median ratio to the first candidate (of rate, or of time).
 */
export async function interleave(title, candidates, { rounds = 5, unit, invert = false } = {}) {
  const results = new Map(candidates.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, run } of shuffled(candidates)) {
      const directory = await mkdtemp(join(process.env.SLUICE_BENCH_DIR ?? tmpdir(), "sluice-bench-"));
      // What the one before left unwritten is not this one's to pay.
      execFileSync("sync");
      try {
        const start = performance.now();
        const done = await run(directory);
        const { amount, seconds } =
          typeof done === "number" ? { amount: done, seconds: (performance.now() - start) / 1000 } : done;
        results.get(name).push(invert ? seconds / amount : amount / seconds);
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    }
  }
  const [reference] = results.values();
  const rows = [...results].map(([name, values]) => ({
    name,
    median: median(values),
    least: Math.min(...values),
    most: Math.max(...values),
    ratio: median(values.map((value, round) => value / reference[round])),
  }));
  printRows(title, rows, unit);
  return rows;
}

/** One table. */
export function printRows(title, rows, unit) {
  const width = Math.max(...rows.map(({ name }) => name.length));
  console.log(`\n${title} (${unit}; ratio to the first, median of rounds)`);
  for (const { name, median, least, most, ratio } of rows) {
    const numbers = [median, least, most].map((value) => format(value).padStart(8)).join(" ");
    console.log(`  ${name.padEnd(width)} ${numbers}   ×${ratio.toFixed(2)}`);
  }
}

function format(value) {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** The same in random order. */
export function shuffled(list) {
  const out = [...list];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}
