/** Makes nodes: groups and arrays, with the groups above them. */
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { isStorageError, StorageError } from "../../src/core/errors.ts";
import { joinKey, normalizeKey, parentKey } from "../../src/core/key.ts";
import { NativeZarrArray } from "./array.ts";
import { abandon, claim, clearBelow, publish } from "./claims.ts";
import { arrayLayout } from "./layout.ts";
import { type ArrayMetadata, type Attributes, encodeMetadata, groupMetadata } from "./metadata.ts";
import { attributesOfV2, toV2 } from "./metadata-v2.ts";
import { checkAttributes, type NewArrayOptions, newArrayMetadata } from "./new-array.ts";
import { findNode, type GroupNode } from "./nodes.ts";
import type { WritableZarrArray, ZarrGroup } from "./reader-types.ts";
import { EditableZarrArray } from "./writable-array.ts";

/** Options of `createArray`. */
export interface CreateArrayOptions extends NewArrayOptions, OperationOptions {
  /** What happens to an array that is there already. A group is never replaced. Default `"error"`. */
  readonly ifExists?: "error" | "replace" | undefined;
}

/** Options of `createGroup`. */
export interface CreateGroupOptions extends OperationOptions {
  /** JSON for the group. */
  readonly attributes?: Attributes | undefined;
  /** Version of Zarr. Default: that of the group above, else 3. */
  readonly zarrFormat?: 2 | 3 | undefined;
  /** `"skip"` takes a group that is there as it is. Default `"error"`. */
  readonly ifExists?: "error" | "skip" | undefined;
}

/** An array that is ready to be stored. */
export interface ArrayPlan {
  readonly metadata: ArrayMetadata;
  readonly zarrFormat: 2 | 3;
  /** Its documents by name, the one that shows the array last. */
  readonly documents: ReadonlyMap<string, object>;
}

/**
 * Makes an empty array, and the groups above it that are missing.
 *
 * @throws A {@link StorageError} `ALREADY_EXISTS`, `IS_A_DIRECTORY` (a group is there), `NOT_A_DIRECTORY` (an array or a
 * value is above it), `INVALID_DATA`, `SHAPE_MISMATCH`, `DTYPE_MISMATCH`. Nothing was made then. After a failure of the
 * store, or an abort, nothing is left; one that was to be replaced may be gone.
 */
export async function createZarrArray(
  store: ByteStore,
  path: string,
  options: CreateArrayOptions,
): Promise<WritableZarrArray> {
  const { signal } = options;
  const key = normalizeKey(path);
  const plan = planArray(options, await formatFor(store, key, options), key);
  if ((await findNode(store, key, options)) === undefined) await checkPlace(store, key, options);
  if (key !== "") await requireGroup(store, parentKey(key), plan.zarrFormat, options);
  const place = await claim(store, key, options.ifExists === "replace", { signal });
  try {
    if (place.replaced !== undefined) await clearBelow(store, key, { signal });
    await publish(store, place, plan.documents, { signal });
  } catch (error) {
    await abandon(store, place).catch(() => {});
    throw error;
  }
  return openEditable(store, key, { signal });
}

/**
 * Makes a group, and those above it that are missing.
 *
 * @throws A {@link StorageError} `ALREADY_EXISTS`, `NOT_A_DIRECTORY`, `INVALID_DATA`.
 */
export async function createZarrGroup(
  store: ByteStore,
  path: string,
  options: CreateGroupOptions = {},
): Promise<ZarrGroup> {
  const key = normalizeKey(path);
  const attributes = checkAttributes(options.attributes ?? {});
  const format = await formatFor(store, key, options);
  if (key !== "") await requireGroup(store, parentKey(key), format, options);
  const there = await findNode(store, key, options);
  if (there?.kind === "group" && options.ifExists === "skip") {
    return { kind: "group", path: key, attributes: there.attributes, arrays: [], groups: [] };
  }
  if (there !== undefined) throw exists(store, key, there.kind);
  if (await isValue(store, key, options)) throw exists(store, key, "value");
  if (!(await writeGroup(store, key, format, attributes, options))) throw exists(store, key, "group");
  return { kind: "group", path: key, attributes, arrays: [], groups: [] };
}

/**
 * Opens an array for changes.
 *
 * @param options - `exclusive`: nobody else writes to this array, so that parts of chunks can be written also where the
 * store has no conditional writes.
 * @throws A {@link StorageError}: `NOT_FOUND`, `INVALID_DATA` (a group), `UNSUPPORTED` (codecs that we have no code for).
 */
export async function openEditable(
  store: ByteStore,
  path: string,
  options: OperationOptions & { readonly exclusive?: boolean | undefined } = {},
): Promise<WritableZarrArray> {
  const key = normalizeKey(path);
  const context = { backend: store.name, operation: "open", identifier: key };
  const node = await findNode(store, key, options);
  if (node === undefined || node.kind === "claim") {
    throw new StorageError("NOT_FOUND", `No Zarr array at "${key}" in "${store.name}"`, context);
  }
  if (node.kind === "group") {
    throw new StorageError("INVALID_DATA", `"${key}" in "${store.name}" is a Zarr group, not an array`, context);
  }
  const array = NativeZarrArray.create(store, node);
  if (array !== undefined) return new EditableZarrArray(store, array, { isExclusive: options.exclusive });
  const message = `"${key}" in "${store.name}" has a type, a codec or a layout that can be read and not written here`;
  throw new StorageError("UNSUPPORTED", message, context);
}

/**
 * Checks what an array shall be, and makes its documents. Touches no store.
 *
 * @throws A {@link StorageError} `INVALID_DATA`, `SHAPE_MISMATCH`, `DTYPE_MISMATCH`.
 */
export function planArray(options: NewArrayOptions, format: 2 | 3, path: string): ArrayPlan {
  const metadata = newArrayMetadata({ ...options, zarrFormat: format });
  if (arrayLayout(metadata, path) === undefined) {
    throw new StorageError("INVALID_DATA", `"${path}" cannot have these codecs: ${JSON.stringify(metadata.codecs)}`);
  }
  const documents =
    format === 3
      ? new Map<string, object>([["zarr.json", metadata]])
      : new Map<string, object>([
          [".zattrs", attributesOfV2(metadata)],
          [".zarray", toV2(metadata)],
        ]);
  return { metadata, zarrFormat: format, documents };
}

/**
 * The version of Zarr for a new node: what is asked for, else that of the group above it, else the usual one, which is 3.
 *
 * @throws A {@link StorageError} `INVALID_DATA` if the group above is of the other version: readers would not find it.
 */
export async function formatFor(
  store: ByteStore,
  path: string,
  options: OperationOptions & { readonly zarrFormat?: 2 | 3 | undefined; readonly usual?: 2 | 3 | undefined },
): Promise<2 | 3> {
  const { zarrFormat, usual = 3 } = options;
  const above = path === "" ? undefined : await groupAbove(store, parentKey(path), options);
  if (above === undefined || zarrFormat === undefined || above.format === zarrFormat) {
    return zarrFormat ?? above?.format ?? usual;
  }
  const message = `"${above.path}" is a group of Zarr v${above.format}, which cannot hold a node of v${zarrFormat} ("${path}")`;
  throw new StorageError("INVALID_DATA", message, { backend: store.name, identifier: path });
}

/**
 * Makes a group, and those above it, unless they are there.
 *
 * @throws A {@link StorageError} `NOT_A_DIRECTORY` if an array or a value is in the way.
 */
export async function requireGroup(
  store: ByteStore,
  path: string,
  format: 2 | 3,
  options: OperationOptions,
): Promise<void> {
  const node = await findNode(store, path, options);
  if (node?.kind === "group") return;
  if (node !== undefined || (await isValue(store, path, options))) {
    const message = `"${path}" in "${store.name}" is ${node === undefined ? "a value" : "an array"}, nothing can be below it`;
    throw new StorageError("NOT_A_DIRECTORY", message, { backend: store.name, identifier: path });
  }
  if (path !== "") await requireGroup(store, parentKey(path), format, options);
  await writeGroup(store, path, format, {}, options);
}

/** Refuses a place where a plain value is, or a folder that is no group. */
async function checkPlace(store: ByteStore, path: string, { signal }: OperationOptions): Promise<void> {
  if (await isValue(store, path, { signal })) throw exists(store, path, "value");
  if (!store.capabilities.list) return;
  for await (const { key } of store.list({ prefix: path === "" ? "" : `${path}/`, signal })) {
    const message = `"${path}" in "${store.name}" is a folder with values in it ("${key}"), not a place for an array`;
    throw new StorageError("IS_A_DIRECTORY", message, { backend: store.name, operation: "create", identifier: path });
  }
}

async function isValue(store: ByteStore, path: string, options: OperationOptions): Promise<boolean> {
  if (path === "") return false;
  try {
    return (await store.stat(path, { signal: options.signal })).kind === "file";
  } catch (error) {
    if (isStorageError(error, "NOT_FOUND", "NOT_A_DIRECTORY")) return false;
    throw error;
  }
}

async function groupAbove(store: ByteStore, path: string, options: OperationOptions): Promise<GroupNode | undefined> {
  const node = await findNode(store, path, options);
  if (node?.kind === "group") return node;
  return path === "" ? undefined : groupAbove(store, parentKey(path), options);
}

/** False if somebody else made one meanwhile. */
async function writeGroup(
  store: ByteStore,
  path: string,
  format: 2 | 3,
  attributes: Attributes,
  { signal }: OperationOptions,
): Promise<boolean> {
  const ifAbsent = store.capabilities.ifAbsent !== "none";
  const name = format === 3 ? "zarr.json" : ".zgroup";
  const document = format === 3 ? groupMetadata(attributes) : { zarr_format: 2 };
  if (format === 2 && Object.keys(attributes).length > 0) {
    await store.write(joinKey(path, ".zattrs"), encodeMetadata(attributes), { signal });
  }
  try {
    await store.write(joinKey(path, name), encodeMetadata(document), { signal, ifAbsent });
    return true;
  } catch (error) {
    if (isStorageError(error, "ALREADY_EXISTS")) return false;
    throw error;
  }
}

function exists(store: ByteStore, path: string, kind: string): StorageError {
  const what = kind === "claim" ? "an array that is being saved" : `${/^[aeiou]/.test(kind) ? "an" : "a"} ${kind}`;
  const message = `"${path}" in "${store.name}" is ${what} already; choose another key`;
  return new StorageError("ALREADY_EXISTS", message, { backend: store.name, operation: "create", identifier: path });
}
