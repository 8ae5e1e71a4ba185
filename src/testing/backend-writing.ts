/** Checks of saves, of one value and of batches. What was written is looked at by the side door. */
import type { Capabilities } from "../core/capabilities.ts";
import { DataSink } from "../core/data-sink.ts";
import { type DType, dtypes } from "../core/dtype.ts";
import { ndArray, sliceArray, zeros } from "../core/nd-array.ts";
import { check, checkEqual, checkRejects } from "./assertions.ts";
import { type BackendSubject, checkArray, patterned, sample } from "./backend-subject.ts";
import type { KitCheck } from "./kit.ts";

type Check = KitCheck<BackendSubject>;

/** Checks of {@link DataSink.save}. */
export function saveChecks({ requiresFilesystemValidation, flatKeys }: Capabilities): Check[] {
  const checks: Check[] = [
    {
      name: "is a DataSink, and answers a save with what became of it",
      run: async ({ backend, side }) => {
        check(backend instanceof DataSink, "the backend extends none of the writing bases");
        const created = await backend.save(sample(1), "a.npy");
        checkEqual([created.status, created.identifier], ["created", "a.npy"], "the first save");
        checkArray(await side.get("a.npy"), sample(1), "what is stored");
        checkEqual(await backend.exists("a.npy"), true, "exists afterwards");
      },
    },
    {
      name: "keeps every dtype exactly",
      run: async ({ backend, side }) => {
        for (const dtype of Object.keys(dtypes) as DType[]) {
          await backend.save(patterned(dtype), `${dtype}.npy`);
          checkArray(await side.get(`${dtype}.npy`), patterned(dtype), `stored ${dtype}`);
          checkArray(await backend.load(`${dtype}.npy`), patterned(dtype), `loaded ${dtype}`);
        }
      },
    },
    {
      name: "keeps every shape: one to five axes, axes of length one and of none",
      run: async ({ backend }) => {
        for (const shape of [[5], [2, 3], [1, 7], [2, 3, 4], [2, 1, 3, 2], [1, 2, 1, 2, 2], [0, 4]]) {
          const array = zeros(shape, "float32");
          array.data.forEach((_, i) => {
            array.data[i] = i / 2;
          });
          const path = `${shape.join("x")}.npy`;
          await backend.save(array, path);
          checkArray(await backend.load(path), array, `shape [${shape}]`);
        }
      },
    },
    {
      name: "saves a strided view as the values it shows",
      run: async ({ backend }) => {
        const whole = ndArray(
          Int32Array.from({ length: 24 }, (_, i) => i),
          [4, 6],
        );
        await backend.save(
          sliceArray(whole, [
            [1, 3],
            [2, 4],
          ]),
          "view.npy",
        );
        checkArray(await backend.load("view.npy"), ndArray(Int32Array.of(8, 9, 14, 15), [2, 2]), "a slice");
        const transposed = { ...whole, shape: [6, 4], stride: [1, 6] };
        await backend.save(transposed, "transposed.npy");
        checkArray(await backend.load("transposed.npy"), transposed, "a transposed view");
      },
    },
    {
      name: "does not alias the caller's memory",
      run: async ({ backend, side }) => {
        const array = sample();
        await backend.save(array, "a.npy");
        array.data.fill(9 as never);
        checkArray(await backend.load("a.npy"), sample(), "load after the caller changed its array");
        checkArray(await side.get("a.npy"), sample(), "what is stored");
      },
    },
    {
      name: "refuses to overwrite, and leaves what was there",
      run: async ({ backend, side }) => {
        await side.put("a.npy", sample(1));
        await checkRejects(() => backend.save(sample(2), "a.npy"), "ALREADY_EXISTS", "a second save");
        const explicit = backend.save(sample(2), "a.npy", { ifExists: "error" });
        await checkRejects(explicit, "ALREADY_EXISTS", 'a second save with "error"');
        checkArray(await side.get("a.npy"), sample(1), "what is stored");
      },
    },
    {
      name: 'replaces with "replace" and says so',
      run: async ({ backend, side }) => {
        await side.put("a.npy", sample(1));
        const { status } = await backend.save(sample(2), "a.npy", { ifExists: "replace" });
        checkEqual(status, "replaced", "status");
        checkArray(await side.get("a.npy"), sample(2), "what is stored");
        const fresh = await backend.save(sample(3), "b.npy", { ifExists: "replace" });
        checkEqual(fresh.status, "created", "status where nothing was");
      },
    },
    {
      name: 'skips with "skip" and says so',
      run: async ({ backend, side }) => {
        await side.put("a.npy", sample(1));
        const { status } = await backend.save(sample(2), "a.npy", { ifExists: "skip" });
        checkEqual(status, "skipped", "status");
        checkArray(await side.get("a.npy"), sample(1), "what is stored");
        checkEqual((await backend.save(sample(3), "b.npy", { ifExists: "skip" })).status, "created", "a new one");
      },
    },
    {
      name: "lets one of many savers of the same new path win, and refuses the others",
      run: async ({ backend, side }) => {
        const savers = Array.from({ length: 12 }, (_, i) => backend.save(sample(i), "race.npy"));
        const outcomes = await Promise.allSettled(savers);
        const winners = outcomes.flatMap(({ status }, i) => (status === "fulfilled" ? [i] : []));
        checkEqual(winners.length, 1, "number of savers that were told they made the file");
        checkArray(await side.get("race.npy"), sample(winners[0]), "what is stored");
        for (const outcome of outcomes) {
          if (outcome.status === "rejected")
            await checkRejects(Promise.reject(outcome.reason), "ALREADY_EXISTS", "a loser");
        }
      },
    },
    {
      name: "refuses to save over a directory and at the root",
      run: async ({ backend, side }) => {
        await side.put("d/a.npy", sample());
        for (const ifExists of ["error", "replace"] as const) {
          const codes = ["IS_A_DIRECTORY", "ALREADY_EXISTS"] as const;
          const over = () => backend.save(sample(), "d", { ifExists, format: "npy" });
          if (!flatKeys) await checkRejects(over, codes, "a save over a directory");
          await checkRejects(
            () => backend.save(sample(), "", { ifExists, format: "npy" }),
            codes,
            "a save at the root",
          );
        }
        checkArray(await side.get("d/a.npy"), sample(), "what is below");
      },
    },
    {
      name: "writes nothing when the signal has fired",
      run: async ({ backend, side }) => {
        await checkRejects(() => backend.save(sample(), "a.npy", { signal: AbortSignal.abort() }), "ABORTED", "save");
        checkEqual(await side.get("a.npy"), undefined, "what is stored");
      },
    },
    {
      name: "refuses keys that leave the root or hold a NUL, and refuses after close",
      run: async ({ backend }) => {
        await checkRejects(() => backend.save(sample(), "a\0.npy"), "INVALID_KEY", "a NUL");
        await checkRejects(
          () => backend.save(sample(), "../../../../../../../../a.npy"),
          "INVALID_KEY",
          "a key outside",
        );
        await backend.close();
        await checkRejects(() => backend.save(sample(), "a.npy"), "NOT_OPEN", "save after close");
      },
    },
  ];
  if (!requiresFilesystemValidation) return checks;
  return [
    ...checks,
    {
      name: "needs the parent directory, unless it may make it",
      run: async ({ backend, side }) => {
        await side.put("file.npy", sample());
        await checkRejects(() => backend.save(sample(), "none/a.npy"), "NOT_FOUND", "a save without parent");
        checkEqual(await backend.exists("none"), false, "the parent");
        await checkRejects(() => backend.save(sample(), "file.npy/a.npy"), "NOT_A_DIRECTORY", "a save below a file");
        await backend.save(sample(), "new/deep/a.npy", { createParents: true });
        checkArray(await side.get("new/deep/a.npy"), sample(), "a save that makes its parents");
      },
    },
  ];
}

/** Checks of values other than arrays. */
export const valueChecks: Check[] = [
  {
    name: "keeps JSON, text and bytes",
    run: async ({ backend, side }) => {
      const table = { plate: "P1", wells: ["A01", "AA12"], gain: 1.5, none: null, nested: { ok: true } };
      const values: [string, unknown][] = [
        ["a.json", table],
        ["list.json", [1, "two", null]],
        ["null.json", null],
        ["a.txt", "µm — two\nlines"],
        ["a.bin", Uint8Array.of(0, 255, 10, 13)],
      ];
      for (const [path, value] of values) {
        await backend.save(value, path);
        checkEqual(await side.get(path), value, `stored ${path}`);
        checkEqual(await backend.load(path), value, `loaded ${path}`);
        checkEqual(await backend.isFile(path), true, `isFile of ${path}`);
        const part = () => backend.load(path, { selection: [0] });
        await checkRejects(part, "INVALID_DATA", `a selection of ${path}, which is no array`);
      }
    },
  },
  {
    name: "does not alias JSON either, on the way in and on the way out",
    run: async ({ backend }) => {
      const document = { list: [1, 2] };
      await backend.save(document, "a.json");
      document.list.push(3);
      const loaded = (await backend.load("a.json")) as typeof document;
      checkEqual(loaded, { list: [1, 2] }, "load after the caller changed its document");
      loaded.list.push(4);
      checkEqual(await backend.load("a.json"), { list: [1, 2] }, "load after the loaded document was changed");
    },
  },
  {
    name: "refuses what it cannot keep, and leaves nothing",
    run: async ({ backend, side }) => {
      class Stage {}
      for (const [path, value] of [
        ["f.json", () => 1],
        ["i.json", { stage: new Stage() }],
        ["u.json", undefined],
      ] as const) {
        await checkRejects(() => backend.save(value, path), "INVALID_DATA", `a save of ${path}`);
        checkEqual(await side.get(path), undefined, `what is stored of ${path}`);
      }
    },
  },
];

/** Checks of {@link DataSink.saveBatch}. */
export const batchChecks: Check[] = [
  {
    name: "saves a batch, and answers in the order of the arguments",
    run: async ({ backend, side }) => {
      const paths = ["c.npy", "a.npy", "b.npy"];
      const results = await backend.saveBatch([sample(3), sample(1), sample(2)], paths, { concurrency: 2 });
      checkEqual(
        results.map(({ identifier, status }) => [identifier, status]),
        paths.map((path) => [path, "created"]),
        "results",
      );
      for (const [i, path] of ["a.npy", "b.npy", "c.npy"].entries()) {
        checkArray(await side.get(path), sample(i + 1), `stored ${path}`);
        checkEqual(await backend.exists(path), true, `exists of ${path}`);
      }
      checkEqual(await backend.saveBatch([], []), [], "an empty batch");
    },
  },
  {
    name: "refuses lists of different lengths, and a path that occurs twice",
    run: async ({ backend, side }) => {
      await checkRejects(
        () => backend.saveBatch([sample(), sample()], ["a.npy"]),
        "INVALID_DATA",
        "two values for one path",
      );
      const twice = ["a.npy", "./a.npy"];
      await checkRejects(() => backend.saveBatch([sample(1), sample(2)], twice), "INVALID_DATA", "a path twice");
      checkEqual(await side.get("a.npy"), undefined, "what is stored");
    },
  },
  {
    name: "checks every path before it writes any",
    run: async ({ backend, side }) => {
      await side.put("b.npy", sample(9));
      await checkRejects(
        () => backend.saveBatch([sample(1), sample(2)], ["a.npy", "b.npy"]),
        "ALREADY_EXISTS",
        "a taken path",
      );
      await checkRejects(
        () => backend.saveBatch([sample(1), sample(2)], ["a.npy", "c\0.npy"]),
        "INVALID_KEY",
        "a bad path",
      );
      checkEqual(await side.get("a.npy"), undefined, "the path before the bad one");
      checkArray(await side.get("b.npy"), sample(9), "the taken path");
    },
  },
  {
    name: "replaces and skips by the policy of the batch",
    run: async ({ backend, side }) => {
      await side.put("b.npy", sample(9));
      const save = async (seed: number, ifExists: "skip" | "replace") =>
        (await backend.saveBatch([sample(seed), sample(seed)], [`${ifExists}.npy`, "b.npy"], { ifExists })).map(
          (r) => r.status,
        );
      checkEqual(await save(1, "skip"), ["created", "skipped"], '"skip"');
      checkArray(await side.get("b.npy"), sample(9), 'after "skip"');
      checkEqual(await save(2, "replace"), ["created", "replaced"], '"replace"');
      checkArray(await side.get("b.npy"), sample(2), 'after "replace"');
    },
  },
];
