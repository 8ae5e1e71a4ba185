/** Nodes of a hierarchy, of Zarr v3 and v2: what is at a path. Reading changes nothing. */
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { type DType, fromTypestr, isDType } from "../../src/core/dtype.ts";
import { isStorageError } from "../../src/core/errors.ts";
import { joinKey } from "../../src/core/key.ts";
import { type ArrayMetadata, type Attributes, isRecord, parseDocument, parseMetadata } from "./metadata.ts";
import { fromV2 } from "./metadata-v2.ts";

/** Names of metadata, which are no values of anybody. */
export const METADATA_NAMES: ReadonlySet<string> = new Set([
  "zarr.json",
  ".zarray",
  ".zgroup",
  ".zattrs",
  ".zmetadata",
]);

/** The field of a `zarr.json` that says: nothing is here yet, or no longer. Other readers see an empty group. */
export const CLAIM_FIELD = "sluice_claim";

/** An array, before it is opened. */
export interface ArrayNode {
  readonly kind: "array";
  readonly path: string;
  readonly format: 2 | 3;
  readonly shape: readonly number[];
  /** Name of its element type, as in the document: `uint16`, or for v2 `<u2`. */
  readonly typeName: string;
  /** In the terms of v3; `undefined` for a v2 array that only zarrita may be able to read. */
  readonly metadata: ArrayMetadata | undefined;
}

/** A group. */
export interface GroupNode {
  readonly kind: "group";
  readonly path: string;
  readonly format: 2 | 3;
  readonly attributes: Attributes;
}

/** A place that is kept for an array which is being saved or removed. */
export interface ClaimNode {
  readonly kind: "claim";
  readonly path: string;
  /** When it was claimed, in milliseconds since 1970-01-01 UTC. */
  readonly sinceMs: number;
}

/** Whatever is at a path. */
export type ZarrNode = ArrayNode | GroupNode | ClaimNode;

/**
 * Looks at a path.
 *
 * @returns `undefined` if no node is there.
 * @throws A `StorageError` `CORRUPT` for metadata that is none.
 */
export async function findNode(
  store: ByteStore,
  path: string,
  options: OperationOptions = {},
): Promise<ZarrNode | undefined> {
  const key = joinKey(path, "zarr.json");
  const bytes = await readIfThere(store, key, options);
  return bytes === undefined ? findV2Node(store, path, options) : nodeOfV3(parseDocument(bytes, key), path);
}

/** The node that a `zarr.json` describes. */
export function nodeOfV3(document: Readonly<Record<string, unknown>>, path: string): ZarrNode {
  const { [CLAIM_FIELD]: claim } = document;
  if (isRecord(claim)) return { kind: "claim", path, sinceMs: typeof claim.sinceMs === "number" ? claim.sinceMs : 0 };
  const metadata = parseMetadata(document, joinKey(path, "zarr.json"));
  if (metadata.node_type === "group") return { kind: "group", path, format: 3, attributes: metadata.attributes };
  const { shape, data_type: type } = metadata;
  return { kind: "array", path, format: 3, shape, typeName: nameOfType(type), metadata };
}

/** The node that a `.zarray` and its `.zattrs` describe. */
export function arrayOfV2(
  document: Readonly<Record<string, unknown>>,
  attributes: Attributes,
  path: string,
): ArrayNode {
  const { shape, typestr, metadata } = fromV2(document, attributes, joinKey(path, ".zarray"));
  return { kind: "array", path, format: 2, shape, typeName: typestr, metadata };
}

/** The node of Zarr v2 at a path. */
export async function findV2Node(
  store: ByteStore,
  path: string,
  options: OperationOptions,
): Promise<ZarrNode | undefined> {
  const [array, group] = await Promise.all([
    readDocument(store, joinKey(path, ".zarray"), options),
    readIfThere(store, joinKey(path, ".zgroup"), options),
  ]);
  if (array === undefined && group === undefined) return undefined;
  const attributes = (await readDocument(store, joinKey(path, ".zattrs"), options)) ?? {};
  return array === undefined ? { kind: "group", path, format: 2, attributes } : arrayOfV2(array, attributes, path);
}

/** A JSON object, or `undefined` where nothing is. */
export async function readDocument(
  store: ByteStore,
  key: string,
  options: OperationOptions,
): Promise<Record<string, unknown> | undefined> {
  const bytes = await readIfThere(store, key, options);
  return bytes === undefined ? undefined : parseDocument(bytes, key);
}

/** A value, or `undefined` where none is. */
export async function readIfThere(
  store: ByteStore,
  key: string,
  options: OperationOptions,
): Promise<Uint8Array | undefined> {
  try {
    return await store.read(key, { signal: options.signal });
  } catch (error) {
    // Below a value nothing can be, and a directory of this name is no metadata.
    if (isStorageError(error, "NOT_FOUND", "NOT_A_DIRECTORY", "IS_A_DIRECTORY")) return undefined;
    throw error;
  }
}

/** Extended types of v3 are objects with a name. */
function nameOfType(type: unknown): string {
  return typeof type === "string" ? type : isRecord(type) && typeof type.name === "string" ? type.name : String(type);
}

/** The element type of a node, where it is one that we have. */
export function dtypeOfNode({ typeName, format }: ArrayNode): { readonly dtype?: DType } {
  if (format === 3) return isDType(typeName) ? { dtype: typeName } : {};
  if (!/^[<>|=][biuf][0-9]+$/.test(typeName)) return {};
  try {
    return { dtype: fromTypestr(typeName).dtype };
  } catch {
    return {}; // loading it says what is wrong
  }
}
