/** Attributes of nodes, changed in one atomic step. */
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { StorageError } from "../../src/core/errors.ts";
import { joinKey } from "../../src/core/key.ts";
import { changeDocument } from "./documents.ts";
import { type Attributes, isRecord } from "./metadata.ts";
import { checkAttributes } from "./new-array.ts";
import { findNode } from "./nodes.ts";
import type { AttributeChange } from "./reader-types.ts";

/**
 * Changes the attributes of an array or a group.
 *
 * @throws A {@link StorageError} `NOT_FOUND` if no node is there, `INVALID_DATA` for what is no JSON.
 */
export async function changeAttributes(
  store: ByteStore,
  path: string,
  change: AttributeChange,
  options: OperationOptions = {},
): Promise<void> {
  const node = await findNode(store, path, options);
  if (node === undefined || node.kind === "claim") throw missing(store, path);
  const apply = (current: unknown): Attributes => {
    const attributes = isRecord(current) ? current : {};
    return checkAttributes(typeof change === "function" ? change(attributes) : { ...attributes, ...change });
  };
  if (node.format === 2) {
    await changeDocument(store, joinKey(path, ".zattrs"), options, apply);
    return;
  }
  await changeDocument(store, joinKey(path, "zarr.json"), options, (document) => {
    if (document === undefined) throw missing(store, path);
    return { ...document, attributes: apply(document.attributes) };
  });
}

function missing(store: ByteStore, path: string): StorageError {
  const message = `No Zarr array or group at "${path}" in "${store.name}"`;
  return new StorageError("NOT_FOUND", message, { backend: store.name, operation: "setAttributes", identifier: path });
}
