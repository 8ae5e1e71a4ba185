import fc from "fast-check";
import picomatch from "picomatch";
import { describe, expect, it } from "vitest";
import { escapeGlob, globMatcher } from "../../src/core/glob.ts";

describe("globMatcher", () => {
  it.each([
    ["*.tif", "a.tif", true],
    ["*.tif", "deep/in/a.tif", true],
    ["*.tif", "a.TIF", false],
    ["*", ".hidden", true],
    ["**/*.tif", "a.tif", true],
    ["**/*.tif", "x/y/a.tif", true],
    ["x/*.tif", "x/y/a.tif", false],
    ["x/**", "x/y/a.tif", true],
    ["a**b/c", "a--b/c", true],
    ["a**b/c", "a/b/c", false],
    ["?.tif", "ä.tif", true],
    ["?.tif", "\u{1F52C}.tif", true],
    ["?.tif", "ab.tif", false],
    ["[a-c].tif", "b.tif", true],
    ["[!a-c].tif", "b.tif", false],
    ["[^a-c].tif", "d.tif", true],
    ["[]]x", "]x", true],
    ["[z-a]x", "mx", false],
    ["[!z-a]x", "mx", true],
    ["[z-ab]x", "bx", true],
    ["[a-]x", "-x", true],
    ["[&~|]x", "~x", true],
    ["[\u{1F52C}-\u{1F530}]x", "\u{1F52E}x", true],
    ["[!a]x", "/x", false],
    ["w{1,10}.tif", "w10.tif", true],
    ["w{1,{2,3}}.tif", "w3.tif", true],
    ["w{1,10}.tif", "w2.tif", false],
    ["\\*.tif", "*.tif", true],
    ["\\*.tif", "a.tif", false],
    ["a,b}.tif", "a,b}.tif", true],
    ["(a|b)+.tif", "(a|b)+.tif", true],
    ["C16_w1_[9AA4D9EA-18E4].tif", "C16_w1_[9AA4D9EA-18E4].tif", true],
    ["C16_w?_*.tif", "C16_w1_[9AA4D9EA-18E4].tif", true],
    ["[", "[", true],
    ["a[b", "a[b", true],
  ])("%s on %s is %s", (pattern, path, expected) => {
    expect(globMatcher(pattern)(path)).toBe(expected);
  });

  it.each([[""], ["a{b"], ["a\\"]])("refuses %j", (pattern) => {
    expect(() => globMatcher(pattern)).toThrow(expect.objectContaining({ code: "INVALID_DATA" }));
  });

  it.each([["[z-a]"], ["[a\\]"], ["[\\]-a]"], ["[é-a]x"], ["[!]"], ["[a-]"], ["[--0]"], ["a]b"]])(
    "never throws what is no StorageError: %s",
    (pattern) => {
      try {
        expect(typeof globMatcher(pattern)("a")).toBe("boolean");
      } catch (error) {
        expect(error).toMatchObject({ code: "INVALID_DATA" });
      }
    },
  );

  it("an escaped name matches itself and nothing else", () => {
    const name = fc.string({ unit: fc.constantFrom(..."ab*?[]{}\\,!^-./\u{1F52C}("), minLength: 1 });
    fc.assert(
      fc.property(name, name, (a, b) => {
        const matches = globMatcher(escapeGlob(a));
        const subject = (path: string) => (escapeGlob(a).includes("/") ? path : path.slice(path.lastIndexOf("/") + 1));
        expect(matches(a)).toBe(true);
        expect(matches(b)).toBe(subject(a) === subject(b) || subject(b) === escapeGlob(a));
      }),
      { numRuns: 2000 },
    );
  });

  it("a name with brackets, taken as a pattern, matches itself", () => {
    const name = fc.string({ unit: fc.constantFrom(..."ab1[]!^-._ "), minLength: 1 });
    fc.assert(
      fc.property(name, (path) => {
        let matches: (path: string) => boolean;
        try {
          matches = globMatcher(path);
        } catch (error) {
          expect(error).toMatchObject({ code: "INVALID_DATA" });
          return;
        }
        expect(matches(path)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("against picomatch", () => {
  const segment = fc.constantFrom(
    "*",
    "?",
    "a",
    "b",
    "a*",
    "*b",
    "a?b",
    "{a,b}",
    "a{,b}c",
    "[ab]",
    "[^a]",
    "[a-c]b",
    "x",
  );
  const pattern = fc
    .array(fc.oneof({ weight: 4, arbitrary: segment }, { weight: 1, arbitrary: fc.constant("**") }), {
      minLength: 1,
      maxLength: 4,
    })
    .map((segments) => segments.join("/"));
  const path = fc
    .array(fc.string({ unit: fc.constantFrom("a", "b", "c", "x", "."), minLength: 1, maxLength: 3 }), {
      minLength: 1,
      maxLength: 4,
    })
    .map((segments) => segments.filter((name) => !/^\.+$/.test(name)).join("/"))
    .filter((key) => key !== "");

  it("the common dialect means the same", () => {
    fc.assert(
      fc.property(pattern, path, (glob, key) => {
        const oracle = picomatch(glob, { dot: true, basename: !glob.includes("/"), strictSlashes: true });
        expect(globMatcher(glob)(key), `${glob} on ${key}`).toBe(oracle(key));
      }),
      { numRuns: 20_000 },
    );
  });
});
