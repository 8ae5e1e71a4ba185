/** Checks of byte stores: deleting, copying, renaming. */
import { check, checkEqual, checkRejects } from "./assertions.ts";
import { type ByteStoreCheck, checkEtag, checkKeys, checkStored, fired, pattern } from "./byte-store-checks.ts";

export const deleteChecks: readonly ByteStoreCheck[] = [
  {
    name: "delete removes one value and no other",
    run: async (subject) => {
      for (const key of ["a", "ab", "a b", "b/a", "b/ab"]) await subject.side.put(key, pattern(3));
      await subject.store.delete("a");
      await subject.store.delete("b/a");
      await checkKeys(subject, ["ab", "a b", "b/ab"], "what is left");
    },
  },
  {
    name: "delete of a missing key is fine, of the root IS_A_DIRECTORY",
    run: async (subject) => {
      await subject.side.put("a/value", pattern(3));
      for (const key of ["missing", "x/y/missing", "a/value/below"]) await subject.store.delete(key);
      await checkRejects(() => subject.store.delete(""), "IS_A_DIRECTORY", "delete of the root");
      await checkRejects(() => subject.store.delete("a/value", { signal: fired() }), "ABORTED", "an aborted delete");
      await checkKeys(subject, ["a/value"], "what is left");
    },
  },
  {
    name: "deleteMany removes what it is told, spares siblings, and answers for each key in order",
    run: async (subject) => {
      const { store, side } = subject;
      const kept = ["run10/a", "run1.txt", "run1 /a", "run", "d/x"];
      for (const key of ["run1/a", "run1/b", "z", ...kept]) await side.put(key, pattern(3));
      const asked = ["run1/a", "missing", "../out", "", "run1/b", "z", "run1/a"];
      const results = await store.deleteMany(asked);
      checkEqual(
        results.map(({ key, error }) => [key, error?.code]),
        [
          ["run1/a", undefined],
          ["missing", undefined],
          ["../out", "INVALID_KEY"],
          ["", "IS_A_DIRECTORY"],
          ["run1/b", undefined],
          ["z", undefined],
          ["run1/a", undefined],
        ],
        "the results",
      );
      await checkKeys(subject, kept, "what is left");
      checkEqual(await store.deleteMany([]), [], "deleteMany of nothing");
    },
  },
  {
    name: "deleteMany takes more keys than one page of any service",
    run: async (subject) => {
      const keys = Array.from({ length: 1005 }, (_, i) => `d/${i}`);
      await Promise.all(keys.map((key) => subject.side.put(key, pattern(1))));
      const results = await subject.store.deleteMany(keys);
      checkEqual(results.length, keys.length, "the number of results");
      check(
        results.every((result, i) => result.error === undefined && result.key === keys[i]),
        "A key has no answer",
      );
      await checkKeys(subject, [], "what is left");
    },
  },
  {
    name: "a signal that has fired deletes nothing, of many keys, of one and of none",
    run: async (subject) => {
      const { store } = subject;
      for (const key of ["a", "b"]) await subject.side.put(key, pattern(3));
      const options = { signal: fired() };
      for (const keys of [["a", "b"], ["a"], []]) {
        await checkRejects(() => store.deleteMany(keys, options), "ABORTED", `deleteMany of ${keys.length} keys`);
      }
      await checkRejects(() => store.delete("a", options), "ABORTED", "delete");
      await checkKeys(subject, ["a", "b"], "what is left");
    },
  },
  {
    name: "a deleted key can be written again",
    run: async (subject) => {
      await subject.store.write("a/value", pattern(3));
      await subject.store.delete("a/value");
      await checkRejects(() => subject.store.read("a/value"), "NOT_FOUND", "read of a deleted key");
      await subject.store.write("a/value", pattern(4), {
        ifAbsent: subject.store.capabilities.ifAbsent === "none" ? undefined : true,
      });
      await checkStored(subject, "a/value", pattern(4));
    },
  },
];

export const transferChecks: readonly ByteStoreCheck[] = [
  {
    name: "copy makes a second value of its own, and directories for it",
    run: async (subject) => {
      const { store, side } = subject;
      await side.put("from", pattern(2_000_000));
      const result = await store.copy("from", "new/to");
      checkEqual(result.byteLength, 2_000_000, "the length");
      checkEtag(result.etag);
      checkEqual((await store.stat("new/to")).etag, result.etag, "the etag in stat");
      await store.write("from", pattern(3));
      await checkStored(subject, "new/to", pattern(2_000_000), "the copy after the source changed");
    },
  },
  {
    name: "rename moves the value: the source is gone",
    run: async (subject) => {
      await subject.side.put("a/from", pattern(100));
      await subject.store.rename("a/from", "new/to");
      await checkStored(subject, "new/to", pattern(100));
      await checkRejects(() => subject.store.stat("a/from"), "NOT_FOUND", "stat of the source");
      await checkKeys(subject, ["new/to"], "what is there");
    },
  },
  {
    name: "copy and rename keep an existing target unless they are told to replace it",
    run: async (subject) => {
      const { store, side } = subject;
      await side.put("from", pattern(3));
      await side.put("to", pattern(50));
      await checkRejects(() => store.copy("from", "to"), "ALREADY_EXISTS", "copy");
      await checkRejects(() => store.rename("from", "to"), "ALREADY_EXISTS", "rename");
      await checkRejects(() => store.rename("from", "to", { ifExists: "error" }), "ALREADY_EXISTS", "rename");
      await checkStored(subject, "from", pattern(3));
      await checkStored(subject, "to", pattern(50));
      await store.copy("from", "to", { ifExists: "replace" });
      await checkStored(subject, "to", pattern(3), "the copy");
      await side.put("again", pattern(60));
      await store.rename("again", "to", { ifExists: "replace" });
      await checkStored(subject, "to", pattern(60), "the renamed value");
      await checkKeys(subject, ["from", "to"], "what is there");
    },
  },
  {
    name: "a missing source is NOT_FOUND, and the target stays",
    run: async (subject) => {
      const { store } = subject;
      await subject.side.put("to", pattern(3));
      for (const from of ["missing", "x/missing", "to/below"]) {
        await checkRejects(() => store.copy(from, "to", { ifExists: "replace" }), "NOT_FOUND", `copy of "${from}"`);
        await checkRejects(() => store.rename(from, "to", { ifExists: "replace" }), "NOT_FOUND", `rename of "${from}"`);
        await checkRejects(() => store.copy(from, "new"), "NOT_FOUND", `copy of "${from}"`);
      }
      await checkStored(subject, "to", pattern(3));
      await checkKeys(subject, ["to"], "what is there");
    },
  },
  {
    name: "directories are not copied or renamed by these",
    run: async (subject) => {
      const { store } = subject;
      await subject.side.put("directory/value", pattern(3));
      await checkRejects(() => store.copy("directory", "x"), "IS_A_DIRECTORY", "copy of a directory");
      await checkRejects(() => store.rename("directory", "x"), "IS_A_DIRECTORY", "rename of a directory");
      await checkKeys(subject, ["directory/value"], "what is there");
    },
  },
  {
    name: "copy and rename onto the same key lose nothing",
    run: async (subject) => {
      const { store } = subject;
      await subject.side.put("value", pattern(100));
      const replace = { ifExists: "replace" } as const;
      await store.rename("value", "./value", replace);
      await checkStored(subject, "value", pattern(100));
      await store.copy("value", "value", replace);
      await checkStored(subject, "value", pattern(100));
      await checkRejects(() => store.rename("value", "value"), "ALREADY_EXISTS", "rename onto itself");
      await checkRejects(() => store.copy("value", "value"), "ALREADY_EXISTS", "copy onto itself");
      await checkStored(subject, "value", pattern(100));
    },
  },
  {
    name: "a signal that has fired copies and renames nothing",
    run: async (subject) => {
      await subject.side.put("from", pattern(3));
      const options = { signal: fired() };
      await checkRejects(() => subject.store.copy("from", "to", options), "ABORTED", "copy");
      await checkRejects(() => subject.store.rename("from", "to", options), "ABORTED", "rename");
      await checkKeys(subject, ["from"], "what is there");
    },
  },
];
