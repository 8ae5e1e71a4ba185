/** Checks of what a backend answers: loads, predicates, descriptions, listings. Values come in by the side door. */
import type { Capabilities } from "../core/capabilities.ts";
import { DataSource } from "../core/data-source.ts";
import { isNdArray, sizeOf, sliceArray } from "../core/nd-array.ts";
import { check, checkEqual, checkRejects } from "./assertions.ts";
import { type BackendSubject, checkArray, sample } from "./backend-subject.ts";
import type { KitCheck } from "./kit.ts";

type Check = KitCheck<BackendSubject>;

/** Checks of what a backend says of itself. */
export function identityChecks(capabilities: Capabilities): Check[] {
  return [
    {
      name: "is a DataSource with a lower-case key and the capabilities that were declared",
      run: async ({ backend }) => {
        check(backend instanceof DataSource, "the backend extends none of the reading bases");
        check(/^[a-z0-9@][a-z0-9@+._/-]*$/.test(backend.key), `key "${backend.key}" is not lower case`);
        checkEqual(backend.capabilities, capabilities, "capabilities");
        const validates = capabilities.requiresFilesystemValidation;
        checkEqual(backend.requiresFilesystemValidation, validates, "requiresFilesystemValidation");
      },
    },
    {
      name: "is closed once, harmlessly again, and refuses everything afterwards",
      run: async ({ backend, side }) => {
        await side.put("a.npy", sample());
        await backend.close();
        await backend.close();
        checkEqual(backend.isOpen, false, "isOpen");
        await checkRejects(() => backend.load("a.npy"), "NOT_OPEN", "load after close");
        await checkRejects(() => backend.exists("a.npy"), "NOT_OPEN", "exists after close");
      },
    },
  ];
}

/** Checks of loads. */
export const loadChecks: Check[] = [
  {
    name: "loads what is stored, with its dtype and shape",
    run: async ({ backend, side }) => {
      await side.put("d/a.npy", sample());
      checkArray(await backend.load("d/a.npy"), sample(), "load");
    },
  },
  {
    name: "gives each load memory of its own",
    run: async ({ backend, side }) => {
      await side.put("a.npy", sample());
      const first = await backend.load("a.npy");
      check(isNdArray(first), "load gave no array");
      first.data.fill(7 as never);
      checkArray(await backend.load("a.npy"), sample(), "load after the first result was changed");
    },
  },
  {
    name: "loads the selected part of an array, alone and in a batch, in memory of its own",
    run: async ({ backend, side }) => {
      const whole = sample();
      await side.put("a.npy", whole);
      await side.put("b.npy", sample(2));
      for (const selection of [[-1], [[0, 1]], [null, 1], []] as const) {
        const what = JSON.stringify(selection);
        const part = await backend.load("a.npy", { selection });
        checkArray(part, sliceArray(whole, selection), `load with selection ${what}`);
        check(isNdArray(part) && part.data.length === sizeOf(part.shape), `selection ${what} keeps more than the part`);
        const batch = await backend.loadBatch(["b.npy", "a.npy", "a.npy"], { selection });
        checkArray(batch[0], sliceArray(sample(2), selection), `item 0 of a batch with selection ${what}`);
        checkArray(batch[1], sliceArray(whole, selection), `item 1 of a batch with selection ${what}`);
        checkArray(batch[2], sliceArray(whole, selection), `item 2 of a batch with selection ${what}`);
      }
      await checkRejects(() => backend.load("a.npy", { selection: [99] }), "OUT_OF_RANGE", "a selection outside");
      const outside = () => backend.loadBatch(["a.npy"], { selection: [99] });
      await checkRejects(outside, "OUT_OF_RANGE", "a selection outside, in a batch");
    },
  },
  {
    name: "loads a batch in the order asked for, also permuted and with repeats",
    run: async ({ backend, side }) => {
      for (const i of [1, 2, 3]) await side.put(`${i}.npy`, sample(i));
      const order = [3, 1, 2, 1];
      const values = await backend.loadBatch(order.map((i) => `${i}.npy`));
      checkEqual(values.length, 4, "number of results");
      order.forEach((i, at) => {
        checkArray(values[at], sample(i), `result ${at}`);
      });
      checkEqual(await backend.loadBatch([]), [], "an empty batch");
    },
  },
  {
    name: "reports a failing item of a batch, and with collect gives its error in its place",
    run: async ({ backend, side }) => {
      await side.put("a.npy", sample());
      await checkRejects(() => backend.loadBatch(["a.npy", "none.npy"]), "NOT_FOUND", "a batch with a missing item");
      const [value, error] = await backend.loadBatch(["a.npy", "none.npy"], { onError: "collect" });
      checkArray(value, sample(), "the good item");
      await checkRejects(Promise.reject(error), "NOT_FOUND", "the collected item");
    },
  },
  {
    name: "rejects a missing value with NOT_FOUND and a directory with IS_A_DIRECTORY, and names what and where",
    run: async ({ backend, side }) => {
      await side.put("d/a.npy", sample());
      const error = await checkRejects(() => backend.load("none.npy"), "NOT_FOUND", "load of a missing value");
      check(error.message.includes("none.npy"), `the message does not name the path: ${error.message}`);
      await checkRejects(() => backend.load("d/none.npy"), "NOT_FOUND", "load of a missing value in a directory");
      await checkRejects(() => backend.load("d"), "IS_A_DIRECTORY", "load of a directory");
    },
  },
  {
    name: "honours a signal that has fired",
    run: async ({ backend, side }) => {
      await side.put("a.npy", sample());
      const signal = AbortSignal.abort();
      await checkRejects(() => backend.load("a.npy", { signal }), "ABORTED", "load");
      await checkRejects(() => backend.exists("a.npy", { signal }), "ABORTED", "exists");
    },
  },
];

/** Checks of predicates and descriptions. */
export const predicateChecks: Check[] = [
  {
    name: "answers the predicates for files, directories and what is not there, and never throws for absence",
    run: async ({ backend, side }) => {
      await side.put("d/a.npy", sample());
      for (const [path, exists, isFile, isDir] of [
        ["d/a.npy", true, true, false],
        ["d", true, false, true],
        ["", true, false, true],
        ["none", false, false, false],
        ["none/below", false, false, false],
        ["d/a.npy/below", false, false, false],
      ] as const) {
        checkEqual(await backend.exists(path), exists, `exists("${path}")`);
        checkEqual(await backend.isFile(path), isFile, `isFile("${path}")`);
        checkEqual(await backend.isDir(path), isDir, `isDir("${path}")`);
        checkEqual(await backend.isSymlink(path), false, `isSymlink("${path}")`);
      }
    },
  },
  {
    name: "describes files, directories and what is missing",
    run: async ({ backend, side }) => {
      await side.put("d/a.npy", sample());
      const pick = async (path: string) => {
        const { kind, exists, path: asked } = await backend.stat(path);
        return [asked, kind, exists];
      };
      checkEqual(await pick("d/a.npy"), ["d/a.npy", "file", true], "stat of a file");
      checkEqual(await pick("d"), ["d", "directory", true], "stat of a directory");
      checkEqual(await pick("d/none"), ["d/none", "missing", false], "stat of what is missing");
    },
  },
];

/** Checks of listings. */
export const listChecks: Check[] = [
  {
    name: "lists the files of one directory, and with recursive those below, as paths that can be loaded",
    run: async ({ backend, side }) => {
      for (const path of ["a.npy", "d/b.npy", "d/e/c.npy"]) await side.put(path, sample());
      checkEqual(await backend.listFiles(""), ["a.npy"], "flat, of the root");
      checkEqual(await backend.listFiles("d"), ["d/b.npy"], "flat");
      checkEqual(await backend.listFiles("d", { recursive: true }), ["d/b.npy", "d/e/c.npy"], "recursive");
      for (const path of await backend.listFiles("", { recursive: true })) await backend.load(path);
    },
  },
  {
    name: "lists shallower files first, then by the UTF-8 bytes of the path",
    run: async ({ backend, side }) => {
      const paths = ["b.npy", "a/z.npy", "a/b/a.npy", "c.npy", "B.npy", "a-b/a.npy", "é.npy", "z/a/a.npy"];
      for (const path of paths) await side.put(path, sample());
      const expected = ["B.npy", "b.npy", "c.npy", "é.npy", "a-b/a.npy", "a/z.npy", "a/b/a.npy", "z/a/a.npy"];
      checkEqual(await backend.listFiles("", { recursive: true }), expected, "recursive listing");
    },
  },
  {
    name: "keeps files by extension: in any case, with or without the dot, compound ones, and none for none",
    run: async ({ backend, side }) => {
      for (const path of ["a.npy", "b.NPY", "c.x.npy", "dnpy.tif"]) await side.put(path, sample());
      const list = (...extensions: string[]) => backend.listFiles("", { extensions });
      checkEqual(await list(".npy"), ["a.npy", "b.NPY", "c.x.npy"], "with the dot");
      checkEqual(await list("NPY"), ["a.npy", "b.NPY", "c.x.npy"], "without the dot, in upper case");
      checkEqual(await list(".x.npy"), ["c.x.npy"], "compound");
      checkEqual(await list(), [], "an empty list of extensions");
    },
  },
  {
    name: "keeps files by pattern: of the name, or with a slash of the path below the directory",
    run: async ({ backend, side }) => {
      for (const path of ["d/a1.npy", "d/a2.npy", "d/b1.npy", "d/e/a1.npy"]) await side.put(path, sample());
      const list = (pattern: string) => backend.listFiles("d", { pattern, recursive: true });
      checkEqual(await list("a?.npy"), ["d/a1.npy", "d/a2.npy", "d/e/a1.npy"], "a name pattern");
      checkEqual(await list("e/*1.npy"), ["d/e/a1.npy"], "a path pattern");
      checkEqual(
        await backend.listFiles("d", { pattern: "**/*.npy" }).then((found) => found.length),
        3,
        "a flat listing",
      );
      await checkRejects(() => list(""), "INVALID_DATA", "an empty pattern");
    },
  },
  {
    name: "lists the immediate names of a directory, ordered",
    run: async ({ backend, side }) => {
      for (const path of ["d/b.npy", "d/a.npy", "d/e/c.npy", "d/B.npy"]) await side.put(path, sample());
      checkEqual(await backend.listDir("d"), ["B.npy", "a.npy", "b.npy", "e"], "listDir");
      checkEqual(await backend.listDir(""), ["d"], "listDir of the root");
    },
  },
  {
    name: "rejects listing what is missing with NOT_FOUND and a file with NOT_A_DIRECTORY",
    run: async ({ backend, side }) => {
      await side.put("a.npy", sample());
      await checkRejects(() => backend.listFiles("none"), "NOT_FOUND", "listFiles of what is missing");
      await checkRejects(() => backend.listDir("none"), "NOT_FOUND", "listDir of what is missing");
      await checkRejects(() => backend.listFiles("a.npy"), "NOT_A_DIRECTORY", "listFiles of a file");
      await checkRejects(() => backend.listDir("a.npy"), "NOT_A_DIRECTORY", "listDir of a file");
    },
  },
];

/** Checks of names and keys. */
export function keyChecks({ absoluteKeys, list }: Capabilities): Check[] {
  return [
    {
      name: "round-trips awkward names: brackets, spaces, #?%, quotes, backslashes, any Unicode, leading dots",
      run: async ({ backend, side }) => {
        const names = [
          "[a] {b}.npy",
          "a b.npy",
          "#?%41&.npy",
          "'\".npy",
          "a\\b.npy",
          "é-日本-🔬.npy",
          ".hidden.npy",
          "*.npy",
        ];
        for (const [i, name] of names.entries()) await side.put(`d [1]/${name}`, sample(i));
        for (const [i, name] of names.entries()) {
          checkArray(await backend.load(`d [1]/${name}`), sample(i), name);
          if (list)
            checkEqual(
              await backend.listFiles("d [1]", { pattern: name }).then((all) => all.includes(`d [1]/${name}`)),
              true,
              `listing of ${name}`,
            );
        }
        if (list) checkEqual((await backend.listDir("d [1]")).sort(), [...names].sort(), "names");
      },
    },
    {
      name: "normalises keys once, and refuses those that leave the root or hold a NUL",
      run: async ({ backend, side }) => {
        await side.put("d/a.npy", sample());
        for (const path of ["./d/a.npy", "d//a.npy", "d/./a.npy", "x/../d/a.npy"]) {
          checkArray(await backend.load(path), sample(), path);
        }
        await checkRejects(() => backend.load("a\0.npy"), "INVALID_KEY", "a NUL");
        if (absoluteKeys === "rooted")
          await checkRejects(() => backend.load("../a.npy"), "INVALID_KEY", "a key outside");
        await checkRejects(() => backend.load(7 as never), "INVALID_KEY", "a key that is no string");
      },
    },
  ];
}
