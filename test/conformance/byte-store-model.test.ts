import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ByteStore } from "../../src/core/byte-store.ts";
import { isStorageError } from "../../src/core/errors.ts";
import { compareKeys } from "../../src/core/key.ts";
import { checkEqual, collect } from "../../src/testing/assertions.ts";
import { drain } from "../../src/testing/byte-store-checks.ts";
import { freshDisk, freshMemory } from "../support/byte-stores.ts";

/** Keys of which none is a directory of another, so that a map says all there is to say. */
const KEYS = ["a/x", "a/y z", "a-b", "a0", "b", "c/d/e[1]", "c/d/😀", "c/d/\uffee", ".h"];

const key = fc.constantFrom(...KEYS);
const bytes = fc.uint8Array({ maxLength: 300 });
const ifExists = fc.constantFrom("error" as const, "replace" as const);
const range = fc.oneof(
  fc.record({ offset: fc.nat(350), length: fc.nat(350) }),
  fc.record({ offset: fc.nat(350) }),
  fc.record({ suffix: fc.nat(350) }),
);

/** One step, as data, so that a counter-example can be read and kept. */
const step = fc.oneof(
  fc.record({ op: fc.constant("write" as const), key, bytes, ifAbsent: fc.boolean() }),
  fc.record({ op: fc.constant("set" as const), key, bytes, isFresh: fc.boolean() }),
  fc.record({
    op: fc.constant("stream" as const),
    key,
    parts: fc.array(bytes, { maxLength: 4 }),
    isKept: fc.boolean(),
  }),
  fc.record({ op: fc.constant("read" as const), key, range: fc.option(range, { nil: undefined }) }),
  fc.record({ op: fc.constant("delete" as const), keys: fc.array(key, { maxLength: 3 }), isMany: fc.boolean() }),
  fc.record({ op: fc.constant("copy" as const), key, to: key, ifExists }),
  fc.record({ op: fc.constant("rename" as const), key, to: key, ifExists }),
  fc.record({
    op: fc.constant("list" as const),
    prefix: fc.constantFrom("", "a", "a/", "c/d/", "c/d", "x"),
    startAfter: fc.option(key, { nil: undefined }),
    isShallow: fc.boolean(),
  }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** The answer of some work: its result, or the code of its error. */
async function outcome<T>(work: () => Promise<T>): Promise<T | { code: string }> {
  try {
    return await work();
  } catch (error) {
    if (isStorageError(error)) return { code: error.code };
    throw error;
  }
}

/** What a map of values would answer, and the change that the step makes to it. */
function expected(model: Map<string, Uint8Array>, etags: Map<string, string>, step: Step): unknown {
  switch (step.op) {
    case "write":
      if (step.ifAbsent && model.has(step.key)) return { code: "ALREADY_EXISTS" };
      model.set(step.key, step.bytes);
      return step.bytes.length;
    case "set":
      if (!step.isFresh || !etags.has(step.key)) return { code: "PRECONDITION_FAILED" };
      model.set(step.key, step.bytes);
      return step.bytes.length;
    case "stream": {
      const whole = new Uint8Array(step.parts.flatMap((part) => [...part]));
      if (step.isKept) model.set(step.key, whole);
      return step.isKept ? whole.length : undefined;
    }
    case "read": {
      const value = model.get(step.key);
      if (value === undefined) return { code: "NOT_FOUND" };
      if (step.range === undefined) return value;
      if ("suffix" in step.range) return value.slice(Math.max(0, value.length - step.range.suffix));
      if (step.range.offset > value.length) return { code: "OUT_OF_RANGE" };
      const { offset, length = value.length } = step.range as { offset: number; length?: number };
      return value.slice(offset, offset + length);
    }
    case "delete":
      for (const each of step.keys) model.delete(each);
      return undefined;
    case "copy":
    case "rename": {
      const value = model.get(step.key);
      if (value === undefined) return { code: "NOT_FOUND" };
      if (step.ifExists === "error" && model.has(step.to)) return { code: "ALREADY_EXISTS" };
      if (step.op === "rename") model.delete(step.key);
      model.set(step.to, value);
      return undefined;
    }
    case "list": {
      const { prefix, startAfter = "", isShallow } = step;
      const groups = new Map<string, string>();
      for (const each of model.keys()) {
        if (!each.startsWith(prefix)) continue;
        const slash = isShallow ? each.indexOf("/", prefix.length) : -1;
        const position = slash < 0 ? each : each.slice(0, slash + 1);
        if (compareKeys(position, startAfter) > 0)
          groups.set(position, slash < 0 ? each : `${each.slice(0, slash)} (directory)`);
      }
      return [...groups.keys()].sort(compareKeys).map((position) => groups.get(position));
    }
  }
}

/** The same step on a real store. */
async function actual(store: ByteStore, etags: Map<string, string>, step: Step): Promise<unknown> {
  switch (step.op) {
    case "write": {
      const result = await store.write(step.key, step.bytes, { ifAbsent: step.ifAbsent });
      return result.byteLength;
    }
    case "set": {
      const ifMatch = step.isFresh ? (etags.get(step.key) ?? "none") : "stale";
      return (await store.write(step.key, step.bytes, { ifMatch })).byteLength;
    }
    case "stream": {
      await using writer = await store.openWriter(step.key);
      await Promise.all(step.parts.map((part) => writer.write(part)));
      return step.isKept ? (await writer.close()).byteLength : undefined;
    }
    case "read": {
      const options = step.range === undefined ? {} : { range: step.range };
      const whole = await store.read(step.key, options);
      checkEqual((await drain(await store.readStream(step.key, options))).bytes, whole, "the stream");
      return whole;
    }
    case "delete":
      if (step.isMany) await store.deleteMany(step.keys);
      else for (const each of step.keys) await store.delete(each);
      return undefined;
    case "copy":
      await store.copy(step.key, step.to, { ifExists: step.ifExists });
      return undefined;
    case "rename":
      await store.rename(step.key, step.to, { ifExists: step.ifExists });
      return undefined;
    case "list": {
      const { prefix, startAfter, isShallow } = step;
      const entries = await collect(store.list({ prefix, startAfter, delimiter: isShallow ? "/" : undefined }));
      return entries.map((entry) => (entry.kind === "directory" ? `${entry.key} (directory)` : entry.key));
    }
  }
}

describe.each([
  ["MemoryStore", freshMemory, 300],
  ["DiskStore", () => freshDisk({ durability: "none" }), 120],
] as const)("any sequence of operations on a %s", (name, make, numRuns) => {
  test("answers as a map would, and leaves what a map would hold", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
        const { store, side, dispose } = await make();
        const model = new Map<string, Uint8Array>();
        const etags = new Map<string, string>();
        try {
          for (const each of steps) {
            const answer = await outcome(() => actual(store, etags, each));
            const wanted = expected(model, etags, each);
            // Real directories outlive what was in them; a shallow listing shows them, rightly.
            const isDisk = name === "DiskStore" && each.op === "list" && each.isShallow;
            const isLeft = (line: unknown) =>
              String(line).endsWith("(directory)") && !(wanted as unknown[]).includes(line);
            checkEqual(isDisk ? (answer as unknown[]).filter((line) => !isLeft(line)) : answer, wanted, each.op);
            etags.clear();
            for (const held of model.keys()) etags.set(held, (await store.stat(held)).etag as string);
          }
          expect((await side.keys()).sort()).toEqual([...model.keys()].sort());
          for (const [held, value] of model) checkEqual(await side.get(held), value, held);
        } finally {
          await store.close();
          await dispose?.();
        }
      }),
      { numRuns },
    );
  }, 60_000);
});
