/** Checks of byte stores: what their keys are to each other. A tree, in which no value is above another, or flat. */
import { checkEqual, checkRejects, collect } from "./assertions.ts";
import { type ByteStoreCheck, checkKeys, checkStored, keysOf, pattern } from "./byte-store-checks.ts";

export const treeKeyChecks: readonly ByteStoreCheck[] = [
  {
    name: "a value cannot be where a directory is, nor below a value; what is there stays",
    run: async (subject) => {
      const { store, side } = subject;
      await side.put("directory/value", pattern(3));
      await checkRejects(() => store.write("directory", pattern(1)), "IS_A_DIRECTORY", "write over a directory");
      const below = "directory/value/below";
      await checkRejects(() => store.write(below, pattern(1)), "NOT_A_DIRECTORY", "write below a value");
      await checkRejects(() => store.write(`${below}/it`, pattern(1)), "NOT_A_DIRECTORY", "write deeper below a value");
      await checkStored(subject, "directory/value", pattern(3));
      await checkKeys(subject, ["directory/value"], "the stored keys");
    },
  },
  {
    name: "openWriter refuses what write refuses",
    run: async ({ store, side }) => {
      await side.put("a/value", pattern(3));
      await checkRejects(async () => (await store.openWriter("a")).close(), "IS_A_DIRECTORY", "over a directory");
      const below = async () => (await store.openWriter("a/value/below")).close();
      await checkRejects(below, "NOT_A_DIRECTORY", "below a value");
      checkEqual(await side.keys(), ["a/value"], "what is there");
    },
  },
  {
    name: "delete and deleteMany of a directory are IS_A_DIRECTORY, and what is in it stays",
    run: async (subject) => {
      await subject.side.put("a/value", pattern(3));
      await subject.side.put("b", pattern(3));
      await checkRejects(() => subject.store.delete("a"), "IS_A_DIRECTORY", "delete of a directory");
      const results = await subject.store.deleteMany(["a", "b"]);
      checkEqual(
        results.map(({ key, error }) => [key, error?.code]),
        [
          ["a", "IS_A_DIRECTORY"],
          ["b", undefined],
        ],
        "the results of deleteMany",
      );
      await checkKeys(subject, ["a/value"], "what is left");
    },
  },
  {
    name: "directories are not replaced by copy and rename, and nothing is put below a value",
    run: async (subject) => {
      const { store } = subject;
      await subject.side.put("directory/value", pattern(3));
      await subject.side.put("value", pattern(4));
      const replace = { ifExists: "replace" } as const;
      await checkRejects(() => store.copy("value", "directory", replace), "IS_A_DIRECTORY", "copy onto a directory");
      await checkRejects(
        () => store.rename("value", "directory", replace),
        "IS_A_DIRECTORY",
        "rename onto a directory",
      );
      await checkRejects(() => store.rename("value", "value/x"), "NOT_A_DIRECTORY", "rename below itself");
      await checkKeys(subject, ["directory/value", "value"], "what is there");
    },
  },
];

/** Keys of which each but the last is above the next. */
const LADDER = ["a", "a/b", "a/b/c"];

export const flatKeyChecks: readonly ByteStoreCheck[] = [
  {
    name: "a value may lie above and below others, and each is itself",
    run: async (subject) => {
      const { store } = subject;
      for (const [i, key] of ["a/b", "a", "a/b/c"].entries()) {
        if (i < 2) {
          await store.write(key, pattern(10, i));
        } else {
          const writer = await store.openWriter(key);
          await writer.write(pattern(10, i));
          await writer.close();
        }
      }
      for (const [i, key] of ["a/b", "a", "a/b/c"].entries()) {
        await checkStored(subject, key, pattern(10, i));
        checkEqual(await store.read(key), pattern(10, i), `read("${key}")`);
        const { kind, byteLength } = await store.stat(key);
        checkEqual([kind, byteLength], ["file", 10], `stat("${key}")`);
      }
      checkEqual(await keysOf(store), LADDER, "the listing");
      await store.write("a", pattern(3));
      await checkStored(subject, "a/b", pattern(10, 0), "what is below a value that was replaced");
      await store.delete("a/b");
      await checkKeys(subject, ["a", "a/b/c"], "what is left after a delete in the middle");
      checkEqual((await store.stat("a/b")).kind, "directory", "the kind of what has no value and keys below it");
    },
  },
  {
    name: "with a delimiter, a name that is a value and a directory is listed as both, each in its place",
    run: async ({ store, side }) => {
      for (const key of ["a", "a/b", "a-b", "a0"]) await side.put(key, pattern(3));
      const entries = await collect(store.list({ delimiter: "/" }));
      checkEqual(
        entries.map(({ kind, key }) => `${kind} ${key}`),
        ["file a", "file a-b", "directory a", "file a0"],
        "the listing",
      );
      checkEqual(await keysOf(store, { delimiter: "/", startAfter: "a" }), ["a-b", "a", "a0"], 'after "a"');
      checkEqual(await keysOf(store, { delimiter: "/", startAfter: "a/" }), ["a0"], 'after "a/"');
    },
  },
  {
    name: "deleting what has no value removes nothing, whatever lies below it",
    run: async (subject) => {
      const { store, side } = subject;
      for (const key of ["a/b", "c", "c/d"]) await side.put(key, pattern(3));
      await store.delete("a");
      const results = await store.deleteMany(["a", "c"]);
      checkEqual(results, [{ key: "a" }, { key: "c" }], "the results of deleteMany");
      await checkKeys(subject, ["a/b", "c/d"], "what is left");
    },
  },
  {
    name: "copy and rename reach places above and below values, and take one value each",
    run: async (subject) => {
      const { store, side } = subject;
      await side.put("a", pattern(4));
      await side.put("d/e", pattern(5));
      await store.copy("a", "d");
      await store.rename("a", "a/f");
      await checkStored(subject, "d", pattern(4));
      await checkStored(subject, "a/f", pattern(4));
      await store.rename("d", "g");
      await checkStored(subject, "g", pattern(4));
      await checkKeys(subject, ["a/f", "d/e", "g"], "what is there");
      await checkRejects(() => store.copy("d", "x"), "IS_A_DIRECTORY", "copy of what has no value");
    },
  },
  {
    name: "ifAbsent asks for the value only: what lies below the key is nothing to it",
    run: async (subject) => {
      const { store, side } = subject;
      await side.put("a/b", pattern(3));
      const ifAbsent = store.capabilities.ifAbsent === "none" ? undefined : true;
      await store.write("a", pattern(4), { ifAbsent });
      if (ifAbsent) await checkRejects(() => store.write("a", pattern(5), { ifAbsent }), "ALREADY_EXISTS", "again");
      await checkStored(subject, "a", pattern(4));
      await checkStored(subject, "a/b", pattern(3));
    },
  },
];
