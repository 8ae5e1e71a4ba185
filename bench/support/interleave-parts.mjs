// As interleave.mjs, for candidates that do several things after each other (put, get, list, delete), each timed alone.
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median, printRows, shuffled } from "./interleave.mjs";

/**
 * Prints one table for each part.
 *
 * @param candidates - `{ name, parts(directory) }`; `parts` answers `{ put() {…}, get() {…} }`, functions that run in
 * order, each of which answers how much it did.
 * @param options - `rounds`; `unit` of the rates.
 */
export async function interleaveParts(title, candidates, { rounds, unit }) {
  const results = new Map();
  for (let round = 0; round < rounds; round++) {
    for (const { name, parts } of shuffled(candidates)) {
      const directory = await mkdtemp(join(process.env.SLUICE_BENCH_DIR ?? tmpdir(), "sluice-bench-"));
      // What the one before left unwritten is not this one's to pay.
      execFileSync("sync");
      try {
        for (const [part, run] of Object.entries(await parts(directory))) {
          const start = performance.now();
          const amount = await run();
          const rate = amount / ((performance.now() - start) / 1000);
          if (!results.has(part)) results.set(part, new Map(candidates.map((each) => [each.name, []])));
          results.get(part).get(name).push(rate);
        }
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    }
  }
  for (const [part, rates] of results) {
    const [reference] = rates.values();
    const rows = [...rates]
      .filter(([, values]) => values.length > 0)
      .map(([name, values]) => ({
        name,
        median: median(values),
        least: Math.min(...values),
        most: Math.max(...values),
        ratio: median(values.map((value, round) => value / reference[round])),
      }));
    printRows(`${title}: ${part}`, rows, unit);
  }
}
