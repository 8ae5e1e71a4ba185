/**
 * Reads Zarr stores of any origin: v3 arrays, sharded or not, by our own code; v2, and v3 with other codecs, by zarrita.
 * Reading changes nothing in the store.
 */
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { fromTypestr, parseDType } from "../../src/core/dtype.ts";
import { isStorageError, StorageError } from "../../src/core/errors.ts";
import { baseName, joinKey, normalizeKey } from "../../src/core/key.ts";
import { NativeZarrArray } from "./array.ts";
import { type Attributes, type GroupMetadata, parseMetadata } from "./metadata.ts";
import type { ZarrArray, ZarrGroup } from "./reader-types.ts";

export type { ZarrArray, ZarrGroup } from "./reader-types.ts";

/** What is at a path, before it is opened. */
type Node =
  | { readonly kind: "array"; readonly open: () => Promise<ZarrArray> }
  | { readonly kind: "group"; readonly attributes: Attributes };

/**
 * Opens whatever node is at a path.
 *
 * @param path - Key of the node within the store; `""` is the root.
 * @throws A {@link StorageError}: `NOT_FOUND` if there is none, `CORRUPT`, `UNSUPPORTED`, `DTYPE_MISMATCH`.
 */
export async function openZarrNode(
  store: ByteStore,
  path = "",
  options: OperationOptions = {},
): Promise<ZarrArray | ZarrGroup> {
  const key = normalizeKey(path);
  const node = await requireNode(store, key, options);
  if (node.kind === "array") return node.open();
  const children = await listChildren(store, key, options);
  return { kind: "group", path: key, attributes: node.attributes, ...children };
}

/**
 * Opens an array.
 *
 * @throws As {@link openZarrNode}; `INVALID_DATA` if a group is there.
 */
export async function openZarrArray(store: ByteStore, path = "", options: OperationOptions = {}): Promise<ZarrArray> {
  const key = normalizeKey(path);
  const node = await requireNode(store, key, options);
  if (node.kind === "array") return node.open();
  throw wrongKind(store, key, "group", "array");
}

/**
 * Opens a group and lists what is right below it. Needs a store that lists.
 *
 * @throws As {@link openZarrNode}; `INVALID_DATA` if an array is there.
 */
export async function openZarrGroup(store: ByteStore, path = "", options: OperationOptions = {}): Promise<ZarrGroup> {
  const node = await openZarrNode(store, path, options);
  if (node.kind === "group") return node;
  throw wrongKind(store, node.path, "array", "group");
}

async function requireNode(store: ByteStore, key: string, options: OperationOptions): Promise<Node> {
  const node = await findNode(store, key, options);
  if (node !== undefined) return node;
  const message = `No Zarr array or group at "${key}" in "${store.name}"`;
  throw new StorageError("NOT_FOUND", message, { backend: store.name, operation: "open", identifier: key });
}

async function findNode(store: ByteStore, key: string, options: OperationOptions): Promise<Node | undefined> {
  const bytes = await readIfThere(store, joinKey(key, "zarr.json"), options);
  if (bytes === undefined) return findV2Node(store, key, options);
  const metadata = parseMetadata(bytes, joinKey(key, "zarr.json"));
  if (metadata.node_type === "group") return { kind: "group", attributes: (metadata as GroupMetadata).attributes };
  return {
    kind: "array",
    open: async () => {
      // Refused by name here; zarrita would call it damaged.
      parseDType(metadata.data_type);
      return NativeZarrArray.create(store, key, metadata) ?? openWithZarrita(store, key, 3, options);
    },
  };
}

async function findV2Node(store: ByteStore, key: string, options: OperationOptions): Promise<Node | undefined> {
  const arrayKey = joinKey(key, ".zarray");
  const array = await readIfThere(store, arrayKey, options);
  if (array !== undefined) {
    const { dtype } = parseJson(array, arrayKey);
    return {
      kind: "array",
      open: async () => {
        checkV2DType(String(dtype), key);
        return openWithZarrita(store, key, 2, options);
      },
    };
  }
  if ((await readIfThere(store, joinKey(key, ".zgroup"), options)) === undefined) return undefined;
  const attributesKey = joinKey(key, ".zattrs");
  const bytes = await readIfThere(store, attributesKey, options);
  return { kind: "group", attributes: bytes === undefined ? {} : parseJson(bytes, attributesKey) };
}

/** zarrita holds float16 in the runtime's own array only; ours are read as bits, but v2 is left to zarrita. */
function checkV2DType(typestr: string, key: string): void {
  if (fromTypestr(typestr).dtype !== "float16" || "Float16Array" in globalThis) return;
  throw new StorageError("UNSUPPORTED", `"${key}" is a Zarr v2 array of float16, which needs Node 24 or newer`, {
    identifier: key,
  });
}

function parseJson(bytes: Uint8Array, key: string): Attributes {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Attributes;
  } catch (cause) {
    throw new StorageError("CORRUPT", `"${key}" is not JSON`, { identifier: key, cause });
  }
  throw new StorageError("CORRUPT", `"${key}" is not a JSON object`, { identifier: key });
}

async function openWithZarrita(
  store: ByteStore,
  key: string,
  version: 2 | 3,
  options: OperationOptions,
): Promise<ZarrArray> {
  const { ZarritaArray } = await import("./zarrita-array.ts");
  return ZarritaArray.open(store, key, version, options);
}

async function listChildren(
  store: ByteStore,
  key: string,
  options: OperationOptions,
): Promise<{ arrays: string[]; groups: string[] }> {
  const arrays: string[] = [];
  const groups: string[] = [];
  const prefix = key === "" ? "" : `${key}/`;
  for await (const entry of store.list({ ...options, prefix, delimiter: "/" })) {
    if (entry.kind !== "directory") continue;
    const node = await findNode(store, entry.key, options);
    if (node !== undefined) (node.kind === "array" ? arrays : groups).push(baseName(entry.key));
  }
  return { arrays, groups };
}

async function readIfThere(store: ByteStore, key: string, options: OperationOptions): Promise<Uint8Array | undefined> {
  try {
    return await store.read(key, options);
  } catch (error) {
    if (isStorageError(error, "NOT_FOUND")) return undefined;
    throw error;
  }
}

function wrongKind(store: ByteStore, key: string, found: string, wanted: string): StorageError {
  const message = `"${key}" in "${store.name}" is a Zarr ${found}, not an ${wanted}`.replace("an group", "a group");
  return new StorageError("INVALID_DATA", message, { backend: store.name, operation: "open", identifier: key });
}
