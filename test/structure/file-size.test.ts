import { expect, it } from "vitest";
import { readSources, type SourceFiles } from "./source-files.ts";

/** Lines of a file of the package, and of a test, which reads as a list. */
const LIMIT = 400;
const TEST_LIMIT = 600;

/** Files that are one noun although they are long, and why. */
const reasons: Readonly<Record<string, string>> = {
  "src/acquire/writer.ts": "one life cycle that two generations of callers enter by different doors; half are comments",
};

function tooLong(files: SourceFiles): string[] {
  return [...files].flatMap(([path, text]) => {
    const lines = text.split("\n").length - 1;
    const limit = path.startsWith("test/") ? TEST_LIMIT : LIMIT;
    return lines > limit && !(path in reasons) ? [`${path} has ${lines} lines; which second noun is in it?`] : [];
  });
}

it("no source file is longer than a reader's patience", () => {
  expect(tooLong(readSources(["src", "backends", "registry", "test", "bench", "examples", "scripts"]))).toEqual([]);
});

it("a planted long file is named", () => {
  const planted = new Map([
    ["src/a.ts", "x\n".repeat(LIMIT)],
    ["src/b.ts", "x\n".repeat(LIMIT + 1)],
    ["test/b.test.ts", "x\n".repeat(LIMIT + 1)],
    ["src/acquire/writer.ts", "x\n".repeat(LIMIT + 1)],
  ]);
  expect(tooLong(planted)).toEqual([`src/b.ts has ${LIMIT + 1} lines; which second noun is in it?`]);
});
