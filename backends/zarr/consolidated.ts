/**
 * Consolidated metadata: that of all nodes below a group in one document, so that a store that cannot list, or is far
 * away, is opened by one read. A snapshot: it is as true as when it was written.
 *
 * @see zarr-python, "Consolidated metadata"
 */
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { StorageError } from "../../src/core/errors.ts";
import { baseName, joinKey, normalizeKey, parentKey } from "../../src/core/key.ts";
import { changeDocument } from "./documents.ts";
import { encodeMetadata, isRecord } from "./metadata.ts";
import { type ArrayNode, arrayOfV2, findNode, type GroupNode, nodeOfV3, readDocument } from "./nodes.ts";

/**
 * Writes the consolidated metadata of a group: into its `zarr.json`, for Zarr v2 into `.zmetadata`.
 *
 * @param path - Key of the group.
 * @returns Number of nodes below it.
 * @throws A {@link StorageError} `NOT_FOUND`, `INVALID_DATA` (an array), `UNSUPPORTED` (a store that does not list).
 */
export async function consolidateZarr(store: ByteStore, path = "", options: OperationOptions = {}): Promise<number> {
  const root = normalizeKey(path);
  const context = { backend: store.name, operation: "consolidate", identifier: root };
  const node = await findNode(store, root, options);
  if (node?.kind !== "group") {
    const [code, what] =
      node?.kind === "array" ? (["INVALID_DATA", "an array"] as const) : (["NOT_FOUND", "no"] as const);
    throw new StorageError(code, `"${root}" in "${store.name}" is ${what} group to consolidate`, context);
  }
  if (!store.capabilities.list) throw new StorageError("UNSUPPORTED", `"${store.name}" does not list`, context);
  const names = node.format === 3 ? ["zarr.json"] : [".zarray", ".zgroup", ".zattrs"];
  const prefix = root === "" ? "" : `${root}/`;
  const metadata: Record<string, object> = {};
  for await (const { key, kind } of store.list({ prefix, signal: options.signal })) {
    if (kind !== "file" || !names.includes(baseName(key))) continue;
    const document = await readDocument(store, key, options);
    const name = key.slice(prefix.length);
    if (document === undefined || (node.format === 3 && name === "zarr.json")) continue;
    if (node.format === 2) metadata[name] = document;
    else if (nodeOfV3(document, name).kind !== "claim") metadata[parentKey(name)] = document;
  }
  if (node.format === 2) {
    const document = { zarr_consolidated_format: 1, metadata };
    await store.write(joinKey(root, ".zmetadata"), encodeMetadata(document), { signal: options.signal });
    return Object.keys(metadata).filter((name) => /(^|\/)\.z(array|group)$/.test(name)).length - 1;
  }
  const consolidated = { kind: "inline", must_understand: false, metadata };
  await changeDocument(store, joinKey(root, "zarr.json"), options, (document) => {
    if (document === undefined) throw new StorageError("NOT_FOUND", `The group "${root}" is no longer there`, context);
    return { ...document, consolidated_metadata: consolidated };
  });
  return Object.keys(metadata).length;
}

/**
 * The nodes of a group by their paths relative to it, as its consolidated metadata has them.
 *
 * @returns `undefined` if it has none.
 */
export async function readConsolidated(
  store: ByteStore,
  group: GroupNode,
  options: OperationOptions = {},
): Promise<Map<string, ArrayNode | GroupNode> | undefined> {
  const nodes = new Map<string, ArrayNode | GroupNode>();
  if (group.format === 3) {
    const document = await readDocument(store, joinKey(group.path, "zarr.json"), options);
    const { consolidated_metadata: consolidated } = document ?? {};
    if (!isRecord(consolidated) || !isRecord(consolidated.metadata)) return undefined;
    for (const [name, found] of Object.entries(consolidated.metadata)) {
      if (!isRecord(found)) continue;
      const node = nodeOfV3(found, joinKey(group.path, name));
      if (node.kind !== "claim") nodes.set(name, node);
    }
    return nodes;
  }
  const { metadata } = (await readDocument(store, joinKey(group.path, ".zmetadata"), options)) ?? {};
  if (!isRecord(metadata)) return undefined;
  for (const [key, found] of Object.entries(metadata)) {
    const name = parentKey(key);
    const kind = baseName(key);
    if (!isRecord(found) || name === "" || (kind !== ".zarray" && kind !== ".zgroup")) continue;
    const given = metadata[`${name}/.zattrs`];
    const attributes = isRecord(given) ? given : {};
    const path = joinKey(group.path, name);
    nodes.set(
      name,
      kind === ".zarray" ? arrayOfV2(found, attributes, path) : { kind: "group", path, format: 2, attributes },
    );
  }
  return nodes;
}
