/** NumPy's `.npz` archives: several arrays by name. */
import { checkAborted, checkNdArray, describe } from "../core/checks.ts";
import { StorageError } from "../core/errors.ts";
import type { NdArray } from "../core/nd-array.ts";
import type { Codec, CodecContext } from "./codec.ts";
import { checkCodecOptions, corrupt, invalidData } from "./codec-options.ts";
import { npyCodec } from "./npy.ts";
import { ArchiveInMemory } from "./zip/archive-in-memory.ts";
import { readDirectory, type ZipEntry } from "./zip/directory.ts";
import { keyOfName } from "./zip/entry-name.ts";
import { EntryReader } from "./zip/entry-reader.ts";
import { packEntry } from "./zip/pack-entry.ts";
import { centralHeader, endRecords, localHeader, type WrittenEntry } from "./zip/records.ts";

/** Options of the npz codec. */
export interface NpzOptions {
  /** For saving. Default `"store"`, as `numpy.savez`; `"deflate"` as `numpy.savez_compressed`. */
  readonly compression?: "store" | "deflate" | undefined;
  /** For loading: only these arrays. Default all of them. */
  readonly names?: readonly string[] | undefined;
  /** For loading: bytes that compressed arrays may grow to, all together. Default 4 GiB. */
  readonly maxBytes?: number | undefined;
}

const SUFFIX = ".npy";
/** Names are short: a directory of more bytes than this holds something else. */
const MAX_DIRECTORY_BYTES = 2 ** 28;
const MAX_BYTES = 2 ** 32;

/**
 * NumPy archives, exact for every dtype: a plain object of arrays, `{ image, mask }`, in that order. What
 * `numpy.savez` was given without a name comes as `arr_0`, `arr_1`, …; names may have slashes.
 *
 * Written as ZIP of `.npy`, stored from the arrays' own memory unless `compression` is `"deflate"`, without a time: the
 * same arrays give the same bytes. Read: stored and deflated, ZIP64 too. Each array is checked by its CRC-32, and is
 * unpacked to its declared length and not a byte more. Object arrays, which only Python's pickle could read, and what
 * `npy` refuses otherwise are refused by name; `names` loads the others.
 *
 * @see numpy, `numpy.savez`, `numpy.lib.npyio.NpzFile`
 */
export const npzCodec: Codec = {
  name: "npz",
  suffixes: [".npz"],
  mimeTypes: ["application/x-npz"],
  async encode(value, context) {
    checkCodecOptions("npz", context, ["compression"]);
    const { compression = "store" } = context.options as NpzOptions;
    if (compression !== "store" && compression !== "deflate") {
      throw invalidData(context, `compression is "store" or "deflate", got ${JSON.stringify(compression)}`);
    }
    const arrays = checkArrays(value, context);
    const parts: Uint8Array[] = [];
    const entries: WrittenEntry[] = [];
    let offset = 0;
    const append = (added: readonly Uint8Array[]) => {
      for (const part of added) offset += part.byteLength;
      parts.push(...added);
    };
    for (const [name, array] of arrays) {
      checkAborted(context.signal, { operation: "save", identifier: context.identifier });
      const npy = await npyCodec.encode(array, { ...context, options: {} });
      const place = { name: new TextEncoder().encode(name + SUFFIX), headerOffset: offset, modifiedMs: 0 };
      const { entry, packed } = await packEntry(place, npy, compression);
      entries.push(entry);
      append([localHeader(entry), ...packed]);
    }
    const directoryOffset = offset;
    append(entries.map(centralHeader));
    append([endRecords(entries.length, directoryOffset, offset - directoryOffset)]);
    return parts;
  },
  async decode(bytes, context) {
    checkCodecOptions("npz", context, ["names", "maxBytes"]);
    const archive = new ArchiveInMemory(bytes, { operation: "load", identifier: context.identifier });
    const limits = { maxDirectoryBytes: MAX_DIRECTORY_BYTES, badNames: "refuse", duplicates: "refuse" } as const;
    const directory = await readDirectory(archive, limits, context);
    const wanted = choose([...directory.values()], context);
    const reader = new EntryReader(archive);
    const arrays: [string, NdArray][] = [];
    for (const [name, entry] of wanted) {
      checkAborted(context.signal, archive.context);
      const npy = await reader.whole(entry, context, archive.context);
      arrays.push([name, await decodeArray(npy, name, context)]);
    }
    // Not by assignment: an array may be called __proto__.
    return Object.fromEntries(arrays);
  },
};

function checkArrays(value: unknown, context: CodecContext): [name: string, array: NdArray][] {
  const prototype: unknown = typeof value === "object" && value !== null ? Object.getPrototypeOf(value) : undefined;
  if (prototype !== null && prototype !== Object.prototype) {
    throw invalidData(context, `.npz keeps named arrays, { image, mask }, got ${describe(value)}`);
  }
  const entries = Object.entries(value as Record<string, unknown>);
  return entries.map(([name, item]) => {
    // A name that a reader would refuse, or change, is not written.
    if (keyOfName(name + SUFFIX) !== name + SUFFIX || new TextEncoder().encode(name + SUFFIX).length > 0xffff) {
      throw new StorageError(
        "INVALID_KEY",
        `"${context.identifier}": ${JSON.stringify(name)} cannot name an array in an archive`,
        { identifier: context.identifier },
      );
    }
    try {
      return [name, checkNdArray(item, { identifier: context.identifier })];
    } catch (cause) {
      throw invalidData(context, `"${name}": ${(cause as Error).message}`, cause);
    }
  });
}

/** The entries to load with the names of their arrays, in the order of the archive or of `names`. */
function choose(entries: readonly ZipEntry[], context: CodecContext): [name: string, entry: ZipEntry][] {
  const { names, maxBytes = MAX_BYTES } = context.options as NpzOptions;
  const inOrder = [...entries].sort((a, b) => a.headerOffset - b.headerOffset);
  const isArray = (entry: ZipEntry) => entry.key.endsWith(SUFFIX);
  const byName = new Map(inOrder.filter(isArray).map((entry) => [entry.key.slice(0, -SUFFIX.length), entry]));
  const other = names === undefined ? inOrder.find((entry) => !isArray(entry)) : undefined;
  if (other !== undefined) throw corrupt(context, `its entry "${other.key}" is no array; names loads the others`);
  if (names !== undefined && !Array.isArray(names)) throw invalidData(context, "names is a list of names of arrays");
  const chosen = (names ?? [...byName.keys()]).map((name): [string, ZipEntry] => {
    const entry = byName.get(name);
    if (entry === undefined) {
      const known = [...byName.keys()].slice(0, 20).join(", ");
      throw invalidData(context, `there is no array "${name}" in it; there are: ${known || "none"}`);
    }
    return [name, entry];
  });
  const growing = chosen.filter(([, entry]) => entry.method !== 0);
  const total = growing.reduce((sum, [, entry]) => sum + entry.byteLength, 0);
  if (total > maxBytes) {
    throw new StorageError(
      "OUT_OF_RANGE",
      `"${context.identifier}": its compressed arrays grow to ${total} bytes, and maxBytes is ${maxBytes}; ` +
        "names loads some of them",
      { identifier: context.identifier },
    );
  }
  return chosen;
}

async function decodeArray(npy: Uint8Array, name: string, context: CodecContext): Promise<NdArray> {
  try {
    return (await npyCodec.decode(npy, { ...context, options: {} })) as NdArray;
  } catch (cause) {
    if (!(cause instanceof StorageError)) throw cause;
    const file = `"${context.identifier}": `;
    const message = `${file}array "${name}": ${cause.message.replace(file, "")}`;
    throw new StorageError(cause.code, message, { identifier: context.identifier, cause });
  }
}
