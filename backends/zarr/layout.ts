/** How an array lies in its store: chunks, shards, codecs and keys, read from its metadata. */
import { type DType, isDType } from "../../src/core/dtype.ts";
import { joinKey } from "../../src/core/key.ts";
import type { NdArray } from "../../src/core/nd-array.ts";
import { type ArrayMetadata, isShape } from "./metadata.ts";
import type { NamedPartDecoder } from "./packed-chunk.ts";
import { chunkCodecs, readSharding } from "./sharding-chain.ts";

/** Makes the key of a chunk, or of a shard. */
export type ChunkKey = (coordinates: readonly number[]) => string;

/** What is known of the inside of shards. */
export interface ShardLayout {
  /** Chunks of a shard along each axis. */
  readonly chunksPerShard: readonly number[];
  readonly indexEndian: "little" | "big";
  readonly hasChecksum: boolean;
  readonly location: "start" | "end";
}

/** Turns chunks into bytes and back. Chunks may be under way beside each other. */
export interface ChunkCodecs {
  /** True if a stored chunk is its elements in C order, as this machine has them. */
  readonly isPlain?: boolean;
  /** Unpacks parts of chunks, where that is possible. */
  readonly parts?: NamedPartDecoder | undefined;
  /** @param chunk - Any strides; borrowed until the result is no longer used, as it may share its memory. */
  encode(chunk: NdArray): Promise<Uint8Array>;
  /**
   * @param bytes - Handed over: the result may share this memory.
   * @param shape - Shape of the chunk.
   * @throws A {@link StorageError} `CORRUPT` that names the codec.
   */
  decode(bytes: Uint8Array, shape: readonly number[]): Promise<NdArray>;
}

/** How one array lies in its store. */
export interface ArrayLayout {
  readonly dtype: DType;
  /** Shape of one stored value: a shard, or a chunk where there are no shards. */
  readonly unitShape: readonly number[];
  /** Shape of one chunk. */
  readonly chunkShape: readonly number[];
  readonly shards: ShardLayout | undefined;
  readonly codecs: ChunkCodecs;
  /** Key of a stored value. */
  readonly key: ChunkKey;
  /** The way back: coordinates of the value under a key, `undefined` for keys that are none. */
  coordinates(key: string): number[] | undefined;
}

/**
 * Reads the layout of an array.
 *
 * @param path - Key of its node.
 * @returns `undefined` for what is not ours to read: other types, codecs, grids or key encodings.
 */
export function arrayLayout(metadata: ArrayMetadata, path: string): ArrayLayout | undefined {
  const { chunk_grid, chunk_key_encoding, codecs, shape, data_type: dtype, storage_transformers } = metadata;
  const unitShape = chunk_grid.configuration?.chunk_shape;
  const key = chunkKeys(path, chunk_key_encoding);
  if (!isDType(dtype) || chunk_grid.name !== "regular" || key === undefined) return undefined;
  if (!isChunkShape(unitShape, shape.length) || (storage_transformers ?? []).length > 0) return undefined;
  const coordinates = (at: string) => {
    const numbers = at.slice(path.length).match(/\d+/g)?.map(Number) ?? [];
    const found = numbers.slice(numbers.length - shape.length);
    return found.length === shape.length && key(found) === at ? found : undefined;
  };
  const [first, ...others] = codecs;
  const form = { dtype, shape: unitShape, fillValue: metadata.fill_value };
  const isSharded = first?.name === "sharding_indexed" && others.length === 0;
  const inside = isSharded ? readSharding(first.configuration ?? {}, form) : undefined;
  if (inside !== undefined) return { dtype, unitShape, key, coordinates, ...inside };
  const chain = isSharded ? undefined : chunkCodecs(codecs, form);
  return chain && { dtype, unitShape, chunkShape: unitShape, shards: undefined, codecs: chain, key, coordinates };
}

/**
 * The keys of an array's chunks.
 *
 * @returns `undefined` for an encoding that is not in the specification.
 */
export function chunkKeys(
  path: string,
  encoding: { readonly name: string; readonly configuration?: Readonly<Record<string, unknown>> | undefined },
): ChunkKey | undefined {
  const isDefault = encoding.name === "default";
  if (!isDefault && encoding.name !== "v2") return undefined;
  const separator = encoding.configuration?.separator ?? (isDefault ? "/" : ".");
  if (separator !== "/" && separator !== ".") return undefined;
  return (coordinates) => {
    const parts = isDefault ? ["c", ...coordinates] : coordinates.length === 0 ? [0] : coordinates;
    return joinKey(path, parts.join(separator));
  };
}

function isChunkShape(value: unknown, rank: number): value is number[] {
  return isShape(value) && value.length === rank && !value.includes(0);
}
