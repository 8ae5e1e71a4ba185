/** docs/live-cases.md: no case is left out, each test that it names is there, and runs on the engines that it says. */
import { describe, expect, it } from "vitest";
import { readSources, type SourceFiles } from "./source-files.ts";
import { titlesIn } from "./test-titles.ts";

const path = "docs/live-cases.md";

/** Taking one away is said here too. */
const cases = [...Array.from({ length: 53 }, (_, i) => i + 1), 63];

/** Where each engine runs the battery, and where it has tests of its own. */
const engines = {
  memory: { battery: "test/live/memory-battery.test.ts", folder: "test/live/memory" },
  file: { battery: "test/live/file/battery.test.ts", folder: "test/live/file/" },
  redis: { battery: "test/live/redis/battery.test.ts", folder: "test/live/redis/" },
} as const;

interface Row {
  readonly id: number;
  /** By engine. */
  readonly cells: Readonly<Record<string, string>>;
  readonly proofs: readonly { readonly file: string; readonly title: string }[];
}

function rowsOf(page: string): Row[] {
  const rows = page.matchAll(/^\| (\d+) +\| [^|]+ \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$/gm);
  return [...rows].map(([, id, memory = "", file = "", redis = "", proofs = ""]) => ({
    id: Number(id),
    cells: { memory: memory.trim(), file: file.trim(), redis: redis.trim() },
    proofs: [...proofs.matchAll(/\[[^\]]+\]\(\.\.\/([^)]+)\) `([^`]+)`/g)].map(([, from = "", title = ""]) => ({
      file: from,
      title,
    })),
  }));
}

/** True if the test of that file runs on the engine. */
function runsOn(engine: keyof typeof engines, file: string, files: SourceFiles): boolean {
  const { battery, folder } = engines[engine];
  if (file.startsWith(folder)) return true;
  const name = /^test\/live\/battery\/([a-z-]+)\.ts$/.exec(file)?.[1];
  const isInBattery = files.get("test/live/battery/index.ts")?.includes(`from "./${name}.ts"`) ?? false;
  return isInBattery && /^ *liveBattery\(\{[\s\S]*?\bmakeLimited\b/m.test(files.get(battery) ?? "");
}

function problemsOf(row: Row, files: SourceFiles, titles: (file: string) => Set<string>): string[] {
  const problems: string[] = [];
  if (row.proofs.length === 0) problems.push(`${row.id} is shown by nothing`);
  for (const { file, title } of row.proofs) {
    if (!titles(file).has(title)) problems.push(`${row.id}: ${file} has no test "${title}"`);
    for (const engine of Object.keys(engines) as (keyof typeof engines)[]) {
      const cell = row.cells[engine] ?? "";
      if (!/^(?:yes|no: .+)$/.test(cell)) problems.push(`${row.id} does not say what ${engine} does`);
      if (cell === "yes" && !runsOn(engine, file, files)) problems.push(`${row.id}: ${file} does not run on ${engine}`);
    }
  }
  return problems;
}

function checkPage(page: string, files: SourceFiles): string[] {
  const rows = rowsOf(page);
  const ids = rows.map(({ id }) => id);
  const known = new Map<string, Set<string>>();
  const titles = (file: string) => {
    if (!known.has(file)) known.set(file, titlesIn(file, files.get(file) ?? ""));
    return known.get(file) as Set<string>;
  };
  const named = new Set(rows.flatMap(({ id, proofs }) => proofs.map(({ file, title }) => `${id} ${file} ${title}`)));
  const unnamed = [...files.keys()]
    .filter((file) => file.startsWith("test/live/battery/"))
    .flatMap((file) => [...titles(file)].map((title) => ({ file, title, id: /^case (\d+): /.exec(title)?.[1] })))
    .filter(({ file, title, id }) => id !== undefined && !named.has(`${id} ${file} ${title}`));
  return [
    ...cases.filter((id) => !ids.includes(id)).map((id) => `${id} has no row`),
    ...ids.filter((id, i) => !cases.includes(id) || ids.indexOf(id) !== i).map((id) => `${id} is one row too many`),
    ...rows.flatMap((row) => problemsOf(row, files, titles)),
    ...unnamed.map(({ file, title }) => `${file}: "${title}" is in no row`),
  ];
}

describe(path, () => {
  const page = readSources(["docs"], ".md").get(path) ?? "";
  const files = new Map([...readSources(["test/live"])]);

  it("has every case, with what each engine does, and tests that are there and run on it", () => {
    expect(checkPage(page, files)).toEqual([]);
  });

  it("a planted gap, a test that is not there, an empty cell and a test of another engine are named", () => {
    const planted = page
      .replace(/^\| 41 .*\n/m, "")
      .replace(/^(\| 8 .*? \|) yes /m, "$1 ")
      .replace("`case 22: a sealed", "`case 22: an open")
      .replace(/^(\| 63 .*? \|) no: not Redis /m, "$1 yes ");
    const problems = checkPage(planted, files);
    expect(problems).toContain("41 has no row");
    expect(problems).toContain("8 does not say what memory does");
    expect(problems.join("\n")).toMatch(/22: test\/live\/battery\/streams\.ts has no test "case 22: an open/);
    expect(problems).toContain("63: test/live/redis/wire.test.ts does not run on memory");
    expect(problems.join("\n")).toMatch(/"case 41: .*" is in no row/);
  });
});
