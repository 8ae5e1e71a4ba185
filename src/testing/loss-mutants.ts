/**
 * Planted bugs by which bytes are lost, mixed or given to the wrong: races, containment, aliasing, aborts, pages, and
 * what a crash would find.
 */
import type { ByteSource, ByteStore, ByteWriter, ListEntry } from "../core/byte-store.ts";
import { joinBytes } from "../core/byte-store.ts";
import { isStorageError, StorageError } from "../core/errors.ts";
import { normalizeKey } from "../core/key.ts";
import { type Mutant, override, overrideWriter } from "./mutants.ts";

/** Keys that services give in one answer. */
const PAGE = 1000;

/** Bugs that lose bytes. */
export const lossByteStoreMutants: readonly Mutant[] = [
  {
    name: "two writers of one key share a buffer",
    killedBy: "two writers of one key at once do not mix, and the last to close stays",
    plant: (store) => {
      const open = new Map<string, { readonly writer: ByteWriter; users: number }>();
      return override(store, {
        openWriter: async (key, options) => {
          const shared = open.get(key) ?? { writer: await store.openWriter(key, options), users: 0 };
          shared.users++;
          open.set(key, shared);
          return shared.writer;
        },
      });
    },
  },
  {
    name: "a byte writer looks at ifAbsent when it opens, not when it closes",
    killedBy: "a byte writer with ifAbsent that is overtaken loses, and what overtook it stays",
    plant: (store) =>
      override(store, {
        openWriter: async (key, options = {}) => {
          const { ifAbsent, ...rest } = options;
          if (!ifAbsent || options.ifMatch !== undefined) return store.openWriter(key, options);
          await (await store.openWriter(key, options)).abort();
          return store.openWriter(key, rest);
        },
      }),
  },
  {
    name: "a byte writer forgets ifMatch",
    killedBy: "a byte writer with ifMatch that is overtaken loses",
    plant: (store) =>
      override(store, { openWriter: (key, options) => store.openWriter(key, { ...options, ifMatch: undefined }) }),
  },
  {
    name: "a copy looks first whether the target is there, and copies then",
    killedBy: "of 12 copies to one new key at once exactly one wins",
    plant: (store) =>
      override(store, {
        copy: async (from, to, options = {}) => {
          if (options.ifExists !== "replace" && (await isThere(store, to))) {
            throw new StorageError("ALREADY_EXISTS", `"${to}" exists`);
          }
          return store.copy(from, to, { ...options, ifExists: "replace" });
        },
      }),
  },
  {
    name: "a rename looks first whether the target is there, and moves then",
    killedBy: "of 12 renames to one new key at once exactly one wins",
    plant: (store) =>
      override(store, {
        rename: async (from, to, options = {}) => {
          if (options.ifExists !== "replace" && (await isThere(store, to))) {
            throw new StorageError("ALREADY_EXISTS", `"${to}" exists`);
          }
          return store.rename(from, to, { ...options, ifExists: "replace" });
        },
      }),
  },
  {
    name: "copies lead out of the root and back in",
    killedBy: "keys that leave the root, or are none, are INVALID_KEY everywhere",
    plant: (store) =>
      override(store, { copy: (from, to, options) => store.copy(from, to.replaceAll("../", ""), options) }),
  },
  {
    name: "deleteMany cuts off what leads out of the root",
    killedBy: "keys that leave the root, or are none, are INVALID_KEY everywhere",
    plant: (store) =>
      override(store, {
        deleteMany: async (keys, options) => {
          const results = await store.deleteMany(
            keys.map((key) => key.replaceAll("..", "")),
            options,
          );
          return results.map(({ error }, i) => ({ key: keys[i] as string, error }));
        },
      }),
  },
  {
    name: "all who read a value get the same memory",
    killedBy: "what was read belongs to the caller",
    plant: (store) => {
      const kept = new Map<string, Uint8Array>();
      return override(store, {
        read: async (key, options = {}) => {
          if (options.range !== undefined) return store.read(key, options);
          const { etag } = await store.stat(key, options);
          const version = `${key} ${etag}`;
          const bytes = kept.get(version) ?? (await store.read(key, options));
          kept.set(version, bytes);
          return bytes;
        },
      });
    },
  },
  {
    name: "a writer keeps the memory of its chunks",
    killedBy: "a writer does not keep the caller's memory",
    plant: (store) =>
      overrideWriter(store, (writer) => {
        const chunks: ByteSource[] = [];
        return {
          write: async (chunk) => void chunks.push(chunk),
          close: async (options) => {
            for (const chunk of chunks) await writer.write(chunk);
            return writer.close(options);
          },
        };
      }),
  },
  {
    name: "a stream has one buffer for all its pieces",
    killedBy: "a stream gives the value in bounded pieces, and only when it is asked",
    plant: (store) =>
      override(store, {
        readStream: async (key, options) => {
          const reader = (await store.readStream(key, options)).getReader();
          const buffer = new Uint8Array(1 << 23);
          return new ReadableStream({
            pull: async (controller) => {
              const next = await reader.read();
              if (next.done) return controller.close();
              buffer.set(next.value);
              controller.enqueue(buffer.subarray(0, next.value.length));
            },
            cancel: (reason) => reader.cancel(reason),
          });
        },
      }),
  },
  {
    name: "an abort half way leaves the half",
    killedBy: "a write that is aborted at any moment leaves the old value or the new one, and no orphan",
    plant: (store) =>
      override(store, {
        write: async (key, bytes, options = {}) => {
          if (options.signal === undefined) return store.write(key, bytes, options);
          const whole = joinBytes(bytes);
          await store.write(key, whole.subarray(0, whole.length >> 1), options);
          await new Promise((resolve) => setTimeout(resolve, 0));
          return store.write(key, bytes, { signal: options.signal });
        },
      }),
  },
  {
    name: "abort leaves an orphan beside the value",
    killedBy: "abort, and disposing without close, leave what was there and nothing else",
    plant: (store) =>
      overrideWriter(store, (writer, key) => ({
        abort: async () => {
          await writer.abort();
          await store.write(`${key}.part`, new Uint8Array(1));
        },
      })),
  },
  {
    name: "close does not look at the signal",
    killedBy: "a close that is aborted publishes nothing, and can be repeated or given up",
    plant: (store) => overrideWriter(store, (writer) => ({ close: () => writer.close() })),
  },
  {
    name: "a copy that is aborted leaves half of it",
    killedBy: "a copy and a rename that are aborted at any moment lose nothing and leave no part",
    plant: (store) =>
      override(store, {
        copy: async (from, to, options = {}) => {
          if (options.signal === undefined) return store.copy(from, to, options);
          const bytes = await store.read(from);
          await store.write(to, bytes.subarray(0, bytes.length >> 1));
          await new Promise((resolve) => setTimeout(resolve, 0));
          return store.copy(from, to, { ...options, ifExists: "replace" });
        },
      }),
  },
  {
    name: "a rename removes its source first",
    killedBy: "a copy and a rename that are aborted at any moment lose nothing and leave no part",
    plant: (store) =>
      override(store, {
        rename: async (from, to, options = {}) => {
          if (options.signal === undefined) return store.rename(from, to, options);
          const bytes = await store.read(from);
          await store.delete(from);
          await new Promise((resolve) => setTimeout(resolve, 0));
          await store.write(to, bytes, { signal: options.signal });
        },
      }),
  },
  {
    name: "deleteMany does not look at the signal",
    killedBy: "a signal that has fired deletes nothing, of many keys, of one and of none",
    plant: (store) => override(store, { deleteMany: (keys) => store.deleteMany(keys) }),
  },
  {
    name: "a page loses its last key",
    killedBy: "lists 1203 keys completely and in order, and continues anywhere",
    plant: (store) => paged(store, (entry, isLast) => (isLast ? [] : [entry])),
  },
  {
    name: "the last key of a page comes again on the next one",
    killedBy: "lists 1203 keys completely and in order, and continues anywhere",
    plant: (store) => paged(store, (entry, isLast) => (isLast ? [entry, entry] : [entry])),
  },
  {
    name: "the second page forgets the prefix",
    killedBy: "lists 1203 keys completely and in order, and continues anywhere",
    plant: (store) =>
      override(store, {
        list: async function* (options = {}) {
          let left = PAGE;
          let startAfter = options.startAfter;
          for await (const entry of store.list(options)) {
            if (left-- === 0) break;
            startAfter = entry.key;
            yield entry;
          }
          if (left < 0) yield* store.list({ ...options, prefix: undefined, startAfter });
        },
      }),
  },
  {
    name: "a place before the prefix ends the listing",
    killedBy: "startAfter may lie before the prefix, within it or behind it",
    plant: (store) =>
      override(store, {
        list: async function* (options = {}) {
          const { prefix = "", startAfter = prefix } = options;
          if (startAfter.startsWith(prefix)) yield* store.list(options);
        },
      }),
  },
  {
    name: "the name is there before the bytes are",
    killedBy: "nothing is visible before close, and what was there stays until then",
    plant: (store) =>
      override(store, {
        openWriter: async (key, options) => {
          const writer = await store.openWriter(key, options);
          await store.write(key, new Uint8Array(0));
          return writer;
        },
      }),
  },
  {
    name: "what was written first stays beside the value",
    killedBy: "write replaces, also by something shorter, and its etag follows the value",
    plant: (store) =>
      override(store, {
        write: async (key, bytes, options) => {
          await store.write(`${normalizeKey(key)}.new`, bytes);
          return store.write(key, bytes, options);
        },
      }),
  },
];

/** A listing in pages, in which something happens to every entry. */
function paged(store: ByteStore, each: (entry: ListEntry, isLast: boolean) => readonly ListEntry[]): ByteStore {
  return override(store, {
    list: async function* (options) {
      let count = 0;
      for await (const entry of store.list(options)) yield* each(entry, ++count % PAGE === 0);
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
