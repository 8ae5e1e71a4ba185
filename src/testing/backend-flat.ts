/** Checks of backends whose paths are flat: a file may have others below it. */
import { checkEqual } from "./assertions.ts";
import { type BackendSubject, checkArray, sample } from "./backend-subject.ts";
import type { KitCheck } from "./kit.ts";

/** Checks of what only flat keys allow. */
export const flatKeyChecks: KitCheck<BackendSubject>[] = [
  {
    name: "a file above others is a file and a directory: loaded as the one, listed as the other",
    run: async ({ backend, side }) => {
      await side.put("a.npy", sample(1));
      await side.put("a.npy/b.npy", sample(2));
      const told = [await backend.exists("a.npy"), await backend.isFile("a.npy"), await backend.isDir("a.npy")];
      checkEqual(told, [true, true, true], "exists, isFile, isDir");
      checkEqual((await backend.stat("a.npy")).kind, "file", "the kind");
      checkArray(await backend.load("a.npy"), sample(1), "the file");
      checkArray(await backend.load("a.npy/b.npy"), sample(2), "the file below");
      checkEqual([await backend.listDir(""), await backend.listDir("a.npy")], [["a.npy"], ["b.npy"]], "listDir");
      const files = await backend.listFiles("", { recursive: true });
      checkEqual(files, ["a.npy", "a.npy/b.npy"], "all files");
      checkEqual(await backend.listFiles("a.npy"), ["a.npy/b.npy"], "files below the file");
      checkEqual(await backend.isDir("a.npy/b.npy"), false, "isDir of a file with nothing below");
    },
  },
  {
    name: "saves above and below files, alone and in batches, and keeps what is there",
    run: async ({ backend, side }) => {
      await side.put("d.npy/x.npy", sample(1));
      await backend.save(sample(2), "d.npy");
      await backend.saveBatch([sample(3), sample(4)], ["d.npy/x.npy/y.npy", "e.npy"]);
      await side.put("f.npy/z.npy", sample(5));
      await backend.saveBatch([sample(6)], ["f.npy"], { ifExists: "skip" });
      const paths = ["d.npy/x.npy", "d.npy", "d.npy/x.npy/y.npy", "e.npy", "f.npy/z.npy", "f.npy"];
      for (const [i, path] of paths.entries()) checkArray(await side.get(path), sample(i + 1), path);
    },
  },
  {
    name: "deletes a file above others alone, and deleteAll takes both",
    run: async ({ backend, side }) => {
      const put = async () => {
        for (const path of ["a.npy", "a.npy/b.npy", "a.npy/c/d.npy"]) await side.put(path, sample());
      };
      await put();
      await backend.delete("a.npy");
      checkEqual(await backend.listFiles("", { recursive: true }), ["a.npy/b.npy", "a.npy/c/d.npy"], "after delete");
      await put();
      await backend.deleteAll("a.npy");
      checkEqual(await backend.exists("a.npy"), false, "exists after deleteAll");
      checkEqual(await side.get("a.npy/c/d.npy"), undefined, "what was below");
    },
  },
  {
    name: "copies and moves directories with files above others, and loses none",
    run: async ({ backend, side }) => {
      const paths = ["a.npy", "a.npy/b.npy", "c/d.npy"];
      for (const [i, path] of paths.entries()) await side.put(`from/${path}`, sample(i));
      await backend.copy("from", "copied");
      await backend.move("from", "moved");
      for (const target of ["copied", "moved"]) {
        for (const [i, path] of paths.entries()) checkArray(await side.get(`${target}/${path}`), sample(i), path);
      }
      checkEqual(await backend.exists("from"), false, "the moved directory");
      await backend.move("moved/a.npy", "alone.npy");
      checkArray(await side.get("alone.npy"), sample(0), "a file that was moved alone");
      checkArray(await side.get("moved/a.npy/b.npy"), sample(1), "what lay below it");
    },
  },
];
