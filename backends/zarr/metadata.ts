/**
 * Zarr v3 metadata: the `zarr.json` documents that we write, and the reading of any.
 *
 * @see Zarr core specification v3, "Group metadata", "Array metadata"
 */
import { type DType, dtypes, numberToFloat16 } from "../../src/core/dtype.ts";
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

/** A document as the bytes of its `zarr.json`. */
export function encodeMetadata(metadata: GroupMetadata | ArrayMetadata): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(metadata, null, 2)}\n`);
}

/**
 * Reads a `zarr.json`.
 *
 * @param key - For messages.
 * @throws A {@link StorageError} `CORRUPT` for what is no v3 node.
 */
export function parseMetadata(bytes: Uint8Array, key: string): GroupMetadata | ArrayMetadata {
  const corrupt = (what: string, cause?: unknown) =>
    new StorageError("CORRUPT", `"${key}" is no Zarr v3 metadata: ${what}`, { identifier: key, cause });
  let document: Partial<Record<keyof ArrayMetadata, unknown>>;
  try {
    document = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw corrupt("it is not JSON", cause);
  }
  if (typeof document !== "object" || document === null) throw corrupt("it is not an object");
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

/**
 * One element of an array as its fill value says, as little-endian bytes.
 *
 * @throws A {@link StorageError} `UNSUPPORTED` for fill values of other types.
 */
export function fillValueBytes(fill: unknown, dtype: DType): Uint8Array {
  const { itemSize, kind } = dtypes[dtype];
  const bytes = new Uint8Array(itemSize);
  const view = new DataView(bytes.buffer);
  if (typeof fill === "string" && /^0x[0-9a-f]+$/i.test(fill) && kind === "f") {
    let bits = BigInt(fill);
    for (let i = 0; i < itemSize; i++, bits >>= 8n) bytes[i] = Number(bits & 0xffn);
    return bytes;
  }
  const special = { NaN: Number.NaN, Infinity: Number.POSITIVE_INFINITY, "-Infinity": Number.NEGATIVE_INFINITY };
  const value = typeof fill === "string" && fill in special ? special[fill as keyof typeof special] : fill;
  if (kind === "b" && typeof value === "boolean") {
    bytes[0] = value ? 1 : 0;
  } else if (kind === "f" && typeof value === "number") {
    if (itemSize === 2) view.setUint16(0, numberToFloat16(value), true);
    else if (itemSize === 4) view.setFloat32(0, value, true);
    else view.setFloat64(0, value, true);
  } else if ((kind === "i" || kind === "u") && Number.isSafeInteger(value)) {
    // Larger numbers have lost digits when JSON was parsed: better none than another one.
    let bits = BigInt.asUintN(64, BigInt(value as number));
    for (let i = 0; i < itemSize; i++, bits >>= 8n) bytes[i] = Number(bits & 0xffn);
  } else {
    throw new StorageError("UNSUPPORTED", `Fill value ${JSON.stringify(fill)} of ${dtype}`);
  }
  return bytes;
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

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isNamed(value: unknown): value is NamedConfiguration {
  return isRecord(value) && typeof value.name === "string" && isRecord(value.configuration ?? {});
}
