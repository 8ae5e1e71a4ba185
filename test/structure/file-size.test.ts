import { expect, it } from "vitest";
import { readSources, type SourceFiles } from "./source-files.ts";

const LIMIT = 400;

function tooLong(files: SourceFiles): string[] {
  return [...files].flatMap(([path, text]) => {
    const lines = text.split("\n").length - 1;
    return lines > LIMIT ? [`${path} has ${lines} lines; which second noun is in it?`] : [];
  });
}

it("no source file is longer than a reader's patience", () => {
  expect(tooLong(readSources(["src", "backends", "registry", "test", "bench", "examples", "scripts"]))).toEqual([]);
});

it("a planted long file is named", () => {
  const planted = new Map([
    ["src/a.ts", "x\n".repeat(LIMIT)],
    ["src/b.ts", "x\n".repeat(LIMIT + 1)],
  ]);
  expect(tooLong(planted)).toEqual([`src/b.ts has ${LIMIT + 1} lines; which second noun is in it?`]);
});
