/** Options of the Zarr writer, and their checks. Light: loaded with the descriptor. */
import { checkInteger } from "../../src/core/checks.ts";
import { nearest, StorageError } from "../../src/core/errors.ts";
import type { PathProvider } from "../../src/core/frame-writer.ts";
import type { ChunkCodec } from "./metadata.ts";

/** Options of the `zarr` backend's frame writer. */
export interface ZarrOptions {
  /** How chunks are packed. `"blosc-zstd"` is level 1; give an object for another. Default `"none"`. */
  readonly codec?: "none" | "blosc-zstd" | { readonly name: "blosc-zstd"; readonly level?: number } | undefined;
  /** Size that a shard should have before compression, in bytes. Default 256 MiB. */
  readonly shardBytes?: number | undefined;
  /** Memory for frames on their way, shared by all sources, in bytes. Default 64 MiB. */
  readonly maxBufferBytes?: number | undefined;
  /** Passed to the disk store for `file:` URIs: what is synced before a shard or a shape is visible. */
  readonly durability?: "full" | "data" | "none" | undefined;
  /** Where the first acquisition goes; a URI. */
  readonly uri?: string | undefined;
  /** Where each acquisition goes. */
  readonly pathProvider?: PathProvider | undefined;
}

/** {@link ZarrOptions} with nothing left open. */
export interface CheckedZarrOptions {
  readonly codec: ChunkCodec;
  readonly shardBytes: number;
  readonly maxBufferBytes: number;
}

const known = ["codec", "shardBytes", "maxBufferBytes", "durability", "uri", "pathProvider"];

/**
 * Fills in defaults.
 *
 * @throws A {@link StorageError} `CONFIG_INVALID` that names the option.
 */
export function checkZarrOptions(options: ZarrOptions): CheckedZarrOptions {
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const guess = nearest(name, known);
    throw invalid(`"${name}" is unknown${guess === undefined ? "" : `; did you mean "${guess}"?`}`);
  }
  const { shardBytes = 256 * 2 ** 20, maxBufferBytes = 64 * 2 ** 20, durability } = options;
  for (const [name, value] of Object.entries({ shardBytes, maxBufferBytes })) {
    try {
      checkInteger(value, name, 1);
    } catch (cause) {
      throw invalid((cause as Error).message, cause);
    }
  }
  if (durability !== undefined && !["full", "data", "none"].includes(durability)) {
    throw invalid(`durability is "full", "data" or "none", not ${JSON.stringify(durability)}`);
  }
  return { codec: checkCodec(options.codec ?? "none"), shardBytes, maxBufferBytes };
}

function checkCodec(codec: NonNullable<ZarrOptions["codec"]>): ChunkCodec {
  if (codec === "none") return "none";
  const { name, level = 1, ...rest } = codec === "blosc-zstd" ? { name: codec } : codec;
  // Level 0 means "default" to some implementations and "no compression" to others.
  const isLevel = Number.isInteger(level) && level >= 1 && level <= 9;
  if (name === "blosc-zstd" && isLevel && Object.keys(rest).length === 0) return { name, level };
  throw invalid(`codec is "none", "blosc-zstd" or { name: "blosc-zstd", level: 1…9 }, not ${JSON.stringify(codec)}`);
}

function invalid(message: string, cause?: unknown): StorageError {
  return new StorageError("CONFIG_INVALID", `Zarr options: ${message}`, { backend: "zarr", operation: "open", cause });
}
