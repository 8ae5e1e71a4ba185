/** No test goes missing unseen: none is switched off, and those that need something say what, and have it in CI. */
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { DiskStore } from "../../backends/disk/store.ts";
import { MemoryStore } from "../../backends/memory/store.ts";
import type { StoreCapabilities } from "../../src/core/capabilities.ts";
import { nativeEndian } from "../../src/core/dtype.ts";
import { byteStoreGroups } from "../../src/testing/byte-store-kit.ts";
import { readSources, type SourceFiles } from "./source-files.ts";

const self = "test/structure/skips.test.ts";

const runs = (program: string) => () => spawnSync(program, ["--version"], { stdio: "ignore" }).error === undefined;
/** What fails by itself in CI, where it is looked for. */
const checksItself = () => true;

/** Every condition by which tests are skipped, and whether what they need is here. */
const needs: ReadonlyMap<string, () => boolean> = new Map([
  ["!hasS3", checksItself],
  ["!hasRedis", runs("redis-server")],
  ["!hasRedisStack", checksItself],
  ["!hasPostgres", checksItself],
  ["!hasRealData()", checksItself],
  ["timelapse === undefined", checksItself],
  ['realData("timelapse") === undefined', checksItself],
  ["!isPythonExpected", checksItself],
  ['!hasProgram("python3")', runs("python3")],
  ['!hasProgram("python3") && !process.env.CI', runs("python3")],
  ["!python", runs("python3")],
  ['!hasProgram("openssl") && !process.env.CI', runs("openssl")],
  ["!infoZip", () => runs("zip")() && runs("unzip")()],
  ["nginx === undefined", () => runs("nginx")() || runs("/usr/sbin/nginx")()],
  ['nativeEndian === "little"', () => nativeEndian === "little"],
  ["!isLinux", () => process.platform === "linux"],
  ['process.platform === "win32"', () => process.platform !== "win32"],
  ["process.getuid?.() !== 0", () => process.getuid?.() === 0],
  ["noMount !== undefined", () => process.platform === "linux" && process.getuid?.() === 0],
]);

/** Takes minutes and gigabytes; run by those who change what it is about. */
const onRequest = ["process.env.SLUICE_TEST_LARGE === undefined"];

/** Tests that are switched off, or switch all others off. */
function switchedOff(files: SourceFiles): string[] {
  const pattern =
    /\b(?:describe|it|test)(?:\.\w+)*\.(?:skip|todo|only|fails)\b|\b(?:x(?:it|test|describe)|f(?:it|describe))\(/g;
  return [...files].flatMap(([path, text]) => [...text.matchAll(pattern)].map(([found]) => `${path}: ${found}`));
}

/** Conditions by which tests are skipped or run, with the files that have them. */
function conditions(files: SourceFiles): { path: string; condition: string }[] {
  const calls = /\b(?:describe|it|test)\.(?:skipIf|runIf)\(/g;
  return [...files].flatMap(([path, text]) =>
    [...text.matchAll(calls)].map((call) => ({ path, condition: argumentAt(text, call.index + call[0].length) })),
  );
}

/** The text up to the parenthesis that closes a call. */
function argumentAt(text: string, start: number): string {
  let depth = 1;
  let end = start;
  for (; depth > 0 && end < text.length; end++) {
    if (text[end] === "(") depth++;
    if (text[end] === ")") depth--;
  }
  return text.slice(start, end - 1).trim();
}

const tests = new Map([...readSources(["test"])].filter(([path]) => path !== self && path.endsWith(".test.ts")));

describe("tests", () => {
  it("are not switched off", () => {
    expect(tests.size).toBeGreaterThan(50);
    expect(switchedOff(tests)).toEqual([]);
  });

  it("that are skipped for want of something want something that is known", () => {
    const unknown = conditions(tests).filter(
      ({ condition }) => !needs.has(condition) && !onRequest.includes(condition),
    );
    expect(unknown).toEqual([]);
  });

  it.each([...needs])("in CI there is what those with %s need", (_condition, isHere) => {
    expect(isHere() || !process.env.CI).toBe(true);
  });

  it("a planted one that is switched off, and a planted condition, are named", () => {
    const planted = new Map([
      ["x.test.ts", 'it.skip("a");\ndescribe.skipIf(!has("tape"))("b");\nxit("c");\ntest.todo("d")'],
    ]);
    expect(switchedOff(planted)).toEqual(["x.test.ts: it.skip", "x.test.ts: xit(", "x.test.ts: test.todo"]);
    expect(conditions(planted)).toEqual([{ path: "x.test.ts", condition: '!has("tape")' }]);
  });
});

describe("groups of the byte store kit", () => {
  const gated = (capabilities: StoreCapabilities) =>
    byteStoreGroups(capabilities).flatMap(({ gate, name }) => (gate === undefined ? [] : [`${name}: ${gate}`]));
  const { capabilities: disk } = new DiskStore();

  it("all run on a store that can do everything, but for what is about flat keys", () => {
    expect(gated(disk).filter((line) => !/: flatKeys is /.test(line))).toEqual([]);
  });

  it("are left out by a capability that is declared, and by nothing else", () => {
    for (const [name, value] of Object.entries(disk)) {
      const lesser = typeof value === "boolean" ? !value : value === "native" ? "none" : value;
      const without = gated({ ...disk, [name]: lesser });
      for (const line of without) expect(line).toMatch(/: (?:[a-zA-Z]+ is (?:true|false|none|emulated))$/);
    }
  });

  it("that memory leaves out are those about directories and links", () => {
    const names = gated(new MemoryStore().capabilities).filter((line) => !/flatKeys/.test(line));
    expect(names).toEqual(["directories: directories is false", "links: symlinks is false"]);
  });
});
