/** Faulty sinks, each with one mistake that real ones have made. The conformance kit must refuse every one. */
import type { BackendBase } from "../core/backend.ts";
import type { DataSink, SaveResult } from "../core/data-sink.ts";
import { StorageError } from "../core/errors.ts";
import { isNdArray, sizeOf, zeros } from "../core/nd-array.ts";

/** One mistake. */
export interface SinkMutant {
  /** The mistake, as what the sink then does. */
  readonly name: string;
  /** Plants it in a sink, in place. */
  readonly plant: (sink: DataSink & BackendBase) => void;
}

type Methods = Pick<DataSink & BackendBase, "save" | "saveBatch" | "close">;

function mutant(name: string, change: (original: Methods) => Partial<Methods>): SinkMutant {
  return {
    name,
    plant: (sink) => {
      const { save, saveBatch, close } = sink;
      const bound = { save: save.bind(sink), saveBatch: saveBatch.bind(sink), close: close.bind(sink) };
      Object.assign(sink, change(bound));
    },
  };
}

const created = (identifier: string): SaveResult => ({ status: "created", identifier });

/**
 * All mutants of sinks.
 *
 * @see OpenHCS, whose viewers lost values twice before every value was answered
 */
export const sinkMutants: readonly SinkMutant[] = [
  mutant("answers before the receiver has processed", ({ save }) => ({
    save: async (data, path, options) => {
      const saving = save(data, path, options);
      // What fails at once is told; the rest nobody hears of.
      const early = await Promise.race([
        saving,
        new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 0)),
      ]);
      saving.catch(() => {});
      return early ?? created(path);
    },
  })),
  mutant("drops values and says that they were sent", ({ save }) => {
    let count = 0;
    return {
      save: async (data, path, options) => (++count % 7 === 0 ? created(path) : save(data, path, options)),
    };
  }),
  mutant("mixes up the metadata of a batch", ({ saveBatch }) => ({
    saveBatch: (data, paths, options = {}) => {
      const { itemMetadata } = options as { readonly itemMetadata?: unknown };
      if (!Array.isArray(itemMetadata)) return saveBatch(data, paths, options);
      return saveBatch(data, paths, { ...options, itemMetadata: [...itemMetadata].reverse() } as typeof options);
    },
  })),
  mutant("repeats metadata where an entry is missing", ({ saveBatch }) => ({
    saveBatch: (data, paths, options = {}) => {
      const { itemMetadata } = options as { readonly itemMetadata?: unknown };
      if (!Array.isArray(itemMetadata)) return saveBatch(data, paths, options);
      const filled = paths.map((_, i) => itemMetadata[i] ?? itemMetadata[0]);
      return saveBatch(data, paths, { ...options, itemMetadata: filled } as typeof options);
    },
  })),
  mutant("sends the memory under a view instead of what it shows", ({ save }) => ({
    save: (data, path, options) => {
      if (!isNdArray(data)) return save(data, path, options);
      const stride = data.shape.map((_, axis) => sizeOf(data.shape.slice(axis + 1)));
      return save({ ...data, stride }, path, options);
    },
  })),
  mutant("sends doubles whatever it is given", ({ save }) => ({
    save: (data, path, options) => {
      if (!isNdArray(data) || data.shape.includes(0)) return save(data, path, options);
      return save(zeros(data.shape, "float64"), path, options);
    },
  })),
  mutant("sends one value of each path only", ({ save }) => {
    const sent = new Set<string>();
    return {
      save: async (data, path, options) => {
        if (sent.has(path)) return created(path);
        sent.add(path);
        return save(data, path, options);
      },
    };
  }),
  mutant("takes an empty array for sent", ({ save }) => ({
    save: async (data, path, options) =>
      isNdArray(data) && data.shape.includes(0) ? created(path) : save(data, path, options),
  })),
  mutant("takes any path", ({ save }) => ({
    save: (data, path, options) => save(data, path.replaceAll("..", "up"), options),
  })),
  mutant("hides refusals", ({ save }) => ({
    save: (data, path, options) =>
      save(data, path, options).catch((error: StorageError) => {
        if (error.code === "NO_SPACE") return created(path);
        throw error;
      }),
  })),
  mutant("makes one error of all", ({ save }) => ({
    save: (data, path, options) =>
      save(data, path, options).catch((cause: unknown) => {
        throw new StorageError("UNEXPECTED", "The viewer failed", { cause });
      }),
  })),
  mutant("sends although the signal has fired", ({ save }) => ({
    save: (data, path, options) => save(data, path, { ...options, signal: undefined }),
  })),
  mutant("answers batches in any order", ({ saveBatch }) => ({
    saveBatch: async (data, paths, options) => (await saveBatch(data, paths, options)).reverse(),
  })),
  mutant("sends the first items of a batch before it looks at the others", ({ save, saveBatch }) => ({
    saveBatch: async (data, paths, options) => {
      if (paths.length > 0 && data.length > 0) await save(data[0], paths[0] as string, options);
      return saveBatch(data, paths, options);
    },
  })),
  mutant("hides the failures of a batch", ({ saveBatch }) => ({
    saveBatch: (data, paths, options) => saveBatch(data, paths, { ...options, onError: "collect" }),
  })),
  mutant("throws although failures are to be collected", ({ saveBatch }) => ({
    saveBatch: (data, paths, options) => saveBatch(data, paths, { ...options, onError: "throw" }),
  })),
  mutant("sends something for an empty batch", ({ save, saveBatch }) => ({
    saveBatch: async (data, paths, options) => {
      if (paths.length === 0 && data.length === 0) await save("nothing", "batch");
      return saveBatch(data, paths, options);
    },
  })),
  mutant("keeps the caller's memory", ({ save }) => ({
    save: async (data, path, options) => {
      if (!isNdArray(data)) return save(data, path, options);
      setTimeout(() => void save(data, path, options).catch(() => {}), 0);
      return created(path);
    },
  })),
  {
    name: "says that it can be read",
    plant: (sink) => void Object.assign(sink, { capabilities: { ...sink.capabilities, read: true } }),
  },
  mutant("goes on after close", () => ({ close: async () => {} })),
];
