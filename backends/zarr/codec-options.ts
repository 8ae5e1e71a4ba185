/** From what a caller says of packing to the codecs of an array's metadata, checked against the specification. */
import { describe } from "../../src/core/checks.ts";
import { type DType, dtypes } from "../../src/core/dtype.ts";
import { nearest, StorageError } from "../../src/core/errors.ts";
import type { NamedConfiguration } from "./metadata.ts";

/** Name of a compressor. `blosc` alone is `blosc-zstd`; Zarr v3 has no `zlib` and no `lz4`. */
export type CompressorName = "none" | "blosc" | "blosc-zstd" | "blosc-lz4" | "zstd" | "gzip" | "zlib" | "lz4";

/** Every {@link CompressorName}. */
export const compressorNames: readonly CompressorName[] = [
  "none",
  "blosc",
  "blosc-zstd",
  "blosc-lz4",
  "zstd",
  "gzip",
  "zlib",
  "lz4",
];

/** How chunks are packed: a name, or a name with a level. */
export type Compressor = CompressorName | { readonly name: CompressorName; readonly level?: number | undefined };

type Configuration = Readonly<Record<string, unknown>>;

/** Levels that each compressor takes, and the one without being told. */
const levels: Readonly<Record<string, readonly [from: number, to: number, usual: number]>> = {
  blosc: [0, 9, 1],
  zstd: [-131072, 22, 1],
  gzip: [0, 9, 5],
  zlib: [0, 9, 5],
  lz4: [1, 65537, 1],
};

/** What packs chunks unless something else is asked for: small and, with the bytes shuffled, the fastest to write. */
const USUAL: Compressor = "blosc-zstd";

/** What is known of an array when its codecs are chosen. */
export interface CodecTarget {
  readonly dtype: DType;
  readonly rank: number;
  readonly zarrFormat: 2 | 3;
}

/**
 * The codecs of an array, complete: from `codecs` as in metadata (`bytes` may be left out), or from a `compressor`.
 *
 * @throws A {@link StorageError} `INVALID_DATA` that names what is wrong, and what would do.
 */
export function codecsOf(
  options: {
    readonly codecs?: readonly NamedConfiguration[] | undefined;
    readonly compressor?: Compressor | undefined;
  },
  target: CodecTarget,
): NamedConfiguration[] {
  const { codecs, compressor } = options;
  if (codecs === undefined) return withBytes(compressorCodecs(compressor ?? USUAL, target), target);
  if (compressor !== undefined) throw invalid("Pass codecs or a compressor, not both");
  if (!Array.isArray(codecs)) throw invalid(`codecs must be a list, got ${describe(codecs)}`);
  return withBytes(
    codecs.map((codec: NamedConfiguration) => checkCodec(codec, target)),
    target,
  );
}

function compressorCodecs(compressor: Compressor, target: CodecTarget): NamedConfiguration[] {
  const { name, level } = typeof compressor === "string" ? { name: compressor, level: undefined } : compressor;
  if (name === "none") return [];
  const [codec = "", cname = "zstd"] = String(name).split("-");
  const configuration: Configuration = codec === "blosc" ? { cname, clevel: level } : { level };
  if (!compressorNames.includes(name)) throw unknown("compressor", name, compressorNames);
  return [checkCodec({ name: codec, configuration }, target)];
}

/** A codec with everything said that the specification has, in the order that it has it. */
function checkCodec(codec: NamedConfiguration, target: CodecTarget): NamedConfiguration {
  const { name, configuration = {} } = codec ?? {};
  if (name === "sharding_indexed")
    throw invalid("Shards are asked for by shardShape, and codecs are those inside of them");
  const check = Object.hasOwn(checks, name) ? checks[name as keyof typeof checks] : undefined;
  if (check === undefined) throw unknown("codec", name, Object.keys(checks));
  return check(configuration, target);
}

const checks = {
  transpose: ({ order }: Configuration, { rank }: CodecTarget) => {
    const isOrder = Array.isArray(order) && [...order].sort((a, b) => a - b).every((axis, at) => axis === at);
    if (isOrder && order.length === rank) return { name: "transpose", configuration: { order } };
    throw invalid(`The order of "transpose" must have each of the ${rank} axes once, got ${JSON.stringify(order)}`);
  },
  bytes: ({ endian = "little" }: Configuration, { dtype }: CodecTarget) => {
    if (endian !== "little" && endian !== "big") throw invalid(`The endian of "bytes" must be "little" or "big"`);
    return dtypes[dtype].itemSize === 1 ? { name: "bytes" } : { name: "bytes", configuration: { endian } };
  },
  blosc: (given: Configuration, { dtype }: CodecTarget) => {
    const { itemSize } = dtypes[dtype];
    const { cname = "zstd", blocksize = 0 } = given;
    const { shuffle = itemSize === 1 ? "noshuffle" : "shuffle" } = given;
    const cnames = ["blosclz", "lz4", "lz4hc", "zlib", "zstd"];
    if (!cnames.includes(cname as string)) throw unknown("compressor of Blosc", cname, cnames);
    const shuffles = ["noshuffle", "shuffle", "bitshuffle"];
    if (!shuffles.includes(shuffle as string)) throw unknown("shuffle of Blosc", shuffle, shuffles);
    const clevel = levelOf("blosc", given.clevel);
    return { name: "blosc", configuration: { cname, clevel, shuffle, typesize: itemSize, blocksize } };
  },
  zstd: ({ level, checksum = false }: Configuration) => {
    if (checksum !== false) throw invalid('"zstd" is written without its own checksum; add the codec "crc32c" instead');
    return { name: "zstd", configuration: { level: levelOf("zstd", level), checksum } };
  },
  gzip: ({ level }: Configuration) => ({ name: "gzip", configuration: { level: levelOf("gzip", level) } }),
  zlib: ({ level }: Configuration, { zarrFormat }: CodecTarget) => {
    if (zarrFormat === 3) throw invalid('Zarr v3 has no codec "zlib"; use "gzip", which packs alike, or zarrFormat: 2');
    return { name: "zlib", configuration: { level: levelOf("zlib", level) } };
  },
  lz4: ({ level, acceleration = level }: Configuration, { zarrFormat }: CodecTarget) => {
    if (zarrFormat === 3) throw invalid('Zarr v3 has no codec "lz4"; use "blosc-lz4", or zarrFormat: 2');
    return { name: "lz4", configuration: { acceleration: levelOf("lz4", acceleration) } };
  },
  crc32c: () => ({ name: "crc32c" }),
} satisfies Record<string, (configuration: Configuration, target: CodecTarget) => NamedConfiguration>;

/** Puts `bytes` after the transpositions, if it is not there; refuses an order that makes no sense. */
function withBytes(codecs: NamedConfiguration[], target: CodecTarget): NamedConfiguration[] {
  const first = codecs.findIndex(({ name }) => name !== "transpose");
  const at = first < 0 ? codecs.length : first;
  const list = codecs[at]?.name === "bytes" ? codecs : codecs.toSpliced(at, 0, checks.bytes({}, target));
  const late = list.slice(at + 1).find(({ name }) => name === "bytes" || name === "transpose");
  if (late === undefined) return list;
  throw invalid(`The codec "${late.name}" must come before those that pack bytes`);
}

function levelOf(name: string, level: unknown): number {
  const [from, to, usual] = levels[name] as readonly [number, number, number];
  if (level === undefined) return usual;
  if (Number.isInteger(level) && (level as number) >= from && (level as number) <= to) return level as number;
  throw invalid(`The level of "${name}" must be a whole number from ${from} to ${to}, got ${String(level)}`);
}

function unknown(what: string, name: unknown, known: readonly string[]): StorageError {
  const guess = typeof name === "string" ? nearest(name, known) : undefined;
  const hint = guess === undefined ? `known: ${known.join(", ")}` : `did you mean "${guess}"?`;
  return invalid(`Unknown ${what} ${JSON.stringify(name)}; ${hint}`);
}

function invalid(message: string): StorageError {
  return new StorageError("INVALID_DATA", message);
}
