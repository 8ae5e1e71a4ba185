/** Checks of byte stores with real directories, and of those with symbolic links. */
import type { DirectoryStore } from "../core/byte-store.ts";
import { isDirectoryStore } from "../core/byte-store.ts";
import { check, checkEqual, checkRejects, collect } from "./assertions.ts";
import { type ByteStoreCheck, checkKeys, checkStored, keysOf, pattern } from "./byte-store-checks.ts";
import type { ByteStoreSubject } from "./byte-store-kit.ts";

/** A check of a store with directories. */
function directoryCheck(
  name: string,
  run: (subject: ByteStoreSubject<DirectoryStore>) => Promise<void>,
): ByteStoreCheck {
  return {
    name,
    run: async (subject) => {
      const { store } = subject;
      check(isDirectoryStore(store), "The store declares directories");
      await run({ ...subject, store });
    },
  };
}

export const directoryChecks: readonly ByteStoreCheck[] = [
  directoryCheck("an empty directory exists, is listed with a delimiter, and is no value", async ({ store }) => {
    await store.createDirectory("a/b");
    await store.createDirectory("a/b");
    checkEqual((await store.stat("a/b")).kind, "directory", "the kind");
    checkEqual(await keysOf(store), [], "the full listing");
    checkEqual(await keysOf(store, { delimiter: "/" }), ["a"], "the shallow listing");
    checkEqual(await keysOf(store, { delimiter: "/", prefix: "a/" }), ["a/b"], "the shallow listing of a");
  }),
  directoryCheck("readDirectory, where there is one, names what a listing with a delimiter does", async (subject) => {
    const { store, side } = subject;
    if (store.readDirectory === undefined) return;
    for (const key of ["a/b/c", "a/d", "ab/e", "a.txt"]) await side.put(key, pattern(3));
    await store.createDirectory("a/empty");
    for (const prefix of ["", "a/", "a/empty/", "missing/", "a.txt/"]) {
      const names = (await store.readDirectory(prefix.slice(0, -1))).map(
        ({ name, kind }) => `${prefix}${name} ${kind}`,
      );
      const listed = await collect(store.list({ prefix, delimiter: "/" }));
      checkEqual(names.sort(), listed.map(({ key, kind }) => `${key} ${kind}`).sort(), `the entries of "${prefix}"`);
    }
  }),
  directoryCheck("a directory cannot be made where a value is, or below one", async (subject) => {
    await subject.side.put("value", pattern(3));
    await checkRejects(() => subject.store.createDirectory("value"), "NOT_A_DIRECTORY", "over a value");
    await checkRejects(() => subject.store.createDirectory("value/b"), "NOT_A_DIRECTORY", "below a value");
    await checkStored(subject, "value", pattern(3));
  }),
  directoryCheck("removeDirectory takes an empty directory, and a full one only when told", async (subject) => {
    const { store, side } = subject;
    for (const key of ["a/b/c", "a/d", "ab/e", "a.txt"]) await side.put(key, pattern(3));
    await store.createDirectory("empty/inner");
    await store.removeDirectory("empty/inner");
    await checkRejects(() => store.stat("empty/inner"), "NOT_FOUND", "stat of a removed directory");
    await checkRejects(() => store.removeDirectory("a"), "CONFLICT", "removeDirectory of a full one");
    await checkKeys(subject, ["a/b/c", "a/d", "ab/e", "a.txt"], "what is there");
    await store.removeDirectory("a", { recursive: true });
    await checkKeys(subject, ["ab/e", "a.txt"], "what is left");
    await checkRejects(() => store.stat("a"), "NOT_FOUND", "stat of a removed tree");
  }),
  directoryCheck("removeDirectory refuses values, what is missing, and the root", async (subject) => {
    const { store } = subject;
    await subject.side.put("a/value", pattern(3));
    for (const recursive of [false, true]) {
      await checkRejects(() => store.removeDirectory("a/value", { recursive }), "NOT_A_DIRECTORY", "a value");
      await checkRejects(() => store.removeDirectory("missing", { recursive }), "NOT_FOUND", "a missing one");
      await checkRejects(() => store.removeDirectory("", { recursive }), ["IS_A_DIRECTORY", "INVALID_KEY"], "the root");
    }
    await checkKeys(subject, ["a/value"], "what is left");
  }),
  directoryCheck("renameDirectory moves all below, never over something, never into itself", async (subject) => {
    const { store, side } = subject;
    await side.put("a/b/c", pattern(3));
    await side.put("taken/x", pattern(4));
    await store.createDirectory("vacant");
    await checkRejects(() => store.renameDirectory("a", "taken"), "ALREADY_EXISTS", "over a directory");
    await checkRejects(() => store.renameDirectory("a", "vacant"), "ALREADY_EXISTS", "over an empty directory");
    await checkRejects(() => store.renameDirectory("a", "taken/x"), "ALREADY_EXISTS", "over a value");
    await checkRejects(() => store.renameDirectory("a", "a/b/d"), "INVALID_KEY", "into itself");
    await checkRejects(() => store.renameDirectory("missing", "x"), "NOT_FOUND", "a missing one");
    await checkRejects(() => store.renameDirectory("taken/x", "y"), "NOT_A_DIRECTORY", "a value");
    await store.renameDirectory("a", "new/place");
    await checkKeys(subject, ["new/place/b/c", "taken/x"], "what is there");
    await checkStored(subject, "new/place/b/c", pattern(3));
    await store.renameDirectory("new/place", "new/place2");
    await checkKeys(subject, ["new/place2/b/c", "taken/x"], "what is there, moved beside itself");
  }),
  directoryCheck("delete leaves the directory", async ({ store, side }) => {
    await side.put("a/value", pattern(3));
    await store.delete("a/value");
    checkEqual((await store.stat("a")).kind, "directory", "the kind of the directory");
  }),
];

export const linkChecks: readonly ByteStoreCheck[] = [
  directoryCheck("a link reads as what it leads to, and is described as asked", async ({ store, side }) => {
    await side.put("data/value", pattern(30));
    await store.symlink("data/value", "links/file");
    await store.symlink("data", "links/folder");
    checkEqual(await store.read("links/file"), pattern(30), "a value by its link");
    checkEqual(await store.read("links/folder/value"), pattern(30), "a value by a linked directory");
    const followed = await store.stat("links/file");
    checkEqual([followed.kind, followed.byteLength, followed.key], ["file", 30, "links/file"], "a followed link");
    const itself = await store.stat("links/file", { followSymlinks: false });
    checkEqual([itself.kind, itself.byteLength], ["symlink", 0], "a link itself");
    checkEqual(itself.target, await store.readLink("links/file"), "where the link points");
    checkEqual(await store.realKey("links/folder/value"), "data/value", "the real key");
    checkEqual(await store.realKey("data/value"), "data/value", "the real key of a real key");
  }),
  directoryCheck("a broken link is a link to stat, and NOT_FOUND to read", async ({ store }) => {
    await store.symlink("nowhere", "broken");
    checkEqual((await store.stat("broken")).kind, "symlink", "the kind of a broken link");
    await checkRejects(() => store.read("broken"), "NOT_FOUND", "read");
    await checkRejects(() => store.realKey("broken"), "NOT_FOUND", "realKey");
    await store.delete("broken");
    await checkRejects(() => store.stat("broken"), "NOT_FOUND", "stat of a removed link");
  }),
  directoryCheck("listings show links as links and do not follow them", async ({ store, side }) => {
    await side.put("data/value", pattern(3));
    await store.symlink("data", "folder");
    await store.symlink("data/value", "value");
    const entries = await collect(store.list());
    const shown = entries.map(({ key, kind }) => `${kind} ${key}`);
    checkEqual(shown, ["file data/value", "symlink folder", "symlink value"], "the listing");
    checkEqual(await keysOf(store, { prefix: "folder/" }), ["folder/value"], "a linked directory that is asked for");
  }),
  directoryCheck("links in a circle end: NOT_FOUND to read, a link to stat, one entry to list", async ({ store }) => {
    await store.symlink("b", "a");
    await store.symlink("a", "b");
    await store.createDirectory("loop");
    await store.symlink("loop", "loop/self");
    await checkRejects(() => store.read("a"), "NOT_FOUND", "read");
    checkEqual((await store.stat("a")).kind, "symlink", "the kind");
    checkEqual(await keysOf(store), ["a", "b", "loop/self"], "the listing");
    checkEqual(await store.realKey("loop/self/self/self"), "loop", "the real key of a directory that holds itself");
  }),
  directoryCheck("delete and removeDirectory take the link, never what it leads to", async (subject) => {
    const { store, side } = subject;
    await side.put("data/value", pattern(3));
    await store.symlink("data", "tree/folder");
    await store.symlink("data/value", "file");
    await store.delete("file");
    await store.removeDirectory("tree", { recursive: true });
    await checkKeys(subject, ["data/value"], "what is left");
  }),
  directoryCheck("a write through a link changes what it leads to, and keeps the link", async (subject) => {
    const { store, side } = subject;
    await side.put("data/value", pattern(3));
    await store.symlink("data/value", "link");
    await store.write("link", pattern(4));
    await checkStored(subject, "data/value", pattern(4));
    checkEqual((await store.stat("link", { followSymlinks: false })).kind, "symlink", "the kind of the link");
  }),
  directoryCheck("a link replaces a link when told, never a value", async (subject) => {
    const { store, side } = subject;
    await side.put("a", pattern(3));
    await side.put("b", pattern(4));
    await store.symlink("a", "link");
    await checkRejects(() => store.symlink("b", "link"), "ALREADY_EXISTS", "over a link");
    await checkRejects(() => store.symlink("b", "a", { ifExists: "replace" }), "ALREADY_EXISTS", "over a value");
    await store.symlink("b", "link", { ifExists: "replace" });
    checkEqual(await store.read("link"), pattern(4), "what the new link leads to");
    await checkStored(subject, "a", pattern(3));
    await checkRejects(() => store.readLink("a"), "INVALID_DATA", "readLink of a value");
    await checkRejects(() => store.readLink("missing"), "NOT_FOUND", "readLink of nothing");
  }),
  directoryCheck("rename moves a link itself, and it still leads there", async ({ store, side }) => {
    await side.put("data/value", pattern(3));
    await store.symlink("data/value", "link");
    await store.rename("link", "moved");
    checkEqual((await store.stat("moved", { followSymlinks: false })).kind, "symlink", "the kind");
    checkEqual(await store.read("moved"), pattern(3), "the value by the moved link");
  }),
];
