/** Searching: against a plain filter over random runs, page by page; and case 62, that no query looks through all rows. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { textDialects } from "../../../src/catalog/index/index-dialect.ts";
import { facet } from "../../../src/catalog/index/index-entry.ts";
import { type IndexFilter, searchStatement } from "../../../src/catalog/index/index-search.ts";
import { IndexWriter } from "../../../src/catalog/index/index-writer.ts";
import { parseSearchText, wordsOf } from "../../../src/catalog/index/search-text.ts";
import { openSqlite } from "../../../src/sqlite/open.ts";
import { catalogEngines } from "../../support/catalog-engines.ts";
import { rejectionOf } from "../../support/rejection.ts";
import { type TestRun, writeBeamtime } from "./beamtime-files.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-search-"));
});
afterAll(() => rm(folder, { recursive: true }));

const plans = ["en_scan", "count", "nexafs"];
const samples = ["PS", "ps", "PS-b-PMMA 01", "細胞観察", "a".repeat(100), `${"a".repeat(99)}b`];
const tags = ["night", "good", "Good", "to do", "0000", "夜"];
const notes = ["spin coated film", "film, spin coated", "Größe 12.5", "beam lost", "観察した細胞"];
const statuses = ["success", "aborted", "failed", "lost", null];
/** Whole, half and equal milliseconds, also before 1970. */
const times = [-10.5, 0, 1000, 1000.0001, 1000.0004, 1000.0009, 1000.001, 1_700_000_000.25, 1_700_000_000.5];

interface ModelRun extends TestRun {
  readonly beamtime: number;
}

const anyRun = fc.record({
  plan: fc.constantFrom(...plans),
  sample: fc.option(fc.constantFrom(...samples), { nil: undefined }),
  time: fc.constantFrom(...times),
  status: fc.constantFrom(...statuses),
  tags: fc.subarray(tags),
  note: fc.constantFrom(...notes),
  beamtime: fc.nat(2),
});

const texts = [
  "film",
  '"spin coated"',
  "spin film",
  "coated spin",
  "fil*",
  "GROSSE",
  "細胞",
  "observe",
  "ps",
  "en-scan",
  "12.5",
];
const moment = fc.oneof(fc.constantFrom(...times), fc.constantFrom(...times.map((time) => new Date(time * 1000))));
const conditions = {
  researcher: fc.constantFrom(1, 2, "Anna", "Ben", "Nobody"),
  beamtime: fc.constantFrom(1, 2, 3, "B0", "B1", "same"),
  plan: fc.oneof(fc.constantFrom(...plans, "other"), fc.subarray(plans)),
  sample: fc.constantFrom(...samples, "other"),
  status: fc.constantFrom("success", "lost", "running"),
  tags: fc.record({ all: fc.subarray(tags, { maxLength: 2 }), any: fc.subarray(tags) }, { requiredKeys: [] }),
  from: moment,
  to: moment,
  text: fc.constantFrom(...texts),
};
/** Of one to three conditions: of more, few runs would be left to be told apart. */
const anyFilter = fc
  .subarray(Object.keys(conditions) as (keyof typeof conditions)[], { minLength: 1, maxLength: 3 })
  .chain((names) =>
    fc.record(Object.fromEntries(names.map((name) => [name, conditions[name]]))),
  ) as fc.Arbitrary<IndexFilter>;

const list = <T>(value: T | readonly T[]): readonly T[] => (Array.isArray(value) ? value : [value as T]);
const seconds = (value: Date | number) => (value instanceof Date ? value.getTime() / 1000 : value);

/** Says of one run whether it is meant, field by field. B0 is Anna's; two others, of one label, are Ben's. */
function isMeant(run: ModelRun, filter: IndexFilter): boolean {
  const researcher = run.beamtime === 0 ? [1, "Anna"] : [2, "Ben"];
  const beamtime = [
    [1, "B0"],
    [2, "same"],
    [3, "same"],
  ][run.beamtime] as (number | string)[];
  if (filter.researcher !== undefined && !researcher.includes(filter.researcher)) return false;
  if (filter.beamtime !== undefined && !beamtime.includes(filter.beamtime)) return false;
  if (filter.plan !== undefined && !list(filter.plan).includes(run.plan as string)) return false;
  if (filter.sample !== undefined && run.sample !== filter.sample) return false;
  if (filter.status !== undefined && !(list(filter.status) as string[]).includes(run.status ?? "running")) return false;
  if (filter.tags?.all?.some((tag) => !run.tags?.includes(tag))) return false;
  if (filter.tags?.any && !filter.tags.any.some((tag) => run.tags?.includes(tag))) return false;
  if (filter.from !== undefined && (run.time as number) < seconds(filter.from)) return false;
  if (filter.to !== undefined && (run.time as number) >= seconds(filter.to)) return false;
  const fields = [run.plan, run.sample ?? "", ...(run.tags ?? []), run.metadata?.note].map(
    (text) => ` ${wordsOf(String(text)).join(" ")} `,
  );
  return (parseSearchText(filter.text ?? "") ?? []).every(({ words, isPrefix }) =>
    fields.some((field) => field.includes(` ${words.join(" ")}${isPrefix ? "" : " "}`)),
  );
}

describe.each(catalogEngines)("in $name", ({ name: engine, prepare, newIndex }) => {
  prepare();

  describe("a search", () => {
    it("finds what a plain filter finds, newest first, on pages of any size", async () => {
      let count = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.array(anyRun, { maxLength: 25 }),
          fc.array(anyRun, { maxLength: 5 }),
          fc.array(anyFilter, { minLength: 5, maxLength: 15 }),
          fc.integer({ min: 1, max: 7 }),
          async (drawn, redrawn, filters, limit) => {
            const home = join(folder, String(++count));
            await mkdir(home);
            const index = new IndexWriter(newIndex(home));
            await index.registerResearcher("Anna", home);
            await index.registerResearcher("Ben", home);
            const path = (beamtime: number) => join(home, `${beamtime}.db`);
            for (const [i, label] of ["B0", "same", "same"].entries()) {
              await index.registerBeamtime(i === 0 ? 1 : 2, label, path(i));
            }
            const runs = new Map<string, ModelRun>();
            // Some runs are written twice, with other contents, and indexed in between.
            for (const batch of [drawn, redrawn]) {
              const written: ModelRun[] = batch.map(({ note, ...run }, i) => {
                const beamtime = runs.get(`run-${i}`)?.beamtime ?? run.beamtime;
                return { uid: `run-${i}`, ...run, beamtime, metadata: { note } } as ModelRun;
              });
              for (const run of written) runs.set(run.uid, run);
              for (const i of [0, 1, 2]) {
                await writeBeamtime(
                  path(i),
                  written.filter(({ beamtime }) => beamtime === i),
                );
                await index.reindex(path(i));
              }
            }
            for (const filter of [{}, ...filters]) {
              const found: string[] = [];
              let cursor: string | undefined;
              do {
                const page = await index.search({ ...filter, limit, cursor });
                found.push(...page.runs.map(({ uid }) => uid));
                expect(page.runs.length === limit || page.cursor === undefined).toBe(true);
                cursor = page.cursor;
              } while (cursor !== undefined);
              const meant = [...runs.values()].filter((run) => isMeant(run, filter));
              expect([...found].sort()).toEqual(meant.map(({ uid }) => uid).sort());
              const ms = found.map((uid) => Math.floor((runs.get(uid)?.time as number) * 1000));
              expect(ms).toEqual([...ms].sort((a, b) => b - a));
            }
            await index.close();
            await rm(home, { recursive: true });
          },
        ),
        { numRuns: 25 },
      );
    }, 60_000);
  });

  describe("pages", () => {
    let index: IndexWriter;
    let db: string;
    beforeAll(async () => {
      db = join(folder, `pages-${engine}.db`);
      index = new IndexWriter(newIndex(folder));
      await index.registerBeamtime(await index.registerResearcher("Anna", folder), "A", db);
      await writeBeamtime(
        db,
        Array.from({ length: 30 }, (_, i) => ({
          uid: `run-${String(i).padStart(2, "0")}`,
          time: 1000 + Math.floor(i / 3),
        })),
      );
      await index.reindex(db);
    });
    afterAll(() => index.close());

    it("stay as they are while runs are added, changed and indexed again", async () => {
      const before = (await index.search({ limit: 30 })).runs.map(({ uid }) => uid);
      const first = await index.search({ limit: 10 });
      await writeBeamtime(db, [
        { uid: "new", time: 5000 },
        { uid: "older", time: 1 },
        { uid: "run-29", time: 1009, plan: "x" },
      ]);
      await index.reindex(db);
      const second = await index.search({ limit: 10, cursor: first.cursor });
      const third = await index.search({ limit: 11, cursor: second.cursor });
      expect([first, second, third].flatMap(({ runs }) => runs.map(({ uid }) => uid))).toEqual([...before, "older"]);
      expect(third.cursor).toBeUndefined();
    });

    it("are refused with a cursor of another search, or none at all", async () => {
      const { cursor } = await index.search({ plan: "scan", limit: 2 });
      expect(await rejectionOf(index.search({ plan: "x", cursor }))).toMatchObject({ code: "INVALID_DATA" });
      for (const wrong of ["", "x", "WzFd", Buffer.from('[1,5,"5;DROP"]').toString("base64url")]) {
        expect(await rejectionOf(index.search({ cursor: wrong }))).toMatchObject({ code: "INVALID_DATA" });
      }
    });

    it("follow each other whatever kind of object a condition is, and in whatever order conditions come", async () => {
      const tags = Object.create(null) as object;
      const { cursor } = await index.search({ tags, to: 2000, limit: 2 });
      expect((await index.search({ limit: 2, to: 2000, tags, cursor })).runs).toHaveLength(2);
    });

    it("have a size, and a filter has names that are known", async () => {
      for (const limit of [0, -1, 1.5, 10_001, Number.NaN]) {
        expect(await rejectionOf(index.search({ limit }))).toMatchObject({ code: "OUT_OF_RANGE" });
      }
      const wrong = [
        { colour: "red" },
        { researcher: 1.5 },
        { beamtime: {} },
        { tags: ["a"] },
        { from: "today" },
        { text: 5 },
      ];
      for (const filter of wrong) {
        expect(await rejectionOf(index.search(filter as never))).toMatchObject({ code: "INVALID_DATA" });
      }
      const tooMuch = Array.from({ length: 1001 }, (_, i) => `w${i}`).join(" ");
      expect(await rejectionOf(index.search({ text: tooMuch }))).toMatchObject({ code: "OUT_OF_RANGE" });
    });

    it("end at once when the signal fires", async () => {
      const aborted = { signal: AbortSignal.abort() };
      expect(await rejectionOf(index.search(aborted))).toMatchObject({ code: "ABORTED" });
      expect(await rejectionOf(index.search({ text: "scan", ...aborted }))).toMatchObject({ code: "ABORTED" });
    });

    it("are empty for text without a letter or digit, and whole for blanks", async () => {
      expect((await index.search({ text: "--- !" })).runs).toEqual([]);
      expect((await index.search({ text: "  " })).runs).not.toEqual([]);
    });
  });
});

describe("case 62: a search of 50 beamtimes", () => {
  const word = [{ words: ["film"], isPrefix: false }];
  const tag = [facet("tag", "night")];
  it.each([
    ["the newest", { phrases: [], facets: [] }],
    ["a tag", { phrases: [], facets: [tag] }],
    ["several of everything", { phrases: word, facets: [tag, [facet("plan", "a"), facet("plan", "b")]] }],
    ["words", { phrases: word, facets: [] }],
  ])("for %s sorts nothing and looks through no table: the page comes from an index, in order", async (_, question) => {
    const driver = await openSqlite(":memory:");
    driver.exec(
      "CREATE TABLE runs_index (uid TEXT PRIMARY KEY, researcher_id, beamtime_id, plan_name, sample_name, time_start, tags, position INTEGER, time_stop, exit_status, num_events, fingerprint)",
    );
    driver.exec("CREATE UNIQUE INDEX idx_runs_index_position ON runs_index(position)");
    driver.exec("CREATE TABLE beamtimes (id INTEGER PRIMARY KEY, label, db_path)");
    driver.exec("CREATE TABLE researchers (id INTEGER PRIMARY KEY, name)");
    for (const statement of textDialects.sqlite.create) driver.exec(statement);
    for (const after of [undefined, "5"]) {
      for (const range of [{}, { from: 5, to: 1000 }]) {
        const { sql, params } = searchStatement("sqlite", question, range, after, 51);
        const steps = driver.all<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`, params as []);
        const [first, ...others] = steps.map(({ detail }) => detail);
        // The index of positions, or that of words; and nothing that sorts.
        expect(first).toMatch(
          question.phrases.length + question.facets.length === 0
            ? /^(?:SCAN|SEARCH) r USING INDEX idx_runs_index_position/
            : /^SCAN t VIRTUAL TABLE INDEX \d+:M/,
        );
        for (const other of others) expect(other).toMatch(/^SEARCH [rbs] USING (?:INDEX|INTEGER PRIMARY KEY)/);
      }
    }
    driver.close();
  });
});
