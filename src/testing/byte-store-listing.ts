/** Checks of byte stores: listings. */
import type { ByteStore } from "../core/byte-store.ts";
import { compareKeys } from "../core/key.ts";
import { check, checkEqual, checkRejects, collect } from "./assertions.ts";
import { type ByteStoreCheck, fired, keysOf, pattern, text } from "./byte-store-checks.ts";
import type { SideDoor } from "./byte-store-kit.ts";

/** More than one page of any service that we know. */
const MANY = 1203;

/** Keys whose order by bytes, by UTF-16 units and by levels all differ. */
const ORDERED = ["A", "a-b", "a.txt", "a/a/z", "a/b", "a0", "b", "é", "\uff5e", "\uffee/x", "😀"];

export const listingChecks: readonly ByteStoreCheck[] = [
  {
    name: "lists every value at any depth with its length, and nothing else",
    run: async ({ store, side }) => {
      await putAll(side, ["a/b/c/d", "a/b/e", "f"]);
      const entries = await collect(store.list());
      checkEqual(
        entries.map(({ key, kind, byteLength }) => [key, kind, byteLength]),
        [
          ["a/b/c/d", "file", 7],
          ["a/b/e", "file", 5],
          ["f", "file", 1],
        ],
        "the listing",
      );
      for (const entry of entries) {
        const stat = await store.stat(entry.key);
        if (entry.etag !== undefined) checkEqual(entry.etag, stat.etag, `the listed etag of "${entry.key}"`);
      }
    },
  },
  {
    name: "an empty store lists nothing",
    run: async ({ store }) => {
      checkEqual(await keysOf(store), [], "the listing");
      checkEqual(await keysOf(store, { prefix: "no/such/" }), [], "the listing of a prefix");
      checkEqual(await keysOf(store, { delimiter: "/" }), [], "the shallow listing");
    },
  },
  {
    name: "orders by the UTF-8 bytes of the full key",
    run: async ({ store, side }) => {
      await putAll(side, [...ORDERED].reverse());
      checkEqual(await keysOf(store), ORDERED, "the listing");
    },
  },
  {
    name: "a prefix need not end at a slash, and does not take siblings in",
    run: async ({ store, side }) => {
      await putAll(side, ["run", "run1/a", "run10/a", "run2", "x/run1"]);
      checkEqual(await keysOf(store, { prefix: "run1" }), ["run1/a", "run10/a"], 'prefix "run1"');
      checkEqual(await keysOf(store, { prefix: "run1/" }), ["run1/a"], 'prefix "run1/"');
      checkEqual(await keysOf(store, { prefix: "run1/a" }), ["run1/a"], "a whole key as prefix");
      checkEqual(await keysOf(store, { prefix: "run1/a/" }), [], "a prefix below a value");
      checkEqual(await keysOf(store, { prefix: "un" }), [], "a prefix from the middle of a name");
    },
  },
  {
    name: "with a delimiter, groups what is below the next slash",
    run: async ({ store, side }) => {
      await putAll(side, ["a/b/c", "a/b/d", "a/e", "a-b", "f"]);
      checkEqual(await shallow(store, ""), ["file a-b", "directory a", "file f"], "the root");
      checkEqual(await shallow(store, "a/"), ["directory a/b", "file a/e"], "a directory");
      checkEqual(await shallow(store, "a"), ["file a-b", "directory a"], "a prefix of names");
      checkEqual(await shallow(store, "a/b/"), ["file a/b/c", "file a/b/d"], "a deeper directory");
    },
  },
  {
    name: "startAfter is exclusive, and need not exist",
    run: async ({ store, side }) => {
      await putAll(side, ["a", "b", "c/x", "c/y", "d"]);
      checkEqual(await keysOf(store, { startAfter: "b" }), ["c/x", "c/y", "d"], 'after "b"');
      checkEqual(await keysOf(store, { startAfter: "c/x" }), ["c/y", "d"], 'after "c/x"');
      checkEqual(await keysOf(store, { startAfter: "bb" }), ["c/x", "c/y", "d"], 'after "bb", which is not there');
      checkEqual(await keysOf(store, { startAfter: "c" }), ["c/x", "c/y", "d"], 'after "c", a directory');
      checkEqual(await keysOf(store, { startAfter: "d" }), [], "after the last");
      checkEqual(await keysOf(store, { prefix: "c/", startAfter: "c/x" }), ["c/y"], "with a prefix");
      checkEqual(
        await keysOf(store, { delimiter: "/", startAfter: "c/" }),
        ["d"],
        "with a delimiter, after a directory",
      );
      checkEqual(
        await keysOf(store, { delimiter: "/", startAfter: "b" }),
        ["c", "d"],
        "with a delimiter, after a value",
      );
    },
  },
  {
    name: "startAfter may lie before the prefix, within it or behind it",
    run: async ({ store, side }) => {
      await putAll(side, ["a", "c/x", "c/y", "d/x", "e"]);
      for (const [startAfter, expected] of [
        ["a", ["c/x", "c/y"]],
        ["b/x", ["c/x", "c/y"]],
        ["c", ["c/x", "c/y"]],
        ["c/x", ["c/y"]],
        ["c/z", []],
        ["d", []],
      ] as const) {
        const what = `prefix "c/", after "${startAfter}"`;
        checkEqual(await keysOf(store, { prefix: "c/", startAfter }), [...expected], what);
        checkEqual(
          await keysOf(store, { prefix: "c/", startAfter, delimiter: "/" }),
          [...expected],
          `${what}, shallow`,
        );
      }
    },
  },
  {
    name: `lists ${MANY} keys completely and in order, and continues anywhere`,
    run: async ({ store, side }) => {
      const keys = Array.from({ length: MANY }, (_, i) => `many/${i % 7}/${i}`);
      await Promise.all(keys.map((key) => side.put(key, text("."))));
      await side.put("other", text("."));
      const sorted = [...keys].sort(compareKeys);
      checkEqual(await keysOf(store, { prefix: "many/" }), sorted, "the listing");
      const place = Math.floor(MANY / 2);
      const startAfter = sorted[place] as string;
      checkEqual(await keysOf(store, { prefix: "many/", startAfter }), sorted.slice(place + 1), "the second half");
      const flat = Array.from({ length: MANY }, (_, i) => `flat/${i}`);
      await Promise.all(flat.map((key) => side.put(key, text("."))));
      const inOne = await keysOf(store, { prefix: "flat/", delimiter: "/" });
      checkEqual(inOne, flat.sort(compareKeys), "a directory of many values");
    },
  },
  {
    name: "listing is lazy: a caller may stop, and see what it needs",
    run: async ({ store, side }) => {
      await putAll(side, ["a", "b", "c"]);
      const seen: string[] = [];
      for await (const entry of store.list()) {
        seen.push(entry.key);
        if (seen.length === 2) break;
      }
      checkEqual(seen, ["a", "b"], "the first two");
      checkEqual(await keysOf(store), ["a", "b", "c"], "a second listing");
    },
  },
  {
    name: "odd names are listed as they are",
    run: async ({ store, side }) => {
      const keys = [".hidden", "a b/c d", "a%20b", "p+q#r?s", "x[1]", "y\\z"].sort(compareKeys);
      await putAll(side, keys);
      checkEqual(await keysOf(store), keys, "the listing");
    },
  },
  {
    name: "a listing with a signal that fires ends with ABORTED",
    run: async ({ store, side }) => {
      await putAll(side, ["a", "b", "c"]);
      await checkRejects(() => keysOf(store, { signal: fired() }), "ABORTED", "list");
      const controller = new AbortController();
      const listing = async () => {
        for await (const entry of store.list({ signal: controller.signal })) {
          check(entry.key === "a", `Nothing after the abort, got "${entry.key}"`);
          controller.abort();
        }
      };
      await checkRejects(listing, "ABORTED", "a listing under way");
    },
  },
  {
    name: "a prefix that leaves the root is INVALID_KEY",
    run: async ({ store }) => {
      for (const prefix of ["../", "a/../../b/", "x\0"]) {
        await checkRejects(() => keysOf(store, { prefix }), "INVALID_KEY", `prefix ${JSON.stringify(prefix)}`);
      }
    },
  },
];

/** Values whose length is that of their key. */
async function putAll(side: SideDoor, keys: readonly string[]): Promise<void> {
  for (const key of keys) await side.put(key, pattern(key.length));
}

async function shallow(store: ByteStore, prefix: string): Promise<string[]> {
  return (await collect(store.list({ prefix, delimiter: "/" }))).map(({ kind, key }) => `${kind} ${key}`);
}
