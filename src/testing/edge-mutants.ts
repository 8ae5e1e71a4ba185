/** Planted bugs at the edges of the contract: one for each check that no other mutant needs. */
import type { ByteWriter } from "../core/byte-store.ts";
import { isStorageError } from "../core/errors.ts";
import { normalizeKey } from "../core/key.ts";
import { type Mutant, override, overrideWriter } from "./mutants.ts";

/** Bugs at the edges. */
export const edgeByteStoreMutants: readonly Mutant[] = [
  {
    name: "URIs are not encoded",
    killedBy: "gives percent-encoded URIs",
    plant: (store) => override(store, { uri: (key) => decodeURIComponent(store.uri(key).replaceAll("%25", "%2525")) }),
  },
  {
    name: "read drops the last byte",
    killedBy: "read gives exactly the stored bytes",
    plant: (store) =>
      override(store, {
        read: async (key, options) => {
          const bytes = await store.read(key, options);
          return bytes.subarray(0, Math.max(1, bytes.length - 1));
        },
      }),
  },
  {
    name: "a directory reads as an empty value",
    killedBy: "a directory is IS_A_DIRECTORY to read and kind directory to stat",
    plant: (store) =>
      override(store, {
        read: (key, options) => otherwise(store.read(key, options), "IS_A_DIRECTORY", new Uint8Array()),
      }),
  },
  {
    name: "reads do not look at the signal",
    killedBy: "a signal that has fired stops every read",
    plant: (store) => override(store, { stat: (key, options) => store.stat(key, { ...options, signal: undefined }) }),
  },
  {
    name: "the root takes a value",
    killedBy: "the root is a directory: no value can be there",
    plant: (store) =>
      override(store, { write: (key, bytes, options) => store.write(normalizeKey(key) || "root", bytes, options) }),
  },
  {
    name: "the checksum is of the first part only",
    killedBy: "a checksum that is asked for is right",
    plant: (store) =>
      override(store, {
        write: async (key, bytes, options) => {
          const first = bytes instanceof Uint8Array ? bytes : (bytes[0] ?? new Uint8Array());
          const { checksum } = await store.write(key, first, options);
          const result = await store.write(key, bytes);
          return checksum === undefined ? result : { ...result, checksum };
        },
      }),
  },
  {
    name: "abort after close removes the value",
    killedBy: "after close, abort and disposing are harmless, close answers again, write is NOT_OPEN",
    plant: (store) =>
      overrideWriter(store, (writer, key) => ({
        abort: async () => {
          await writer.abort();
          await store.delete(key);
        },
      })),
  },
  {
    name: "a writer that got nothing publishes nothing",
    killedBy: "a writer that got nothing makes an empty value",
    plant: (store) =>
      overrideWriter(store, (writer) => ({
        close: async (options) => {
          if (writer.byteLength > 0) return writer.close(options);
          await writer.abort();
          return { byteLength: 0, etag: "nothing" };
        },
      })),
  },
  {
    name: "openWriter forgets ifAbsent",
    killedBy: "openWriter refuses a value that is there, and a signal that has fired",
    plant: (store) =>
      override(store, { openWriter: (key, options) => store.openWriter(key, { ...options, ifAbsent: undefined }) }),
  },
  {
    name: "positions are ignored",
    killedBy: "chunks land at their positions, in any order and several at once",
    plant: (store) => overrideWriter(store, (writer) => ({ write: (chunk) => writer.write(chunk) })),
  },
  {
    name: "a wrong position counts as the end",
    killedBy: "a position that is no place is INVALID_DATA, and the writer goes on",
    plant: (store) => overrideWriter(store, (writer) => ({ write: clampedWrite(writer) })),
  },
  {
    name: "an empty store lists its root",
    killedBy: "an empty store lists nothing",
    plant: (store) =>
      override(store, {
        list: async function* (options) {
          let isEmpty = true;
          for await (const entry of store.list(options)) {
            isEmpty = false;
            yield entry;
          }
          if (isEmpty) yield store.stat("");
        },
      }),
  },
  {
    name: "a prefix beyond the root lists nothing",
    killedBy: "a prefix that leaves the root is INVALID_KEY",
    plant: (store) =>
      override(store, {
        list: async function* (options) {
          try {
            yield* store.list(options);
          } catch (error) {
            if (!isStorageError(error, "INVALID_KEY")) throw error;
          }
        },
      }),
  },
  {
    name: "delete takes what begins like the key",
    killedBy: "delete removes one value and no other",
    plant: (store) =>
      override(store, {
        delete: async (key, options) => {
          await store.delete(key, options);
          const prefix = normalizeKey(key);
          for await (const entry of store.list({ prefix })) await store.delete(entry.key);
        },
      }),
  },
  {
    name: "deleteMany takes a thousand and forgets the rest",
    killedBy: "deleteMany takes more keys than one page of any service",
    plant: (store) =>
      override(store, { deleteMany: (keys, options) => store.deleteMany(keys.slice(0, 1000), options) }),
  },
  {
    name: "a transfer removes its target first",
    killedBy: "a missing source is NOT_FOUND, and the target stays",
    plant: (store) =>
      override(store, {
        copy: async (from, to, options) => {
          if (options?.ifExists === "replace" && normalizeKey(from) !== normalizeKey(to)) await store.delete(to);
          return store.copy(from, to, options);
        },
      }),
  },
  {
    name: "copying a directory does nothing, and says so to nobody",
    killedBy: "directories are not copied or renamed by these",
    plant: (store) =>
      override(store, {
        copy: (from, to, options) =>
          otherwise(store.copy(from, to, options), "IS_A_DIRECTORY", { byteLength: 0, etag: "nothing" }),
      }),
  },
  {
    name: "transfers do not look at the signal",
    killedBy: "a signal that has fired copies and renames nothing",
    plant: (store) =>
      override(store, { copy: (from, to, options) => store.copy(from, to, { ...options, signal: undefined }) }),
  },
  {
    name: "an aborted write leaves an empty value",
    killedBy: "an aborted write of a new key leaves nothing behind",
    plant: (store) =>
      override(store, {
        write: async (key, bytes, options) => {
          await store.write(key, new Uint8Array(0), { ifAbsent: options?.ifAbsent });
          if (options?.signal !== undefined) await new Promise((resolve) => setTimeout(resolve, 0));
          return store.write(key, bytes, { signal: options?.signal });
        },
      }),
  },
];

/** The result of some work, or another one where it fails with a code. */
async function otherwise<T>(work: Promise<T>, code: "IS_A_DIRECTORY", instead: T): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (isStorageError(error, code)) return instead;
    throw error;
  }
}

function clampedWrite(writer: ByteWriter): ByteWriter["write"] {
  return (chunk, options = {}) => {
    const { position = writer.byteLength } = options;
    return writer.write(chunk, { ...options, position: Math.max(0, Math.floor(position)) });
  };
}
