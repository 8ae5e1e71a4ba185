/**
 * Reads Zarr stores of any origin: by our own code, and where they have codecs that we have none for, by zarrita.
 * Reading changes nothing in the store.
 */
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { fromTypestr, parseDType } from "../../src/core/dtype.ts";
import { StorageError } from "../../src/core/errors.ts";
import { baseName, compareKeys, normalizeKey } from "../../src/core/key.ts";
import { NativeZarrArray } from "./array.ts";
import { readConsolidated } from "./consolidated.ts";
import { type ArrayNode, findNode, type GroupNode } from "./nodes.ts";
import type { ZarrArray, ZarrGroup } from "./reader-types.ts";

export type { ZarrArray, ZarrGroup } from "./reader-types.ts";

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
  if (node.kind === "array") return openArrayNode(store, node, options);
  const children = await listChildren(store, node, options);
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
  if (node.kind === "array") return openArrayNode(store, node, options);
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

/**
 * Opens an array that was found.
 *
 * @throws A {@link StorageError} `DTYPE_MISMATCH` for element types that JavaScript cannot hold, `UNSUPPORTED`.
 */
export async function openArrayNode(
  store: ByteStore,
  node: ArrayNode,
  options: OperationOptions = {},
): Promise<ZarrArray> {
  const native = NativeZarrArray.create(store, node);
  if (native !== undefined) return native;
  // Refused by name here; zarrita would call it damaged.
  const dtype = node.format === 2 ? fromTypestr(node.typeName).dtype : parseDType(node.typeName);
  if (dtype === "float16" && !("Float16Array" in globalThis)) {
    const message = `"${node.path}" is a Zarr array of float16 with a codec that needs Node 24 or newer`;
    throw new StorageError("UNSUPPORTED", message, { identifier: node.path });
  }
  const { ZarritaArray } = await import("./zarrita-array.ts");
  return ZarritaArray.open(store, node.path, node.format, options);
}

async function requireNode(store: ByteStore, key: string, options: OperationOptions): Promise<ArrayNode | GroupNode> {
  const node = await findNode(store, key, options);
  if (node !== undefined && node.kind !== "claim") return node;
  const message = `No Zarr array or group at "${key}" in "${store.name}"`;
  throw new StorageError("NOT_FOUND", message, { backend: store.name, operation: "open", identifier: key });
}

async function listChildren(
  store: ByteStore,
  node: GroupNode,
  options: OperationOptions,
): Promise<{ arrays: string[]; groups: string[] }> {
  const { path: key } = node;
  const arrays: string[] = [];
  const groups: string[] = [];
  if (!store.capabilities.list) return consolidatedChildren(store, node, options);
  const prefix = key === "" ? "" : `${key}/`;
  for await (const entry of store.list({ ...options, prefix, delimiter: "/" })) {
    if (entry.kind !== "directory") continue;
    const child = await findNode(store, entry.key, options);
    if (child === undefined || child.kind === "claim") continue;
    (child.kind === "array" ? arrays : groups).push(baseName(entry.key));
  }
  return { arrays, groups };
}

/** What consolidated metadata says, where the store itself cannot say it. */
async function consolidatedChildren(
  store: ByteStore,
  node: GroupNode,
  options: OperationOptions,
): Promise<{ arrays: string[]; groups: string[] }> {
  const nodes = await readConsolidated(store, node, options);
  if (nodes === undefined) {
    const message = `"${store.name}" does not list, and the group "${node.path}" has no consolidated metadata`;
    throw new StorageError("UNSUPPORTED", message, { backend: store.name, operation: "open", identifier: node.path });
  }
  const arrays: string[] = [];
  const groups: string[] = [];
  for (const [name, { kind }] of nodes) if (!name.includes("/")) (kind === "array" ? arrays : groups).push(name);
  return { arrays: arrays.sort(compareKeys), groups: groups.sort(compareKeys) };
}

function wrongKind(store: ByteStore, key: string, found: string, wanted: string): StorageError {
  const message = `"${key}" in "${store.name}" is a Zarr ${found}, not an ${wanted}`.replace("an group", "a group");
  return new StorageError("INVALID_DATA", message, { backend: store.name, operation: "open", identifier: key });
}
