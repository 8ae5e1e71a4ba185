import { describe, expect, test } from "vitest";
import { encodeKey, normalizeKey } from "../../src/core/key.ts";

describe("keys and Unicode", () => {
  test("a half surrogate pair is refused: on a disk two such keys would become one", () => {
    for (const key of ["a\ud800", "\udc00b", "a/\ud83d/b"]) {
      expect(() => normalizeKey(key)).toThrowError(expect.objectContaining({ code: "INVALID_KEY" }));
    }
    expect(normalizeKey("a/😀/\uffff")).toBe("a/😀/\uffff");
  });

  test("a key is percent-encoded for URIs, its slashes kept", () => {
    expect(encodeKey("a b/c#d?e%f/é")).toBe("a%20b/c%23d%3Fe%25f/%C3%A9");
    expect(encodeKey("")).toBe("");
  });
});
