/** Pages of runs: however many start at the same moment, none comes twice and none is left out. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Catalog } from "../../../src/catalog/catalog.ts";
import { BeamtimeFile } from "../../support/beamtime-file.ts";
import { catalogEngines } from "../../support/catalog-engines.ts";

/** Whole milliseconds, so that many tie; and moments that differ by less than one. */
const start = fc.constantFrom(1000, 1000.001, 1000.002, 1000.0015, -5, 1_700_000_000.123);
/** Uids as they come: hexadecimal, of others, and such as sort in their own way. */
const uid = fc.oneof(
  fc.uuid().map((text) => text.replaceAll("-", "")),
  fc.stringMatching(/^[A-Za-z0-9 é夜_-]{1,8}$/),
);

describe.each(catalogEngines)("in $name", ({ prepare, newBeamtime }) => {
  prepare();

  it("pages of runs that tie in time have each run once, newest first, also while others are added", {
    timeout: 60_000,
  }, async () => {
    await using file = await BeamtimeFile.make(await newBeamtime());
    await using catalog = await Catalog.open(file.path);
    const runs = fc.uniqueArray(fc.record({ uid, start }), { selector: (run) => run.uid, maxLength: 25 });
    await fc.assert(
      fc.asyncProperty(runs, fc.integer({ min: 1, max: 6 }), fc.nat(25), async (all, limit, early) => {
        await file.database.transaction((transaction) => transaction.run("DELETE FROM runs"));
        const row = ({ uid, start }: { uid: string; start: number }) => {
          return { uid, plan_name: "scan", time_start: start, exit_status: "success" };
        };
        const before = all.slice(0, early);
        const later = all.slice(early);
        if (before.length > 0) await file.insertMany("runs", before.map(row));
        const seen: { uid: string; timeStart: number }[] = [];
        let cursor: string | undefined;
        do {
          const page = await catalog.search({ limit, cursor });
          expect(page.runs.length).toBeLessThanOrEqual(limit);
          seen.push(...page.runs);
          cursor = page.cursor;
          const next = later.shift();
          if (next !== undefined) await file.insert("runs", row(next));
        } while (cursor !== undefined);
        const uids = seen.map((run) => run.uid);
        expect(new Set(uids).size).toBe(uids.length);
        expect(uids).toEqual(expect.arrayContaining(before.map((run) => run.uid)));
        const order = seen.map(({ timeStart, uid }) => ({ timeStart, bytes: Buffer.from(uid) }));
        for (const [i, run] of order.slice(1).entries()) {
          const last = order[i] as (typeof order)[number];
          const isBehind =
            run.timeStart < last.timeStart ||
            (run.timeStart === last.timeStart && Buffer.compare(run.bytes, last.bytes) < 0);
          expect(isBehind).toBe(true);
        }
      }),
      { numRuns: Number(process.env.SLUICE_PAGING_TRIALS ?? 40) },
    );
  });
});
