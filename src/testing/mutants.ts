/**
 * Planted bugs: what shows that a conformance kit would notice. Each takes a store that is right and makes it wrong in
 * one way; a kit that still passes has a hole there.
 *
 * The first seventeen are those that were tried on the public suites of six storage libraries: the best suite found
 * nine, all six together thirteen.
 */
import type { ByteSource, ByteStore, ByteWriter, DirectoryStore, ListEntry } from "../core/byte-store.ts";
import { joinBytes } from "../core/byte-store.ts";
import { isStorageError } from "../core/errors.ts";
import { normalizeKey } from "../core/key.ts";

/** A bug to be planted. */
export interface Mutant {
  /** What goes wrong, in a few words. */
  readonly name: string;
  /** End of the name of a check that must fail because of it. */
  readonly killedBy: string;
  /** Needs real directories. Default `false`. */
  readonly needsDirectories?: boolean;
  /** The store with the bug in it. */
  readonly plant: (store: ByteStore) => ByteStore;
}

type Overrides = { readonly [Name in keyof DirectoryStore]?: DirectoryStore[Name] };

/** A store in which some methods are replaced; everything else is the store itself, private state included. */
export function override(store: ByteStore, overrides: Overrides): ByteStore {
  return new Proxy(store, {
    get: (target, name) => {
      if (Object.hasOwn(overrides, name)) return overrides[name as keyof Overrides];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** The seventeen. */
export const byteStoreMutants: readonly Mutant[] = [
  {
    name: "range off by one",
    killedBy: "a range gives exactly its bytes, and less at the end of the value",
    plant: (store) =>
      override(store, {
        read: (key, options = {}) => {
          const { range } = options;
          if (range === undefined || "suffix" in range || range.length === undefined) return store.read(key, options);
          return store.read(key, { ...options, range: { ...range, length: range.length + 1 } });
        },
      }),
  },
  {
    name: "append overwrites",
    killedBy: "a writer appends chunks in call order, also without waiting between them",
    plant: (store) =>
      overrideWriter(store, (writer) => ({
        write: (chunk, options) => writer.write(chunk, { position: 0, ...options }),
      })),
  },
  {
    name: "create-if-absent ignored",
    killedBy: "ifAbsent writes a new key, and refuses one that is there with ALREADY_EXISTS",
    plant: (store) =>
      override(store, { write: (key, bytes, options) => store.write(key, bytes, { ...options, ifAbsent: undefined }) }),
  },
  {
    name: "if-match ignored",
    killedBy: "ifMatch writes over the version it names, and refuses any other",
    plant: (store) =>
      override(store, { write: (key, bytes, options) => store.write(key, bytes, { ...options, ifMatch: undefined }) }),
  },
  {
    name: "recursive ignored",
    killedBy: "lists every value at any depth with its length, and nothing else",
    plant: (store) =>
      override(store, {
        list: async function* (options = {}) {
          for await (const entry of store.list({ ...options, delimiter: "/" })) {
            if (options.delimiter !== undefined || entry.kind !== "directory") yield entry;
          }
        },
      }),
  },
  {
    name: "remove-all eats siblings with the same prefix",
    killedBy: "deleteMany removes what it is told, spares siblings, and answers for each key in order",
    plant: (store) =>
      override(store, {
        deleteMany: async (keys, options) => {
          const results = await store.deleteMany(keys, options);
          for (const { key, error } of results) {
            if (error !== undefined) continue;
            const prefix = normalizeKey(key).replace(/\/[^/]*$/, "");
            for await (const entry of store.list({ prefix })) if (entry.kind === "file") await store.delete(entry.key);
          }
          return results;
        },
      }),
  },
  {
    name: "delete of a missing key throws",
    killedBy: "delete of a missing key is fine, of the root IS_A_DIRECTORY",
    plant: (store) =>
      override(store, {
        delete: async (key, options) => {
          await store.stat(key, { followSymlinks: false });
          await store.delete(key, options);
        },
      }),
  },
  {
    name: "copy does not overwrite when asked to",
    killedBy: "copy and rename keep an existing target unless they are told to replace it",
    plant: (store) =>
      override(store, { copy: (from, to, options) => store.copy(from, to, { ...options, ifExists: "error" }) }),
  },
  {
    name: "rename keeps its source",
    killedBy: "rename moves the value: the source is gone",
    plant: (store) =>
      override(store, { rename: async (from, to, options) => void (await store.copy(from, to, options)) }),
  },
  {
    name: "UTF-8 corruption",
    killedBy: "write stores exactly the bytes, whatever they are, and makes directories",
    plant: (store) => {
      const asText = (bytes: ByteSource) => new TextEncoder().encode(new TextDecoder().decode(joinBytes(bytes)));
      return override(store, { write: (key, bytes, options) => store.write(key, asText(bytes), options) });
    },
  },
  {
    name: "buffer aliasing",
    killedBy: "write does not keep the caller's memory",
    plant: (store) => {
      // A cache of what was written, as somebody would add it to save reads.
      const cache = new Map<string, { readonly bytes: Uint8Array; readonly etag: string }>();
      return override(store, {
        write: async (key, bytes, options) => {
          const result = await store.write(key, bytes, options);
          cache.set(key, { bytes: joinBytes(bytes), etag: result.etag });
          return result;
        },
        read: async (key, options = {}) => {
          const cached = cache.get(key);
          if (cached === undefined || options.range !== undefined) return store.read(key, options);
          return (await store.stat(key, options)).etag === cached.etag ? cached.bytes : store.read(key, options);
        },
      });
    },
  },
  {
    name: "start-after inclusive",
    killedBy: "startAfter is exclusive, and need not exist",
    plant: (store) =>
      override(store, {
        list: async function* (options = {}) {
          const { startAfter, prefix = "" } = options;
          const first = startAfter?.startsWith(prefix) ? await statOf(store, startAfter) : undefined;
          if (first?.kind === "file") yield first;
          yield* store.list(options);
        },
      }),
  },
  {
    name: "empty write dropped",
    killedBy: "an empty value is a value",
    plant: (store) =>
      override(store, {
        write: async (key, bytes, options) => {
          if (joinBytes(bytes).byteLength > 0) return store.write(key, bytes, options);
          return { byteLength: 0, etag: "nothing" };
        },
      }),
  },
  {
    name: "stat size plus one",
    killedBy: "stat knows key, kind, length and etag",
    plant: (store) =>
      override(store, {
        stat: async (key, options) => {
          const stat = await store.stat(key, options);
          return stat.kind === "file" ? { ...stat, byteLength: stat.byteLength + 1 } : stat;
        },
      }),
  },
  {
    name: "spaces mangled",
    killedBy: "odd keys round-trip untouched",
    plant: (store) => {
      // The same both ways, so that only the side door or a listing can tell.
      const plus = (key: string) => key.replaceAll(" ", "+");
      const space = (entry: ListEntry) => ({ ...entry, key: entry.key.replaceAll("+", " ") });
      return override(store, {
        write: (key, bytes, options) => store.write(plus(key), bytes, options),
        read: (key, options) => store.read(plus(key), options),
        stat: async (key, options) => space(await store.stat(plus(key), options)),
        delete: (key, options) => store.delete(plus(key), options),
      });
    },
  },
  {
    name: "not-found returns empty",
    killedBy: "a missing key is NOT_FOUND for every way of reading",
    plant: (store) =>
      override(store, {
        read: async (key, options) => {
          try {
            return await store.read(key, options);
          } catch (error) {
            if (isStorageError(error, "NOT_FOUND")) return new Uint8Array(0);
            throw error;
          }
        },
      }),
  },
  {
    name: "shallow list hides directories",
    killedBy: "with a delimiter, groups what is below the next slash",
    plant: (store) =>
      override(store, {
        list: async function* (options = {}) {
          for await (const entry of store.list(options)) if (entry.kind !== "directory") yield entry;
        },
      }),
  },
];

async function statOf(store: ByteStore, key: string): Promise<ListEntry | undefined> {
  try {
    return await store.stat(key);
  } catch (error) {
    if (isStorageError(error, "NOT_FOUND")) return undefined;
    throw error;
  }
}

/** A store whose byte writers have some methods replaced. */
export function overrideWriter(
  store: ByteStore,
  overrides: (writer: ByteWriter, key: string) => Partial<Pick<ByteWriter, "write" | "close" | "abort">>,
): ByteStore {
  return override(store, {
    openWriter: async (key, options) => {
      const writer = await store.openWriter(key, options);
      const replaced = overrides(writer, key);
      return new Proxy(writer, {
        get: (target, name) => {
          if (Object.hasOwn(replaced, name)) return replaced[name as keyof typeof replaced];
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
    },
  });
}
