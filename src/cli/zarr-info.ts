/** What `sluice info` tells of a Zarr store. Heavy: imports the reader. */
import { openZarrNode } from "../../backends/zarr/reader.ts";
import type { ByteStore, OperationOptions } from "../core/byte-store.ts";
import { dtypes } from "../core/dtype.ts";
import { isStorageError } from "../core/errors.ts";
import { joinKey } from "../core/key.ts";
import { sizeOf } from "../core/nd-array.ts";

/** One array of a store. */
export interface ZarrArrayInfo {
  /** Key below the node that was asked for; `""` is that node. */
  readonly path: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly axes: readonly (string | null)[];
  /** Shape of what is read at once. */
  readonly chunks: readonly number[];
  /** Shape of one stored file of several chunks; `undefined` if the array is not sharded. */
  readonly shards: readonly number[] | undefined;
  /** Codecs of the chunks, in the order of writing. */
  readonly codecs: readonly string[];
  /** Bytes of all elements, before compression. */
  readonly byteLength: number;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** What is at a node: itself, and every array at or below it. */
export interface ZarrInfo {
  readonly kind: "zarr";
  readonly format: 2 | 3;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly arrays: readonly ZarrArrayInfo[];
}

/** Describes a node, or answers `undefined` where there is none. */
export async function zarrInfo(
  store: ByteStore,
  key: string,
  options: OperationOptions,
): Promise<ZarrInfo | undefined> {
  const format = await formatOf(store, key, options);
  if (format === undefined) return undefined;
  const arrays: ZarrArrayInfo[] = [];
  const visit = async (path: string): Promise<Readonly<Record<string, unknown>>> => {
    const node = await openZarrNode(store, joinKey(key, path), options);
    if (node.kind === "array") {
      const { dtype, shape, attributes } = node;
      arrays.push({
        path,
        dtype,
        shape,
        axes: node.dimensionNames,
        chunks: node.chunkShape,
        ...(await storageOf(store, joinKey(key, path), options)),
        byteLength: sizeOf(shape) * dtypes[dtype].itemSize,
        attributes,
      });
    } else {
      for (const name of [...node.arrays, ...node.groups]) await visit(joinKey(path, name));
    }
    return node.attributes;
  };
  const attributes = await visit("");
  return { kind: "zarr", format, attributes, arrays };
}

async function formatOf(store: ByteStore, key: string, options: OperationOptions): Promise<2 | 3 | undefined> {
  if (await has(store, joinKey(key, "zarr.json"), options)) return 3;
  const isV2 =
    (await has(store, joinKey(key, ".zgroup"), options)) || (await has(store, joinKey(key, ".zarray"), options));
  return isV2 ? 2 : undefined;
}

async function has(store: ByteStore, key: string, options: OperationOptions): Promise<boolean> {
  try {
    return (await store.stat(key, options)).kind === "file";
  } catch (error) {
    if (isStorageError(error, "NOT_FOUND", "NOT_A_DIRECTORY")) return false;
    throw error;
  }
}

interface Named {
  readonly name?: string;
  readonly id?: string;
  readonly configuration?: { readonly codecs?: readonly Named[]; readonly cname?: string };
}

/** Shards and codecs, which the reader hides and people want to know. */
async function storageOf(
  store: ByteStore,
  key: string,
  options: OperationOptions,
): Promise<Pick<ZarrArrayInfo, "shards" | "codecs">> {
  const isV3 = await has(store, joinKey(key, "zarr.json"), options);
  const bytes = await store.read(joinKey(key, isV3 ? "zarr.json" : ".zarray"), options);
  const metadata = JSON.parse(new TextDecoder().decode(bytes)) as {
    chunk_grid?: { configuration?: { chunk_shape?: number[] } };
    codecs?: readonly Named[];
    compressor?: Named | null;
    filters?: readonly Named[] | null;
  };
  if (!isV3) {
    const parts = [...(metadata.filters ?? []), ...(metadata.compressor ? [metadata.compressor] : [])];
    return { shards: undefined, codecs: parts.map((part) => part.id ?? "?") };
  }
  const sharding = metadata.codecs?.find((codec) => codec.name === "sharding_indexed");
  const codecs = (sharding?.configuration?.codecs ?? metadata.codecs ?? []).map(({ name = "?", configuration }) =>
    configuration?.cname ? `${name} (${configuration.cname})` : name,
  );
  return { shards: sharding && metadata.chunk_grid?.configuration?.chunk_shape, codecs };
}
