/** Mistakes of saves, loads and batches. */
import type { IfExists } from "../core/data-sink.ts";
import { StorageError } from "../core/errors.ts";
import { copyArray, isNdArray, type NdArray } from "../core/nd-array.ts";
import { type BackendMutant, mutant } from "./backend-mutant.ts";

/** A mutant whose saves have another policy than they are told. */
function policy(name: string, change: (asked: IfExists | undefined) => IfExists | undefined): BackendMutant {
  return mutant(name, ({ save, saveBatch }) => ({
    save: (data, path, options) => save(data, path, { ...options, ifExists: change(options?.ifExists) }),
    saveBatch: (data, paths, options) => saveBatch(data, paths, { ...options, ifExists: change(options?.ifExists) }),
  }));
}

/** A mutant whose loads change arrays. */
function loaded(name: string, change: (array: NdArray) => NdArray): BackendMutant {
  return mutant(name, ({ load }) => ({
    load: async (path, options) => {
      const value = await load(path, options);
      return isNdArray(value) ? change(value) : value;
    },
  }));
}

/** Mutants of saves, loads and batches. */
export const valueMutants: readonly BackendMutant[] = [
  loaded("lays images on their side", (array) => ({
    ...array,
    shape: [...array.shape].reverse(),
    stride: [...array.stride].reverse(),
  })),
  mutant("keeps the caller's memory on save", ({ save, load }) => {
    const kept = new Map<string, unknown>();
    return {
      save: async (data, path, options) => {
        const result = await save(data, path, options);
        kept.set(path, data);
        return result;
      },
      load: async (path, options) => {
        const value = await load(path, options);
        if (!kept.has(path)) return value;
        const own = kept.get(path);
        return isNdArray(own) ? copyArray(own) : structuredClone(own);
      },
    };
  }),
  mutant("gives the same object to every load", ({ load }) => {
    const given = new Map<string, unknown>();
    return {
      load: async (path, options) => {
        const value = await load(path, options);
        if (!given.has(path)) given.set(path, value);
        return given.get(path);
      },
    };
  }),
  policy("overwrites, whatever it is told", () => "replace"),
  policy("overwrites by default", (asked) => asked ?? "replace"),
  policy('takes "skip" for "error"', (asked) => (asked === "skip" ? "error" : asked)),
  policy('takes "replace" for "skip"', (asked) => (asked === "replace" ? "skip" : asked)),
  mutant("says that every save created", ({ save }) => ({
    save: async (data, path, options) => {
      const result = await save(data, path, options);
      return { ...result, status: "created" };
    },
  })),
  mutant("only pretends to save", ({ save, load, exists }) => {
    const pretended = new Map<string, unknown>();
    return {
      save: async (data, path, options) => {
        if (!isNdArray(data) || pretended.has(path) || (await exists(path))) return save(data, path, options);
        pretended.set(path, copyArray(data));
        return { status: "created", identifier: path };
      },
      load: async (path, options) => {
        const value = pretended.get(path);
        return isNdArray(value) ? copyArray(value) : load(path, options);
      },
      exists: async (path, options) => pretended.has(path) || exists(path, options),
    };
  }),
  mutant("looks first and writes later", ({ save, exists }) => ({
    save: async (data, path, options) => {
      if ((options?.ifExists ?? "error") !== "error" || (await exists(path))) return save(data, path, options);
      await new Promise((resolve) => setTimeout(resolve, 1));
      return { ...(await save(data, path, { ...options, ifExists: "replace" })), status: "created" };
    },
  })),
  mutant("writes over directories", ({ save, deleteAll, isDir }) => ({
    save: async (data, path, options) => {
      if (path !== "" && (await isDir(path))) await deleteAll(path);
      return save(data, path, options);
    },
  })),
  mutant("makes missing directories unasked", ({ save }) => ({
    save: (data, path, options) => save(data, path, { ...options, createParents: true }),
  })),
  mutant("saves although the signal has fired", ({ save }) => ({
    save: (data, path, options) => save(data, path, { ...options, signal: undefined }),
  })),
  mutant("loads although the signal has fired", ({ load }) => ({
    load: (path, options) => load(path, { ...options, signal: undefined }),
  })),
  mutant("saves the memory under a view instead of what it shows", ({ save }) => ({
    save: (data, path, options) => {
      if (!isNdArray(data)) return save(data, path, options);
      const stride = data.shape.map((_, axis) => data.shape.slice(axis + 1).reduce((a, b) => a * b, 1));
      return save({ ...data, stride }, path, options);
    },
  })),
  loaded("turns integers of 64 bits into doubles", (array) =>
    array.data instanceof BigInt64Array
      ? { ...array, data: Float64Array.from(array.data, Number), dtype: "float64" }
      : array,
  ),
  loaded("squeezes axes of length one", (array) => {
    const axes = array.shape.flatMap((length, axis) => (length === 1 ? [] : [axis]));
    const pick = (list: readonly number[]) => axes.map((axis) => list[axis] as number);
    return { ...array, shape: pick(array.shape), stride: pick(array.stride) };
  }),
  mutant("stores nothing for null", ({ load }) => ({
    load: async (path, options) => {
      const value = await load(path, options);
      if (value === null) throw new StorageError("IS_A_DIRECTORY", `"${path}" is a directory`);
      return value;
    },
  })),
  mutant("makes plain objects of class instances", ({ save }) => ({
    save: (data, path, options) =>
      save(
        data === undefined ? null : typeof data === "object" ? (JSON.parse(show(data)) ?? data) : data,
        path,
        options,
      ),
  })),
  mutant("loads all of an array, whatever is selected of it", ({ load }) => ({
    load: (path, options) => load(path, { ...options, selection: undefined }),
  })),
  mutant("loads batches of whole arrays, whatever is selected of them", ({ loadBatch }) => ({
    loadBatch: (paths, options) => loadBatch(paths, { ...options, selection: undefined }),
  })),
  mutant("answers batches in any order", ({ loadBatch }) => ({
    loadBatch: async (paths, options) => (await loadBatch(paths, options)).reverse(),
  })),
  mutant("answers saved batches in any order", ({ saveBatch }) => ({
    saveBatch: async (data, paths, options) => (await saveBatch(data, paths, options)).reverse(),
  })),
  mutant("writes the first items of a batch before it looks at the others", ({ save }) => ({
    saveBatch: async (data, paths, options) => {
      const results = [];
      for (const [i, path] of paths.entries()) results.push(await save(data[i], path, options));
      return results;
    },
  })),
  mutant("hides the failures of a batch", ({ loadBatch }) => ({
    loadBatch: (paths, options) => loadBatch(paths, { ...options, onError: "collect" }),
  })),
  mutant("loads nothing where nothing is", ({ load, isFile }) => ({
    load: async (path, options) => ((await isFile(path)) ? load(path, options) : undefined),
  })),
  mutant("wraps its errors in errors without a code", ({ load }) => ({
    load: async (path, options) => {
      try {
        return await load(path, options);
      } catch (cause) {
        throw new StorageError("UNEXPECTED", `load of ${path} failed`, { cause });
      }
    },
  })),
  mutant("goes on after close", () => ({ close: async () => {} })),
];

/** JSON of a value; of what JSON does not have, `null`. */
function show(value: object | null): string {
  return isNdArray(value) || ArrayBuffer.isView(value) ? "null" : (JSON.stringify(value) ?? "null");
}
