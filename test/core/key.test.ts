import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isStorageError } from "../../src/core/errors.ts";
import { baseName, compareKeys, isInside, joinKey, normalizeKey, parentKey } from "../../src/core/key.ts";

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    if (isStorageError(error)) return error.code;
    throw error;
  }
  return undefined;
}

/** Any string that is valid UTF-16, with the characters that matter to keys more often than chance has them. */
const text = fc.string({ unit: fc.oneof(fc.constantFrom("/", ".", "..", "a", "b"), fc.string({ unit: "binary" })) });

describe("normalizeKey", () => {
  it.each([
    ["./a//b/../c", "a/c"],
    ["a/b/", "a/b"],
    ["/a", "a"],
    ["", ""],
    [".", ""],
    ["/", ""],
    ["a/..", ""],
    ["..a/b..", "..a/b.."],
    ["a\\b", "a\\b"],
    ["C16_w1_[9AA4D9EA-18E4].tif", "C16_w1_[9AA4D9EA-18E4].tif"],
    ["ä #?%20 \u{1F52C}", "ä #?%20 \u{1F52C}"],
  ])("%j is %j", (key, expected) => {
    expect(normalizeKey(key)).toBe(expected);
  });

  it("keeps, strips or refuses a leading slash", () => {
    expect(normalizeKey("/a/b", { absolute: "keep" })).toBe("/a/b");
    expect(normalizeKey("/", { absolute: "keep" })).toBe("/");
    expect(normalizeKey("a", { absolute: "keep" })).toBe("a");
    expect(normalizeKey("//a", { absolute: "strip" })).toBe("a");
    expect(codeOf(() => normalizeKey("/a", { absolute: "refuse" }))).toBe("INVALID_KEY");
  });

  it.each([["../a"], ["a/../../b"], ["/.."], ["a\0b"]])("refuses %j", (key) => {
    expect(codeOf(() => normalizeKey(key))).toBe("INVALID_KEY");
  });

  it.each([[undefined], [null], [7], [{}], [["a"]]])("refuses %j, which is no string", (key) => {
    expect(codeOf(() => normalizeKey(key as unknown as string))).toBe("INVALID_KEY");
  });

  it("is idempotent, and its result has no empty, . or .. segment", () => {
    fc.assert(
      fc.property(text, fc.constantFrom("strip", "keep"), (key, absolute) => {
        let normal: string;
        try {
          normal = normalizeKey(key, { absolute });
        } catch (error) {
          if (isStorageError(error, "INVALID_KEY")) return;
          throw error;
        }
        expect(normalizeKey(normal, { absolute })).toBe(normal);
        const segments = normal.replace(/^\//, "").split("/");
        if (normal !== "" && normal !== "/") for (const segment of segments) expect(segment).not.toMatch(/^\.{0,2}$/);
      }),
    );
  });
});

describe("parts of keys", () => {
  it("a key is its parent joined with its name", () => {
    const segment = fc.string({ minLength: 1 }).filter((name) => !/[/\0]|^\.\.?$/.test(name));
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1 }), fc.boolean(), (segments, isAbsolute) => {
        const key = (isAbsolute ? "/" : "") + segments.join("/");
        expect(joinKey(parentKey(key), baseName(key))).toBe(key);
        expect(isInside(key, parentKey(key))).toBe(true);
      }),
    );
  });

  it("the root is its own parent, and joining to it adds nothing", () => {
    expect(parentKey("a")).toBe("");
    expect(parentKey("")).toBe("");
    expect(parentKey("/a")).toBe("/");
    expect(joinKey("", "a")).toBe("a");
    expect(joinKey(".", "a")).toBe("a");
    expect(joinKey("/", "a")).toBe("/a");
    expect(joinKey("a/", "b")).toBe("a/b");
  });

  it("inside means at or below, by whole segments", () => {
    expect(isInside("a/b", "a/b")).toBe(true);
    expect(isInside("a/b/c", "a/b")).toBe(true);
    expect(isInside("a/bc", "a/b")).toBe(false);
    expect(isInside("a", "")).toBe(true);
    expect(isInside("/a", "")).toBe(false);
    expect(isInside("/a", "/")).toBe(true);
  });
});

describe("compareKeys", () => {
  it("orders as the UTF-8 bytes do", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (a, b) => {
        expect(Math.sign(compareKeys(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
      { numRuns: 1000 },
    );
  });

  it("puts characters beyond U+FFFF last, where UTF-16 order does not", () => {
    const keys = ["\u{1F52C}", "\uFF21", "a", "ä"];
    expect([...keys].sort(compareKeys)).toEqual(["a", "ä", "\uFF21", "\u{1F52C}"]);
    expect([...keys].sort()).toEqual(["a", "ä", "\u{1F52C}", "\uFF21"]);
  });
});
