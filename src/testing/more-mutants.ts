/**
 * Planted bugs where no public suite that we know looks: torn writes, races, containment, aborts, listings past one page,
 * order beyond ASCII.
 */
import type { DirectoryEntry } from "../core/backend.ts";
import type { ByteSource, ByteStore, ListEntry } from "../core/byte-store.ts";
import { isDirectoryStore, joinBytes } from "../core/byte-store.ts";
import { isStorageError, StorageError } from "../core/errors.ts";
import { compareKeys, normalizeKey } from "../core/key.ts";
import { type Mutant, override, overrideWriter } from "./mutants.ts";

/** The rest. */
export const moreByteStoreMutants: readonly Mutant[] = [
  {
    name: "writes in two steps",
    killedBy: "readers beside a writer see whole values only",
    plant: (store) =>
      override(store, {
        write: async (key, bytes, options) => {
          const whole = joinBytes(bytes);
          await store.write(key, whole.subarray(0, whole.length / 2), options);
          return store.write(key, whole, { checksum: options?.checksum });
        },
      }),
  },
  {
    name: "listing stops after 1000 keys",
    killedBy: "lists 1203 keys completely and in order, and continues anywhere",
    plant: (store) =>
      override(store, {
        list: async function* (options) {
          let left = 1000;
          for await (const entry of store.list(options)) if (left-- > 0) yield entry;
        },
      }),
  },
  {
    name: "orders by UTF-16 units",
    killedBy: "orders by the UTF-8 bytes of the full key",
    plant: (store) => sortedBy(store, (a, b) => (a.key < b.key ? -1 : 1)),
  },
  {
    name: "orders level by level",
    killedBy: "orders by the UTF-8 bytes of the full key",
    plant: (store) =>
      sortedBy(store, (a, b) => compareKeys(a.key.replaceAll("/", "\u0001"), b.key.replaceAll("/", "\u0001"))),
  },
  {
    name: "a prefix is taken for a directory",
    killedBy: "a prefix need not end at a slash, and does not take siblings in",
    plant: (store) =>
      override(store, {
        list: (options = {}) => store.list({ ...options, prefix: options.prefix?.replace(/([^/])$/, "$1/") }),
      }),
  },
  {
    name: "create-only looks first and writes then",
    killedBy: "of 12 ifAbsent writes at once exactly one wins, and its value stays",
    plant: (store) =>
      override(store, {
        write: async (key, bytes, options = {}) => {
          if (options.ifAbsent && options.ifMatch === undefined && (await isThere(store, key))) {
            throw new StorageError("ALREADY_EXISTS", `"${key}" exists`);
          }
          return store.write(key, bytes, options.ifMatch === undefined ? { ...options, ifAbsent: undefined } : options);
        },
      }),
  },
  {
    name: "compare-and-set compares first and sets then",
    killedBy: "of 12 ifMatch writes at once exactly one wins",
    plant: (store) =>
      override(store, {
        write: async (key, bytes, options = {}) => {
          const { ifMatch, ...rest } = options;
          if (ifMatch === undefined || options.ifAbsent) return store.write(key, bytes, options);
          if (!(await isThere(store, key)) || (await store.stat(key)).etag !== ifMatch) {
            throw new StorageError("PRECONDITION_FAILED", `"${key}" is another version`);
          }
          return store.write(key, bytes, rest);
        },
      }),
  },
  {
    name: "the etag is the length",
    killedBy: "write replaces, also by something shorter, and its etag follows the value",
    plant: (store) =>
      override(store, {
        write: async (key, bytes, options) => {
          const result = await store.write(key, bytes, options);
          return { ...result, etag: String(result.byteLength) };
        },
        stat: async (key, options) => {
          const stat = await store.stat(key, options);
          return stat.kind === "file" ? { ...stat, etag: String(stat.byteLength) } : stat;
        },
      }),
  },
  {
    name: "dots that leave the root are cut off",
    killedBy: "keys that leave the root, or are none, are INVALID_KEY everywhere",
    plant: (store) => {
      const tame = (key: string) => key.replaceAll(/(^|\/)\.\.(?=\/|$)/g, "");
      return override(store, { write: (key, bytes, options) => store.write(tame(key), bytes, options) });
    },
  },
  {
    name: "the signal is not looked at",
    killedBy: "a signal that has fired writes nothing",
    plant: (store) =>
      override(store, { write: (key, bytes, options) => store.write(key, bytes, { ...options, signal: undefined }) }),
  },
  {
    name: "an aborted write leaves a part",
    killedBy: "a signal that has fired writes nothing",
    plant: (store) =>
      override(store, {
        write: async (key, bytes, options) => {
          try {
            return await store.write(key, bytes, options);
          } catch (error) {
            if (isStorageError(error, "ABORTED")) await store.write(key, firstPart(bytes));
            throw error;
          }
        },
      }),
  },
  {
    name: "a writer publishes each chunk at once",
    killedBy: "nothing is visible before close, and what was there stays until then",
    plant: (store) =>
      overrideWriter(store, (writer, key) => ({
        write: async (chunk, options) => {
          await writer.write(chunk, options);
          await store.write(key, chunk);
        },
      })),
  },
  {
    name: "abort publishes",
    killedBy: "abort, and disposing without close, leave what was there and nothing else",
    plant: (store) => overrideWriter(store, (writer) => ({ abort: async () => void (await writer.close()) })),
  },
  {
    name: "an aborted chunk is written",
    killedBy: "a chunk that is aborted is not written, and the writer goes on",
    plant: (store) =>
      overrideWriter(store, (writer) => ({
        write: async (chunk, options = {}) => {
          await writer.write(chunk, { ...options, signal: undefined });
          if (options.signal?.aborted) throw new StorageError("ABORTED", "aborted");
        },
      })),
  },
  {
    name: "ranges are padded with zeros beyond the end",
    killedBy: "a range gives exactly its bytes, and less at the end of the value",
    plant: (store) =>
      override(store, {
        read: async (key, options = {}) => {
          const bytes = await store.read(key, options);
          const { range } = options;
          const wanted = range === undefined ? undefined : "suffix" in range ? range.suffix : range.length;
          if (wanted === undefined || wanted <= bytes.length) return bytes;
          const padded = new Uint8Array(wanted);
          padded.set(bytes);
          return padded;
        },
      }),
  },
  {
    name: "ranges come in the order of their offsets",
    killedBy: "readRanges keeps the order asked for: near, far, overlapping, repeated, none",
    plant: (store) =>
      override(store, {
        readRanges: (key, ranges, options) => {
          const start = (index: number) => {
            const range = ranges[index];
            return range !== undefined && "offset" in range ? range.offset : 0;
          };
          const order = ranges.map((_, i) => i).sort((a, b) => start(a) - start(b));
          return store.readRanges(
            key,
            order.map((i) => ranges[i] ?? { offset: 0 }),
            options,
          );
        },
      }),
  },
  {
    name: "overlapping ranges share memory",
    killedBy: "what was read belongs to the caller",
    plant: (store) =>
      override(store, {
        readRanges: async (key, ranges, options) => {
          const whole = await store.read(key, options);
          const parts = await store.readRanges(key, ranges, options);
          return parts.map((part, i) => {
            const range = ranges[i];
            if (range === undefined) return part;
            const offset = "offset" in range ? range.offset : whole.length - part.length;
            return whole.subarray(offset, offset + part.length);
          });
        },
      }),
  },
  {
    name: "rename onto itself deletes",
    killedBy: "copy and rename onto the same key lose nothing",
    plant: (store) =>
      override(store, {
        rename: async (from, to, options) => {
          await store.copy(from, to, options);
          await store.delete(from);
        },
      }),
  },
  {
    name: "deleteMany stops at the first failure",
    killedBy: "deleteMany removes what it is told, spares siblings, and answers for each key in order",
    plant: (store) =>
      override(store, {
        deleteMany: async (keys, options) => {
          const results = [];
          for (const key of keys) {
            results.push(...(await store.deleteMany([key], options)));
            if (results.at(-1)?.error !== undefined) break;
          }
          return results;
        },
      }),
  },
  {
    name: "write makes a directory's place its own",
    killedBy: "a value cannot be where a directory is, nor below a value; what is there stays",
    plant: (store) =>
      override(store, {
        write: async (key, bytes, options) => {
          const below = `${normalizeKey(key)}/`;
          if (below.length > 1) for await (const entry of store.list({ prefix: below })) await store.delete(entry.key);
          return store.write(key, bytes, options);
        },
      }),
  },
  {
    name: "a stream is one piece",
    killedBy: "a stream gives the value in bounded pieces, and only when it is asked",
    plant: (store) =>
      override(store, {
        readStream: async (key, options) => {
          const bytes = await store.read(key, options);
          return new ReadableStream({
            start: (controller) => {
              if (bytes.length > 0) controller.enqueue(bytes);
              controller.close();
            },
          });
        },
      }),
  },
  {
    name: "works on after close",
    killedBy: "closes once or often, and then refuses everything with NOT_OPEN",
    plant: (store) => override(store, { close: async () => {} }),
  },
  {
    name: "removeDirectory ignores recursive",
    killedBy: "removeDirectory takes an empty directory, and a full one only when told",
    needsDirectories: true,
    plant: (store) => {
      if (!isDirectoryStore(store)) return store;
      return override(store, { removeDirectory: (key) => store.removeDirectory(key, { recursive: true }) });
    },
  },
  {
    name: "readDirectory names what is below too",
    killedBy: "readDirectory, where there is one, names what a listing with a delimiter does",
    needsDirectories: true,
    plant: (store) =>
      override(store, {
        readDirectory: async (key) => {
          const names: DirectoryEntry[] = [];
          for await (const entry of store.list({ prefix: key === "" ? "" : `${key}/` })) {
            names.push({ name: entry.key.slice(key.length), kind: entry.kind });
          }
          return names;
        },
      }),
  },
  {
    name: "listings follow links",
    killedBy: "listings show links as links and do not follow them",
    needsDirectories: true,
    plant: (store) =>
      override(store, {
        list: async function* (options) {
          for await (const entry of store.list(options)) yield await store.stat(entry.key);
        },
      }),
  },
];

function sortedBy(store: ByteStore, compare: (a: ListEntry, b: ListEntry) => number): ByteStore {
  return override(store, {
    list: async function* (options) {
      const entries: ListEntry[] = [];
      for await (const entry of store.list(options)) entries.push(entry);
      yield* entries.sort(compare);
    },
  });
}

async function isThere(store: ByteStore, key: string): Promise<boolean> {
  try {
    await store.stat(key);
    return true;
  } catch (error) {
    if (isStorageError(error, "NOT_FOUND")) return false;
    throw error;
  }
}

function firstPart(bytes: ByteSource): Uint8Array {
  const whole = joinBytes(bytes);
  return whole.subarray(0, Math.ceil(whole.length / 2));
}
