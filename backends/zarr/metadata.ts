/**
 * Zarr v3 metadata: the `zarr.json` documents that we write, and the reading of any.
 *
 * @see Zarr core specification v3, "Group metadata", "Array metadata"
 */
import { type DType, dtypes } from "../../src/core/dtype.ts";
import { StorageError } from "../../src/core/errors.ts";

/** An extension point of Zarr v3: a codec, a chunk grid, a chunk key encoding. */
export interface NamedConfiguration {
  readonly name: string;
  readonly configuration?: Readonly<Record<string, unknown>> | undefined;
}

/** Attributes of a node: any JSON. */
export type Attributes = Readonly<Record<string, unknown>>;

/** The `zarr.json` of a group. */
export interface GroupMetadata {
  readonly zarr_format: 3;
  readonly node_type: "group";
  readonly attributes: Attributes;
}

/** The `zarr.json` of an array. */
export interface ArrayMetadata {
  readonly zarr_format: 3;
  readonly node_type: "array";
  readonly shape: readonly number[];
  readonly data_type: string;
  readonly chunk_grid: NamedConfiguration;
  readonly chunk_key_encoding: NamedConfiguration;
  readonly fill_value: unknown;
  readonly codecs: readonly NamedConfiguration[];
  readonly attributes: Attributes;
  readonly dimension_names?: readonly (string | null)[] | undefined;
  readonly storage_transformers?: readonly unknown[] | undefined;
}

/** How the bytes of a chunk are packed: as they are, or in Blosc frames around Zstandard. */
export type ChunkCodec = "none" | { readonly name: "blosc-zstd"; readonly level: number };

/** What describes an array of frames. */
export interface FrameArrayLayout {
  readonly dtype: DType;
  /** Shape of one frame; each is one chunk. */
  readonly frameShape: readonly number[];
  /** Frames in one shard. */
  readonly framesPerShard: number;
  readonly codec: ChunkCodec;
  /** Names of the axes, time first. */
  readonly dimensionNames: readonly string[];
  readonly attributes: Attributes;
}

/** The metadata of a group. */
export function groupMetadata(attributes: Attributes): GroupMetadata {
  return { zarr_format: 3, node_type: "group", attributes };
}

/**
 * The metadata of an array of frames: one chunk a frame, sharded along time, index at the end. Everything that the
 * specification leaves optional is said, because readers disagree about defaults.
 *
 * @param frames - Length of the time axis.
 */
export function frameArrayMetadata(layout: FrameArrayLayout, frames: number): ArrayMetadata {
  const { dtype, frameShape, framesPerShard } = layout;
  return {
    zarr_format: 3,
    node_type: "array",
    shape: [frames, ...frameShape],
    data_type: dtype,
    chunk_grid: { name: "regular", configuration: { chunk_shape: [framesPerShard, ...frameShape] } },
    chunk_key_encoding: { name: "default", configuration: { separator: "/" } },
    fill_value: dtype === "bool" ? false : 0,
    codecs: [
      {
        name: "sharding_indexed",
        configuration: {
          chunk_shape: [1, ...frameShape],
          codecs: chunkCodecs(dtype, layout.codec),
          index_codecs: [{ name: "bytes", configuration: { endian: "little" } }, { name: "crc32c" }],
          // zarrita reads no other place.
          index_location: "end",
        },
      },
    ],
    attributes: layout.attributes,
    dimension_names: layout.dimensionNames,
  };
}

/** A document as the bytes of its `zarr.json`. Bigints are written as numbers. */
export function encodeMetadata(metadata: object): Uint8Array {
  // A name that no text of a user has in it.
  const mark = globalThis.crypto.randomUUID();
  let hasBig = false;
  const text = JSON.stringify(
    metadata,
    (_, value) => {
      if (typeof value !== "bigint") return value;
      hasBig = true;
      return `${mark}${value}`;
    },
    2,
  );
  const numbers = hasBig ? text.replaceAll(new RegExp(`"${mark}(-?[0-9]+)"`, "g"), "$1") : text;
  return new TextEncoder().encode(`${numbers}\n`);
}

/**
 * A JSON object of a store. A `fill_value` beyond the safe integers is a bigint.
 *
 * @param key - For messages.
 * @throws A {@link StorageError} `CORRUPT` for what is none.
 */
export function parseDocument(bytes: Uint8Array, key: string): Record<string, unknown> {
  let text: string;
  let document: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    document = JSON.parse(text);
  } catch (cause) {
    throw new StorageError("CORRUPT", `"${key}" is not JSON`, { identifier: key, cause });
  }
  if (!isRecord(document)) throw new StorageError("CORRUPT", `"${key}" is not a JSON object`, { identifier: key });
  const { fill_value: fill } = document;
  if (typeof fill !== "number" || Number.isSafeInteger(fill) || !Number.isInteger(fill)) return document;
  const exact = literalOf(text, "fill_value");
  return exact === undefined ? document : { ...document, fill_value: exact };
}

/**
 * Understands a `zarr.json`.
 *
 * @param key - For messages.
 * @throws A {@link StorageError} `CORRUPT` for what is no v3 node.
 */
export function parseMetadata(
  source: Uint8Array | Readonly<Record<string, unknown>>,
  key: string,
): GroupMetadata | ArrayMetadata {
  const corrupt = (what: string) =>
    new StorageError("CORRUPT", `"${key}" is no Zarr v3 metadata: ${what}`, { identifier: key });
  const document: Partial<Record<keyof ArrayMetadata, unknown>> =
    source instanceof Uint8Array ? parseDocument(source, key) : source;
  if (document.zarr_format !== 3) throw corrupt(`zarr_format is ${JSON.stringify(document.zarr_format)}`);
  const attributes = document.attributes ?? {};
  if (!isRecord(attributes)) throw corrupt("attributes are no object");
  if (document.node_type === "group") return groupMetadata(attributes);
  if (document.node_type !== "array") throw corrupt(`node_type is ${JSON.stringify(document.node_type)}`);
  const { shape, chunk_grid, chunk_key_encoding, codecs } = document;
  if (!isShape(shape)) throw corrupt("shape is no list of whole numbers");
  if (!isNamed(chunk_grid) || !isNamed(chunk_key_encoding))
    throw corrupt("chunk_grid or chunk_key_encoding is missing");
  if (!Array.isArray(codecs) || !codecs.every(isNamed)) throw corrupt("codecs are no list of named objects");
  if (!("fill_value" in document)) throw corrupt("fill_value is missing");
  return { ...document, attributes } as ArrayMetadata;
}

/** True for a list of lengths. */
export function isShape(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((length) => Number.isSafeInteger(length) && length >= 0);
}

/** The whole number under a name of the outermost object, with all its digits. */
function literalOf(text: string, name: string): bigint | undefined {
  let depth = 0;
  let before = "";
  let last = "";
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s"{}[\]:,]+/g)) {
    if (token === "{" || token === "[") depth++;
    if (token === "}" || token === "]") depth--;
    if (depth === 1 && last === ":" && before === `"${name}"`) return /^-?\d+$/.test(token) ? BigInt(token) : undefined;
    [before, last] = [last, token];
  }
  return undefined;
}

function chunkCodecs(dtype: DType, codec: ChunkCodec): NamedConfiguration[] {
  const { itemSize } = dtypes[dtype];
  const bytes: NamedConfiguration =
    itemSize === 1 ? { name: "bytes" } : { name: "bytes", configuration: { endian: "little" } };
  if (codec === "none") return [bytes];
  const shuffle = itemSize === 1 ? "noshuffle" : "shuffle";
  const configuration = { cname: "zstd", clevel: codec.level, shuffle, typesize: itemSize, blocksize: 0 };
  return [bytes, { name: "blosc", configuration }];
}

/** True for a JSON object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isNamed(value: unknown): value is NamedConfiguration {
  return isRecord(value) && typeof value.name === "string" && isRecord(value.configuration ?? {});
}
