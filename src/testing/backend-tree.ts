/** Checks of what changes a tree: deleting, copying, moving, directories, links. */
import type { Capabilities } from "../core/capabilities.ts";
import { check, checkEqual, checkRejects } from "./assertions.ts";
import { type BackendSubject, checkArray, sample } from "./backend-subject.ts";
import type { KitCheck } from "./kit.ts";

type Check = KitCheck<BackendSubject>;

/** Checks of delete and deleteAll. */
export const deleteChecks: Check[] = [
  {
    name: "deletes a file and nothing else",
    run: async ({ backend, side }) => {
      for (const path of ["d/a.npy", "d/b.npy"]) await side.put(path, sample());
      await backend.delete("d/a.npy");
      checkEqual(await side.get("d/a.npy"), undefined, "the deleted file");
      checkArray(await side.get("d/b.npy"), sample(), "its neighbour");
    },
  },
  {
    name: "rejects deleting what is missing with NOT_FOUND",
    run: async ({ backend }) => {
      await checkRejects(() => backend.delete("none.npy"), "NOT_FOUND", "delete");
      await checkRejects(() => backend.deleteAll("none"), "NOT_FOUND", "deleteAll");
    },
  },
  {
    name: "refuses to delete a directory that is not empty, and deleteAll removes it with all it holds",
    run: async ({ backend, side }) => {
      for (const path of ["d/a.npy", "d/e/b.npy", "dd/c.npy", "f.npy"]) await side.put(path, sample());
      await checkRejects(() => backend.delete("d"), "IS_A_DIRECTORY", "delete of a full directory");
      checkArray(await side.get("d/e/b.npy"), sample(), "what is in it");
      await backend.deleteAll("d");
      checkEqual(await backend.exists("d"), false, "exists afterwards");
      checkEqual(await side.get("d/e/b.npy"), undefined, "what was in it");
      checkArray(await side.get("dd/c.npy"), sample(), "a directory whose name begins alike");
      await backend.deleteAll("f.npy");
      checkEqual(await side.get("f.npy"), undefined, "a file, by deleteAll");
    },
  },
];

/** Checks of copy and move. */
export function transferChecks({ requiresFilesystemValidation }: Capabilities): Check[] {
  const both = ["copy", "move"] as const;
  const checks: Check[] = [
    {
      name: "copies a file: the source stays, and the two are independent",
      run: async ({ backend, side }) => {
        await side.put("a.npy", sample(1));
        await backend.copy("a.npy", "b.npy");
        await backend.save(sample(2), "b.npy", { ifExists: "replace" });
        checkArray(await side.get("a.npy"), sample(1), "the source");
        checkArray(await side.get("b.npy"), sample(2), "the copy");
        await backend.copy("a.npy", "c.npy");
        checkArray(await side.get("c.npy"), sample(1), "a second copy");
      },
    },
    {
      name: "moves a file: the source is gone",
      run: async ({ backend, side }) => {
        for (const path of ["d/a.npy", "e/x.npy"]) await side.put(path, sample(1));
        await backend.move("d/a.npy", "e/b.npy");
        checkEqual(await side.get("d/a.npy"), undefined, "the source");
        checkArray(await side.get("e/b.npy"), sample(1), "the target");
      },
    },
    {
      name: "copies and moves directories with all they hold",
      run: async ({ backend, side }) => {
        for (const path of ["d/a.npy", "d/e/b.npy"]) await side.put(path, sample(1));
        await backend.copy("d", "copied");
        for (const path of ["d/a.npy", "d/e/b.npy", "copied/a.npy", "copied/e/b.npy"]) {
          checkArray(await side.get(path), sample(1), `${path} after the copy`);
        }
        await backend.move("d", "moved");
        for (const path of ["moved/a.npy", "moved/e/b.npy"]) checkArray(await side.get(path), sample(1), path);
        checkEqual(await backend.exists("d"), false, "the moved directory");
      },
    },
    {
      name: "refuses a missing source and a taken target, and changes nothing",
      run: async ({ backend, side }) => {
        await side.put("a.npy", sample(1));
        await side.put("b.npy", sample(2));
        for (const verb of both) {
          await checkRejects(() => backend[verb]("none.npy", "c.npy"), "NOT_FOUND", `${verb} of what is missing`);
          await checkRejects(() => backend[verb]("a.npy", "b.npy"), "ALREADY_EXISTS", `${verb} to a taken path`);
          await checkRejects(() => backend[verb]("a.npy", "a.npy"), "ALREADY_EXISTS", `${verb} to itself`);
        }
        checkArray(await side.get("a.npy"), sample(1), "the source");
        checkArray(await side.get("b.npy"), sample(2), "the target");
      },
    },
    {
      name: 'replaces a file with "replace", never a directory',
      run: async ({ backend, side }) => {
        for (const [i, path] of ["a.npy", "b.npy", "c.npy", "d/x.npy"].entries()) await side.put(path, sample(i));
        await backend.copy("a.npy", "b.npy", { ifExists: "replace" });
        checkArray(await side.get("b.npy"), sample(0), "the target of a copy");
        await backend.move("a.npy", "c.npy", { ifExists: "replace" });
        checkArray(await side.get("c.npy"), sample(0), "the target of a move");
        await checkRejects(
          () => backend.copy("b.npy", "d", { ifExists: "replace" }),
          "ALREADY_EXISTS",
          "over a directory",
        );
        checkArray(await side.get("d/x.npy"), sample(3), "what is in the directory");
      },
    },
    {
      name: "refuses to put a directory into itself",
      run: async ({ backend, side }) => {
        await side.put("d/a.npy", sample());
        for (const verb of both) {
          await checkRejects(() => backend[verb]("d", "d/e"), "INVALID_KEY", `${verb} into itself`);
          checkArray(await side.get("d/a.npy"), sample(), "what is in it");
        }
      },
    },
  ];
  if (!requiresFilesystemValidation) return checks;
  return [
    ...checks,
    {
      name: "needs the parent directory of the target",
      run: async ({ backend, side }) => {
        await side.put("a.npy", sample());
        for (const verb of both) {
          await checkRejects(() => backend[verb]("a.npy", "none/b.npy"), "NOT_FOUND", `${verb} without parent`);
        }
        checkArray(await side.get("a.npy"), sample(), "the source");
      },
    },
  ];
}

/** Checks of `ensureDirectory` that hold everywhere. */
export const ensureChecks: Check[] = [
  {
    name: "takes ensureDirectory everywhere, again and again, and values below it",
    run: async ({ backend, side }) => {
      await backend.ensureDirectory("d/e/f");
      await backend.ensureDirectory("d/e/f");
      await backend.save(sample(), "d/e/f/a.npy");
      await backend.ensureDirectory("d/e");
      checkArray(await side.get("d/e/f/a.npy"), sample(), "a value below it");
    },
  },
];

/** Checks of real directories. */
export const directoryChecks: Check[] = [
  {
    name: "has empty directories: made with those above, listed, described, deleted",
    run: async ({ backend }) => {
      await backend.ensureDirectory("d/e");
      checkEqual([await backend.isDir("d"), await backend.isDir("d/e")], [true, true], "isDir");
      checkEqual([await backend.listDir("d"), await backend.listDir("d/e")], [["e"], []], "listDir");
      checkEqual(await backend.listFiles("", { recursive: true }), [], "files");
      await backend.delete("d/e");
      checkEqual([await backend.exists("d/e"), await backend.exists("d")], [false, true], "exists after delete");
    },
  },
  {
    name: "keeps a directory when its last file goes, and copies empty ones",
    run: async ({ backend, side }) => {
      await side.put("d/a.npy", sample());
      await backend.ensureDirectory("d/empty");
      await backend.delete("d/a.npy");
      checkEqual(await backend.isDir("d"), true, "isDir of the emptied directory");
      await backend.copy("d", "c");
      checkEqual(await backend.isDir("c/empty"), true, "isDir of the copied empty directory");
    },
  },
  {
    name: "refuses a directory where a file is",
    run: async ({ backend, side }) => {
      await side.put("a.npy", sample());
      await checkRejects(() => backend.ensureDirectory("a.npy"), ["NOT_A_DIRECTORY", "ALREADY_EXISTS"], "over a file");
      await checkRejects(() => backend.ensureDirectory("a.npy/b"), "NOT_A_DIRECTORY", "below a file");
      checkArray(await side.get("a.npy"), sample(), "the file");
    },
  },
];

/** Checks of symbolic links. */
export const linkChecks: Check[] = [
  {
    name: "links to files and directories: described as links, followed by everything else",
    run: async ({ backend, side }) => {
      await side.put("d/a.npy", sample());
      await backend.createSymlink("d/a.npy", "file.npy");
      await backend.createSymlink("d", "dir");
      checkArray(await backend.load("file.npy"), sample(), "load through a link");
      checkArray(await backend.load("dir/a.npy"), sample(), "load through a linked directory");
      for (const path of ["file.npy", "dir"]) {
        const { kind, exists, target } = await backend.stat(path);
        checkEqual([kind, exists, typeof target], ["symlink", true, "string"], `stat of ${path}`);
        checkEqual([await backend.isSymlink(path), await backend.exists(path)], [true, true], `predicates of ${path}`);
      }
      checkEqual([await backend.isFile("file.npy"), await backend.isDir("dir")], [true, true], "isFile, isDir");
      checkEqual(
        [await backend.isSymlink("d"), await backend.isSymlink("none")],
        [false, false],
        "isSymlink of others",
      );
      checkEqual(await backend.listDir("dir"), ["a.npy"], "listDir through a link");
    },
  },
  {
    name: "refuses a link to nothing and a taken place, and replaces links only",
    run: async ({ backend, side }) => {
      for (const [i, path] of ["a.npy", "b.npy", "d/x.npy"].entries()) await side.put(path, sample(i));
      await checkRejects(() => backend.createSymlink("none", "l"), "NOT_FOUND", "a link to nothing");
      await backend.createSymlink("a.npy", "l");
      for (const place of ["l", "b.npy", "d"]) {
        await checkRejects(() => backend.createSymlink("b.npy", place), "ALREADY_EXISTS", `a link at ${place}`);
      }
      for (const place of ["b.npy", "d"]) {
        const replacing = backend.createSymlink("a.npy", place, { ifExists: "replace" });
        await checkRejects(replacing, "ALREADY_EXISTS", `a replacing link at ${place}`);
      }
      await backend.createSymlink("b.npy", "l", { ifExists: "replace" });
      checkArray(await backend.load("l", { format: "npy" }), sample(1), "the replaced link");
      checkArray(await side.get("a.npy"), sample(0), "what the old link led to");
    },
  },
  {
    name: "tells a broken link from a file: it is described and listed by name, exists nowhere, and can be deleted",
    run: async ({ backend, side }) => {
      for (const path of ["d/a.npy", "d/b.npy"]) await side.put(path, sample());
      await backend.createSymlink("d/a.npy", "d/l.npy");
      await backend.delete("d/a.npy");
      const { kind, exists } = await backend.stat("d/l.npy");
      checkEqual([kind, exists], ["symlink", false], "stat");
      const predicates = [backend.exists("d/l.npy"), backend.isFile("d/l.npy"), backend.isDir("d/l.npy")];
      checkEqual(await Promise.all(predicates), [false, false, false], "exists, isFile, isDir");
      checkEqual(await backend.isSymlink("d/l.npy"), true, "isSymlink");
      checkEqual(await backend.listDir("d"), ["b.npy", "l.npy"], "listDir");
      checkEqual(await backend.listFiles("d"), ["d/b.npy"], "listFiles");
      await checkRejects(() => backend.load("d/l.npy"), "NOT_FOUND", "load");
      await backend.delete("d/l.npy");
      checkEqual(await backend.isSymlink("d/l.npy"), false, "isSymlink after delete");
    },
  },
  {
    name: "removes links and never what they lead to, moves links as links, and copies what they lead to",
    run: async ({ backend, side }) => {
      await side.put("keep/a.npy", sample(1));
      await side.put("d/x.npy", sample(2));
      await backend.createSymlink("keep", "d/dir");
      await backend.createSymlink("keep/a.npy", "d/l.npy");
      await backend.copy("d/l.npy", "d/copy.npy");
      checkEqual(await backend.isSymlink("d/copy.npy"), false, "isSymlink of the copy");
      await backend.move("d/l.npy", "d/moved.npy");
      checkEqual(
        [await backend.isSymlink("d/moved.npy"), await backend.isSymlink("d/l.npy")],
        [true, false],
        "the moved link",
      );
      await backend.delete("d/moved.npy");
      await backend.deleteAll("d");
      checkArray(await side.get("keep/a.npy"), sample(1), "what the links led to");
    },
  },
  {
    name: "goes into linked directories when asked, each real one once, and ends where links lead in a circle",
    run: async ({ backend, side }) => {
      await side.put("d/a.npy", sample());
      await side.put("other/b.npy", sample());
      await backend.createSymlink("d", "d/self");
      await backend.createSymlink("other", "d/other");
      checkEqual(await backend.listFiles("d", { recursive: true }), ["d/a.npy"], "links not followed");
      const followed = await backend.listFiles("d", { recursive: true, followSymlinks: true });
      checkEqual(followed, ["d/a.npy", "d/other/b.npy"], "links followed");
      await checkRejects(() => backend.copy("d", "copy"), "INVALID_DATA", "a copy of a tree in a circle");
      check(!(await backend.exists("copy")), "the refused copy left something behind");
    },
  },
];
