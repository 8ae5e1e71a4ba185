/** The metadata of an array that is to be made, from what its maker says. */
import { toJson } from "../../src/acquire/metadata.ts";
import { type DType, dtypes, parseDType } from "../../src/core/dtype.ts";
import { StorageError } from "../../src/core/errors.ts";
import { checkShape } from "../../src/core/nd-array.ts";
import { type Compressor, codecsOf } from "./codec-options.ts";
import { type FillValue, fillValueJson } from "./fill-value.ts";
import type { ArrayMetadata, Attributes, NamedConfiguration } from "./metadata.ts";

/** How an array is stored. Everything has a default but shape and dtype. */
export interface ArrayLayoutOptions {
  /** Shape of a chunk: what is packed as one, and the least that a read fetches. Default: planes of at most 8 MiB. */
  readonly chunkShape?: readonly number[] | undefined;
  /** Shape of a shard, a multiple of the chunk's: what is one value of the store. Default: no shards. Zarr v3 only. */
  readonly shardShape?: readonly number[] | undefined;
  /** Where a shard has its index. Default `"end"`. */
  readonly indexLocation?: "start" | "end" | undefined;
  /** How chunks are packed. Default `"blosc-zstd"`, level 1. Zarr v3 has no `zlib` and no `lz4` of its own. */
  readonly compressor?: Compressor | undefined;
  /** The codecs as in Zarr v3 metadata, in place of a compressor; `bytes` may be left out. */
  readonly codecs?: readonly NamedConfiguration[] | undefined;
  /** What was never stored reads as this. Default 0, or `false`. */
  readonly fillValue?: FillValue | undefined;
  /** Names of the axes; `null` for one that has none. */
  readonly dimensionNames?: readonly (string | null)[] | undefined;
  /** JSON for the array. */
  readonly attributes?: Attributes | undefined;
  /** Version of Zarr. Default 3. */
  readonly zarrFormat?: 2 | 3 | undefined;
  /** What stands between the numbers in the keys of chunks. Default `"/"`. */
  readonly separator?: "/" | "." | undefined;
}

/** What an array is made of. */
export interface NewArrayOptions extends ArrayLayoutOptions {
  readonly shape: readonly number[];
  readonly dtype: DType;
}

const layoutNames = [
  "chunkShape",
  "shardShape",
  "indexLocation",
  "compressor",
  "codecs",
  "fillValue",
  "dimensionNames",
  "attributes",
  "separator",
] as const;

/** How an array is stored, among other options, without what was left open. */
export function layoutOptionsOf(options: ArrayLayoutOptions): ArrayLayoutOptions {
  const given = layoutNames.filter((name) => options[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, options[name]]));
}

/** Bytes of a chunk that nobody asked for: what a disk and a network take well as one. */
const CHUNK_BYTES = 8 * 2 ** 20;
/** An index of more chunks than this costs more than it saves: 16 bytes each, and every reader fetches it whole. */
const MAX_CHUNKS_PER_SHARD = 2 ** 20;

/**
 * The metadata of a new array, complete and valid, in the terms of v3.
 *
 * @throws A {@link StorageError} `SHAPE_MISMATCH`, `DTYPE_MISMATCH` or `INVALID_DATA` that says what would do.
 */
export function newArrayMetadata(options: NewArrayOptions): ArrayMetadata {
  const { shape, zarrFormat = 3, separator = "/", indexLocation = "end", attributes = {} } = options;
  checkShape(shape);
  const dtype = parseDType(options.dtype);
  if (zarrFormat !== 2 && zarrFormat !== 3) throw invalid(`zarrFormat must be 2 or 3, got ${String(zarrFormat)}`);
  const chunkShape = checkParts(
    "chunkShape",
    options.chunkShape ?? usualChunkShape(shape, dtype, options.shardShape),
    shape,
  );
  const codecs = codecsOf(options, { dtype, rank: shape.length, zarrFormat });
  const { shardShape, dimensionNames } = options;
  if (dimensionNames !== undefined) checkNames(dimensionNames, shape.length);
  if (separator !== "/" && separator !== ".") throw invalid(`separator must be "/" or ".", got ${String(separator)}`);
  const isSharded = shardShape !== undefined;
  if (isSharded && zarrFormat === 2) throw invalid("Zarr v2 has no shards; use zarrFormat: 3");
  if (isSharded) checkShards(checkParts("shardShape", shardShape, shape), chunkShape);
  if (indexLocation !== "start" && indexLocation !== "end") throw invalid('indexLocation must be "start" or "end"');
  const sharding: NamedConfiguration = {
    name: "sharding_indexed",
    configuration: {
      chunk_shape: chunkShape,
      codecs,
      index_codecs: [{ name: "bytes", configuration: { endian: "little" } }, { name: "crc32c" }],
      index_location: indexLocation,
    },
  };
  return {
    zarr_format: 3,
    node_type: "array",
    shape: [...shape],
    data_type: dtype,
    chunk_grid: { name: "regular", configuration: { chunk_shape: isSharded ? shardShape : chunkShape } },
    chunk_key_encoding: { name: zarrFormat === 3 ? "default" : "v2", configuration: { separator } },
    fill_value: fillValueJson(options.fillValue ?? (dtype === "bool" ? false : 0), dtype),
    codecs: isSharded ? [sharding] : codecs,
    attributes: checkAttributes(attributes),
    ...(dimensionNames === undefined ? {} : { dimension_names: [...dimensionNames] }),
  };
}

/**
 * Attributes as they will be read back, in memory of their own.
 *
 * @throws A {@link StorageError} `INVALID_DATA` for what is no JSON object.
 */
export function checkAttributes(attributes: unknown): Attributes {
  const json = toJson(attributes, "attributes");
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Attributes;
  throw invalid("Attributes must be a JSON object");
}

/** Planes of the last two axes, halved where they are large, several together where they are small. */
function usualChunkShape(shape: readonly number[], dtype: DType, shardShape: readonly number[] | undefined): number[] {
  const { itemSize } = dtypes[dtype];
  const limit = shape.map((length, axis) => Math.max(1, Math.min(length, shardShape?.[axis] ?? length)));
  const chunk = limit.map((length, axis) => (axis >= shape.length - 2 ? length : 1));
  const bytes = () => chunk.reduce((product, length) => product * length, itemSize);
  while (bytes() > CHUNK_BYTES) {
    const longest = chunk.indexOf(Math.max(...chunk));
    const half = Math.ceil((chunk[longest] as number) / 2);
    // A shard is whole chunks: its length must stay a multiple.
    const shard = shardShape?.[longest];
    const divisor = shard === undefined ? half : largestDivisor(shard, half);
    if (divisor === chunk[longest]) break;
    chunk[longest] = divisor;
  }
  return chunk;
}

function largestDivisor(of: number, limit: number): number {
  for (let divisor = limit; divisor > 1; divisor--) if (of % divisor === 0) return divisor;
  return 1;
}

function checkParts(name: string, parts: readonly number[], shape: readonly number[]): number[] {
  const isShape = Array.isArray(parts) && parts.every((length) => Number.isSafeInteger(length) && length >= 1);
  if (isShape && parts.length === shape.length) return [...parts];
  throw invalid(`${name} must have ${shape.length} whole numbers ≥ 1, got ${JSON.stringify(parts)}`);
}

function checkShards(shardShape: readonly number[], chunkShape: readonly number[]): void {
  const isWhole = shardShape.every((length, axis) => length % (chunkShape[axis] as number) === 0);
  if (!isWhole) {
    throw invalid(`shardShape [${shardShape.join(", ")}] is no multiple of chunkShape [${chunkShape.join(", ")}]`);
  }
  const chunks = shardShape.reduce((product, length, axis) => product * (length / (chunkShape[axis] as number)), 1);
  if (chunks > MAX_CHUNKS_PER_SHARD) {
    throw invalid(`A shard of ${chunks} chunks has too large an index; at most ${MAX_CHUNKS_PER_SHARD} are allowed`);
  }
}

function checkNames(names: readonly (string | null)[], rank: number): void {
  const isList = Array.isArray(names) && names.every((name) => name === null || typeof name === "string");
  if (isList && names.length === rank) return;
  throw invalid(`dimensionNames must have ${rank} names (or null), got ${JSON.stringify(names)}`);
}

function invalid(message: string): StorageError {
  return new StorageError("INVALID_DATA", message);
}
