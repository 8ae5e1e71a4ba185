/**
 * Zarr v2 metadata in the terms of v3, and back, so that one engine reads and writes both.
 *
 * @see Zarr storage specification v2, "Metadata"
 */
import { type DType, dtypes, fromTypestr, toTypestr } from "../../src/core/dtype.ts";
import { StorageError } from "../../src/core/errors.ts";
import { type ArrayMetadata, type Attributes, isRecord, isShape, type NamedConfiguration } from "./metadata.ts";

/** Where xarray keeps the names of the axes, which Zarr v2 has no place for. */
export const DIMENSIONS_ATTRIBUTE = "_ARRAY_DIMENSIONS";

/** Compressors of v2 that v3 knows too, or that we have code for. */
const compressors = ["blosc", "gzip", "lz4", "zlib", "zstd"];

const shuffles = ["noshuffle", "shuffle", "bitshuffle"];

/** What is known of a v2 array. */
export interface ArrayOfV2 {
  readonly shape: readonly number[];
  /** Name of its element type, as it is in the document. */
  readonly typestr: string;
  /** In the terms of v3; `undefined` if it has filters, or a compressor, that we have no code for. */
  readonly metadata: ArrayMetadata | undefined;
}

/**
 * Reads a `.zarray`.
 *
 * @param key - For messages.
 * @throws A {@link StorageError} `CORRUPT`.
 */
export function fromV2(document: Readonly<Record<string, unknown>>, attributes: Attributes, key: string): ArrayOfV2 {
  const corrupt = (what: string) =>
    new StorageError("CORRUPT", `"${key}" is no Zarr v2 array: ${what}`, { identifier: key });
  const { zarr_format, shape, chunks, dtype: typestr, compressor, filters, order = "C", fill_value } = document;
  if (zarr_format !== undefined && zarr_format !== 2) throw corrupt(`zarr_format is ${JSON.stringify(zarr_format)}`);
  if (!isShape(shape)) throw corrupt("shape is no list of whole numbers");
  if (!isShape(chunks) || chunks.length !== shape.length) throw corrupt("chunks are no list of as many lengths");
  const found = { shape, typestr: typeof typestr === "string" ? typestr : JSON.stringify(typestr) };
  const { dimension_separator: separator = "." } = document;
  const type = knownType(typestr);
  const packer = packerOf(compressor, type?.dtype);
  const hasFilters = Array.isArray(filters) && filters.length > 0;
  if (type === undefined || packer === undefined || hasFilters || chunks.includes(0)) {
    return { ...found, metadata: undefined };
  }
  const { dtype, endian } = type;
  const bytes: NamedConfiguration =
    dtypes[dtype].itemSize === 1 ? { name: "bytes" } : { name: "bytes", configuration: { endian } };
  const reversed = shape.map((_, axis) => shape.length - 1 - axis);
  const transpose =
    order === "F" && shape.length > 1 ? [{ name: "transpose", configuration: { order: reversed } }] : [];
  const { [DIMENSIONS_ATTRIBUTE]: names } = attributes;
  const isNamed = Array.isArray(names) && names.length === shape.length;
  return {
    ...found,
    metadata: {
      zarr_format: 3,
      node_type: "array",
      shape,
      data_type: dtype,
      chunk_grid: { name: "regular", configuration: { chunk_shape: chunks } },
      chunk_key_encoding: { name: "v2", configuration: { separator } },
      // Without a fill value, what was never stored may be anything.
      fill_value: fill_value ?? (dtype === "bool" ? false : 0),
      codecs: [...transpose, bytes, ...packer],
      attributes,
      ...(isNamed ? { dimension_names: names as (string | null)[] } : {}),
    },
  };
}

/**
 * The `.zarray` of an array that is described as v3 does.
 *
 * @throws A {@link StorageError} `INVALID_DATA` for what v2 cannot say: shards, checksums, more than one compressor.
 */
export function toV2(metadata: ArrayMetadata): Record<string, unknown> {
  const dtype = metadata.data_type as DType;
  const refuse = (what: string) => new StorageError("INVALID_DATA", `Zarr v2 has no ${what}; use zarrFormat: 3`);
  const isTransposed = metadata.codecs[0]?.name === "transpose";
  const [bytes, compressor, ...others] = isTransposed ? metadata.codecs.slice(1) : metadata.codecs;
  if (bytes?.name === "sharding_indexed") throw refuse("shards");
  if (bytes?.name !== "bytes" || others.length > 0) throw refuse("chain of several codecs");
  if (compressor !== undefined && !compressors.includes(compressor.name)) throw refuse(`codec "${compressor.name}"`);
  const { order } = metadata.codecs[0]?.configuration ?? {};
  const isReversed = (order as number[] | undefined)?.every((axis, at, all) => axis === all.length - 1 - at);
  if (isTransposed && !isReversed) throw refuse("transposition but the reversal of all axes");
  const fill = metadata.fill_value;
  if (typeof fill === "string" && fill.startsWith("0x")) throw refuse(`fill value by its bits (${fill})`);
  const endian = bytes.configuration?.endian === "big" ? "big" : "little";
  return {
    zarr_format: 2,
    shape: metadata.shape,
    chunks: metadata.chunk_grid.configuration?.chunk_shape,
    dtype: toTypestr(dtype, endian),
    compressor: compressor === undefined ? null : compressorOfV2(compressor),
    fill_value: fill,
    order: isTransposed ? "F" : "C",
    filters: null,
    dimension_separator: metadata.chunk_key_encoding.configuration?.separator ?? ".",
  };
}

/** The `.zattrs` of an array: its attributes, and the names of its axes where xarray looks for them. */
export function attributesOfV2({ attributes, dimension_names: names }: ArrayMetadata): Attributes {
  return names === undefined ? attributes : { ...attributes, [DIMENSIONS_ATTRIBUTE]: names };
}

function knownType(typestr: unknown): ReturnType<typeof fromTypestr> | undefined {
  if (typeof typestr !== "string" || !/^[<>|=][biuf][0-9]+$/.test(typestr)) return undefined;
  try {
    return fromTypestr(typestr);
  } catch {
    return undefined; // told when the array is opened
  }
}

function packerOf(compressor: unknown, dtype: DType | undefined): NamedConfiguration[] | undefined {
  if (compressor === null || compressor === undefined) return [];
  if (!isRecord(compressor) || typeof compressor.id !== "string" || dtype === undefined) return undefined;
  if (!compressors.includes(compressor.id)) return undefined;
  const { id, ...configuration } = compressor;
  if (id !== "blosc") return [{ name: id as string, configuration }];
  // −1 leaves the shuffle to the item size.
  const { itemSize } = dtypes[dtype];
  const number = configuration.shuffle === -1 ? (itemSize === 1 ? 2 : 1) : configuration.shuffle;
  const shuffle = shuffles[number as number] ?? "shuffle";
  return [{ name: "blosc", configuration: { ...configuration, shuffle, typesize: itemSize } }];
}

function compressorOfV2({ name, configuration = {} }: NamedConfiguration): Record<string, unknown> {
  if (name === "zstd") return { id: name, level: configuration.level };
  if (name !== "blosc") return { id: name, ...configuration };
  const { cname, clevel, shuffle, blocksize } = configuration;
  return { id: "blosc", cname, clevel, shuffle: shuffles.indexOf(shuffle as string), blocksize };
}
