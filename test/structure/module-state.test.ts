import { describe, expect, it } from "vitest";
import { checkModuleState } from "./module-state.ts";
import { readProduct } from "./source-files.ts";

/** The only files that may keep something, and why. */
const reasons = {
  "registry/default-set.ts": "the default registry and its backend set, for getBackend(key) and resetMemoryBackend()",
  "backends/disk/path-locks.ts": "turns in changing one file; two stores on one folder must wait for each other",
  "backends/disk/temp-name.ts": "number and start of this process, asked for once; they never change",
  "src/codecs/crc32c.ts": "lookup tables, made on first use; the same numbers for everybody",
};
const allowed = Object.keys(reasons);

describe("process-wide state", () => {
  // Parses every source, which takes long on a busy machine.
  it("there is none outside the files with a reason", () => {
    expect(checkModuleState(readProduct(), allowed)).toEqual([]);
  }, 120_000);

  it.each([
    ["let count = 0;", '"count" can be reassigned'],
    ["export let current: string | undefined;", '"current" can be reassigned'],
    ["const cache = new Map(); export function f() { cache.set(1, 2); }", 'changes "cache"'],
    ["const list: string[] = []; export const f = () => list.push('a');", 'changes "list"'],
    ["const box = { n: 0 }; function f() { box.n++; }", 'changes "box"'],
    ["const box = { n: { m: 0 } }; function f() { box.n.m = 1; }", 'changes "box"'],
    ["const table = new Uint8Array(4); class A { m() { table[0] = 1; } }", 'changes "table"'],
    ["const box: any = {}; function f() { delete box.a; }", 'changes "box"'],
    ["const registry = new Registry();", '"registry" is one Registry'],
    ["class A { static last = 1; }", 'static "last"'],
    ["class A { static readonly all = new Set(); }", 'static "all"'],
    ["export function f() { (globalThis as any).x = 1; }", "changes globalThis"],
  ])("names a planted one: %s", (text, expected) => {
    const violations = checkModuleState(new Map([["src/core/a.ts", text]]), allowed);
    expect(violations).toHaveLength(1);
    expect(violations[0]).toMatch(/^src\/core\/a\.ts:1: /);
    expect(violations[0]).toContain(expected);
  });

  it.each([
    "const table = new Uint32Array(256); for (let i = 0; i < 256; i++) table[i] = i;",
    "const known = new Map([['a', 1]]); export const f = (k: string) => known.get(k);",
    "const cache = 1; function f() { const cache = new Map(); cache.set(1, 2); return cache; }",
    "const names = ['a'] as const; function f(names: string[]) { names.push('b'); }",
    "class A { static readonly key = 'a'; #list: string[] = []; m() { this.#list.push('x'); } }",
    "function f() { let n = 0; n++; return n; }",
  ])("lets constants pass: %s", (text) => {
    expect(checkModuleState(new Map([["src/core/a.ts", text]]), allowed)).toEqual([]);
  });

  it("lets the one exception pass", () => {
    expect(checkModuleState(new Map([["registry/default-set.ts", "let set: unknown;"]]), allowed)).toEqual([]);
  });
});
