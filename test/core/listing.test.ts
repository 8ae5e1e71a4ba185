import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ListOptions } from "../../src/core/byte-store.ts";
import { compareKeys } from "../../src/core/key.ts";
import { splitPrefix, type TreeEntry, walkTree } from "../../src/core/listing.ts";

/** A walk over the tree that some keys imply, and the directories it read. */
async function walk(keys: readonly string[], options: ListOptions = {}, read: string[] = []): Promise<string[]> {
  const readDirectory = async (directory: string): Promise<TreeEntry[]> => {
    read.push(directory);
    const base = directory === "" ? "" : `${directory}/`;
    const entries = new Map<string, TreeEntry>();
    for (const key of keys) {
      if (!key.startsWith(base)) continue;
      const [name = "", ...below] = key.slice(base.length).split("/");
      entries.set(name, { name, kind: below.length > 0 ? "directory" : "file" });
    }
    return [...entries.values()];
  };
  const found: string[] = [];
  for await (const { key, kind } of walkTree(options, readDirectory))
    found.push(kind === "directory" ? `${key}/` : key);
  return found;
}

/** Keys of a tree: none is a directory of another. */
const treeKeys = fc
  .array(fc.array(fc.constantFrom("a", "b", "a-", "a.", "a0", "\u{ffff}", "😀"), { minLength: 1, maxLength: 4 }))
  .map((paths) => {
    const keys = [...new Set(paths.map((path) => path.join("/")))];
    return keys.filter((key) => !keys.some((other) => other.startsWith(`${key}/`)));
  });

describe("walkTree", () => {
  test("orders by the UTF-8 bytes of the full key, not level by level", async () => {
    const keys = ["a/b", "a0", "a-b", "a.txt", "a/a/z", "b"];
    expect(await walk(keys)).toEqual(["a-b", "a.txt", "a/a/z", "a/b", "a0", "b"]);
  });

  test("answers, for any prefix and start, what filtering the sorted keys answers", async () => {
    await fc.assert(
      fc.asyncProperty(treeKeys, fc.nat(), fc.nat(), fc.nat(4), async (keys, pick, pickStart, cut) => {
        const sorted = [...keys].sort(compareKeys);
        const prefix = [...(sorted[pick % (sorted.length || 1)] ?? "")].slice(0, cut).join("");
        const startAfter = sorted[pickStart % (sorted.length || 1)] ?? "";
        const expected = sorted.filter((key) => key.startsWith(prefix) && compareKeys(key, startAfter) > 0);
        expect(await walk(keys, { prefix, startAfter })).toEqual(expected);
      }),
    );
  });

  test("with a delimiter, yields one entry for each directory, where its keys stand, and continues after it", async () => {
    const keys = ["a/b", "a/c", "a-b", "a0"];
    expect(await walk(keys, { delimiter: "/" })).toEqual(["a-b", "a/", "a0"]);
    expect(await walk(keys, { delimiter: "/", startAfter: "a/" })).toEqual(["a0"]);
    expect(await walk(keys, { delimiter: "/", startAfter: "a-b" })).toEqual(["a/", "a0"]);
    expect(await walk(keys, { delimiter: "/", prefix: "a/" })).toEqual(["a/b", "a/c"]);
  });

  test("reads only directories that can hold an answer", async () => {
    const read: string[] = [];
    await walk(["a/x", "b/x", "c/x"], { startAfter: "b/x" }, read);
    expect(read).toEqual(["", "b", "c"]);
    const below: string[] = [];
    await walk(["a/p/x", "b/x"], { prefix: "a/p" }, below);
    expect(below).toEqual(["a", "a/p"]);
  });
});

describe("splitPrefix", () => {
  test("normalises the directory and leaves the rest alone", () => {
    expect(splitPrefix("/a//b/../c/..d")).toEqual({ directory: "a/c", namePrefix: "..d" });
    expect(splitPrefix("")).toEqual({ directory: "", namePrefix: "" });
    for (const prefix of ["../x", "a/../../b/", "x\0"]) expect(() => splitPrefix(prefix)).toThrow(/leaves|NUL/);
  });
});
