/** docs/acceptance-openhcs.md: no case is left out, and each test that it names is there. */
import { describe, expect, it } from "vitest";
import { readSources, type SourceFiles } from "./source-files.ts";
import { titlesIn } from "./test-titles.ts";

const path = "docs/acceptance-openhcs.md";

/** How many cases each part has: taking one away is said here too. */
const parts: Readonly<Record<string, number>> = {
  ...{ A: 14, B: 3, C: 8, D: 10, E: 10, F: 5, G: 4, H: 9, I: 12 },
  ...{ R: 11, M: 10, S: 15, N: 11, Z: 13, V: 6, T: 6, J: 8, L: 15, W: 20 },
};

interface Case {
  readonly id: string;
  readonly verdict: string;
  readonly proofs: readonly { readonly file: string; readonly title: string }[];
}

function casesOf(page: string): Case[] {
  return [...page.matchAll(/^\| ([A-Z]\d+) +\| .+ \| ([^|]+) \| ([^|]+) \|$/gm)].map(
    ([, id = "", verdict = "", proofs = ""]) => ({
      id,
      verdict,
      proofs: [...proofs.matchAll(/\[[^\]]+\]\(\.\.\/([^)]+)\) `([^`]+)`/g)].map(([, file = "", title = ""]) => ({
        file,
        title,
      })),
    }),
  );
}

function checkPage(page: string, files: SourceFiles): string[] {
  const cases = casesOf(page);
  const expected = Object.entries(parts).flatMap(([part, count]) =>
    Array.from({ length: count }, (_, i) => `${part}${i + 1}`),
  );
  const ids = cases.map(({ id }) => id);
  const titles = new Map<string, Set<string>>();
  return [
    ...expected.filter((id) => !ids.includes(id)).map((id) => `${id} has no row`),
    ...ids.filter((id, i) => !expected.includes(id) || ids.indexOf(id) !== i).map((id) => `${id} is one row too many`),
    ...cases.flatMap(({ id, verdict, proofs }) => {
      const problems = /^(kept|inverted|new|beaten|by contract)\b/.test(verdict) ? [] : [`${id} has no verdict`];
      if (proofs.length === 0) problems.push(`${id} is shown by nothing`);
      for (const { file, title } of proofs) {
        if (!titles.has(file)) titles.set(file, titlesIn(file, files.get(file) ?? ""));
        if (!titles.get(file)?.has(title)) problems.push(`${id}: ${file} has no test "${title}"`);
      }
      return problems;
    }),
  ];
}

describe(path, () => {
  const page = readSources(["docs"], ".md").get(path) ?? "";
  const files = new Map([...readSources(["test"], ".test.ts"), ...readSources(["src/testing"])]);

  it("has every case, with a verdict and tests that are there", () => {
    expect(checkPage(page, files)).toEqual([]);
  });

  it("a planted gap, a test that is not there, a mere mention and a missing verdict are named", () => {
    const planted = page
      .replace(/^\| A7 .*\n/m, "")
      .replace(/^(\| B1 +\| .+ \|) kept/m, "$1 maybe")
      .replace(/`reads have no side effects`/, "`reads have a side effect`");
    expect(checkPage(planted, files)).toEqual([
      "A7 has no row",
      "B1 has no verdict",
      'I5: src/testing/byte-store-reading.ts has no test "reads have a side effect"',
    ]);
    const mention = '// it("a", …)\nconst name = "a"; describe("a", () => {}); it.each([])("b %s", run);';
    expect([...titlesIn("test/a.test.ts", mention)]).toEqual(["b %s"]);
  });
});
