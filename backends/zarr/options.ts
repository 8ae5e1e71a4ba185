/** Options of the Zarr backend and of its frame writer, and their checks. Light: loaded with the descriptor. */
import { describe } from "../../src/core/checks.ts";
import type { IfExists } from "../../src/core/data-sink.ts";
import type { InstanceConfig, StandardIssue, StandardSchemaV1 } from "../../src/core/descriptor.ts";
import { nearest, StorageError } from "../../src/core/errors.ts";
import type { PathProvider } from "../../src/core/frame-writer.ts";
import { type Compressor, type CompressorName, compressorNames } from "./codec-options.ts";
import type { ChunkCodec } from "./metadata.ts";

/**
 * Options of the `zarr` backend. As a store of values it takes `store` with `path`, or `root`, or `uri`, and the defaults
 * of saves; its frame writer takes the others, from `codec` on.
 */
export interface ZarrOptions {
  /** The store that the hierarchy is in: an instance name, a URL or a configuration. */
  readonly store?: string | InstanceConfig | undefined;
  /** Folder of the store that is the root of the hierarchy. Default: all of it. */
  readonly path?: string | undefined;
  /** Folder on the local disk that is the root of the hierarchy, in place of `store`. */
  readonly root?: string | undefined;
  /** What saves do that name no policy. Default `"error"`. */
  readonly ifExists?: IfExists | undefined;
  /** How saves pack arrays that do not say it. Default `"blosc-zstd"`. */
  readonly compressor?: Compressor | undefined;
  /** Version of Zarr of hierarchies that are new. Default 3. */
  readonly zarrFormat?: 2 | 3 | undefined;
  /** How chunks are packed. `"blosc-zstd"` is level 1; give an object for another. Default `"none"`. */
  readonly codec?: "none" | "blosc-zstd" | { readonly name: "blosc-zstd"; readonly level?: number } | undefined;
  /** Size that a shard should have before compression, in bytes. Default 256 MiB. */
  readonly shardBytes?: number | undefined;
  /**
   * `"frame"`: each frame is a shard of its own, and its `write` resolves when it is stored and shown, as safe as
   * `durability` says; for images that come one by one. Default `"auto"`: by `shardBytes`.
   */
  readonly shard?: "auto" | "frame" | undefined;
  /**
   * `"auto"`: on a disk, shards under way have journals: their frames can be read by other processes, and are kept when
   * this one is killed. `"never"`: frames can be read, and outlive the process, from when their shard is whole. Default
   * `"auto"`.
   */
  readonly journal?: "auto" | "never" | undefined;
  /** Memory for frames on their way, shared by all sources, in bytes. Default 64 MiB. */
  readonly maxBufferBytes?: number | undefined;
  /** Passed to the disk store for `file:` URIs: what is synced before a shard or a shape is visible. */
  readonly durability?: "full" | "data" | "none" | undefined;
  /**
   * `"auto"`: a store that can writes shards past the cache of the operating system where that is faster: on disk, with a
   * durability of `"full"` or `"data"`. `"never"`: shards stay in the cache, for programs that read them at once.
   * Default `"auto"`.
   */
  readonly direct?: "never" | "auto" | undefined;
  /** Root of the hierarchy, in place of `store`; for the writer where the first acquisition goes. A URI. */
  readonly uri?: string | undefined;
  /** Where each acquisition goes. */
  readonly pathProvider?: PathProvider | undefined;
}

/** {@link ZarrOptions} with nothing left open. */
export interface CheckedZarrOptions {
  readonly codec: ChunkCodec;
  readonly shardBytes: number;
  readonly shard: "auto" | "frame";
  readonly journal: "auto" | "never";
  readonly maxBufferBytes: number;
  readonly direct: "never" | "auto";
}

/** A test for each option, and what it wants. */
const rules: Readonly<Record<keyof ZarrOptions, readonly [wanted: string, test: (value: unknown) => boolean]>> = {
  store: ["a store or its URL", (value) => typeof value === "string" || isConfig(value)],
  path: ["a path", (value) => typeof value === "string"],
  root: ["a folder", (value) => typeof value === "string"],
  ifExists: ['"error", "replace" or "skip"', (value) => ["error", "replace", "skip"].includes(value as string)],
  compressor: [`one of ${compressorNames.join(", ")}, or { name, level }`, isCompressor],
  zarrFormat: ["2 or 3", (value) => value === 2 || value === 3],
  codec: ['"none", "blosc-zstd" or { name: "blosc-zstd", level: 1…9 }', isCodec],
  shardBytes: ["a whole number of bytes ≥ 1", isByteCount],
  shard: ['"auto" or "frame"', (value) => value === "auto" || value === "frame"],
  journal: ['"auto" or "never"', (value) => value === "auto" || value === "never"],
  maxBufferBytes: ["a whole number of bytes ≥ 1", isByteCount],
  durability: ['"full", "data" or "none"', (value) => ["full", "data", "none"].includes(value as string)],
  direct: ['"never" or "auto"', (value) => value === "never" || value === "auto"],
  uri: ["a URI such as file://localhost/data/run.zarr", (value) => typeof value === "string"],
  pathProvider: ["a function", (value) => typeof value === "function"],
};

/** Checks {@link ZarrOptions}, and names every mistake. */
export const zarrOptionsSchema: StandardSchemaV1<ZarrOptions> = {
  "~standard": {
    version: 1,
    vendor: "sluice",
    validate: (value) => {
      if (typeof value !== "object" || value === null) return { issues: [{ message: "Expected an object" }] };
      const issues = findMistakes(value);
      return issues.length > 0 ? { issues } : { value: value as ZarrOptions };
    },
  },
};

/**
 * Fills in defaults.
 *
 * @throws A {@link StorageError} `CONFIG_INVALID` that names every mistake.
 */
export function checkZarrOptions(options: ZarrOptions): CheckedZarrOptions {
  const mistakes = findMistakes(options);
  if (mistakes.length > 0) {
    const list = mistakes.map(({ message }) => message).join("; ");
    throw new StorageError("CONFIG_INVALID", `Zarr options: ${list}`, { backend: "zarr", operation: "open" });
  }
  const { codec = "none", shardBytes = 256 * 2 ** 20, maxBufferBytes = 64 * 2 ** 20 } = options;
  const { shard = "auto", journal = "auto", direct = "auto" } = options;
  const name = "blosc-zstd";
  const level = typeof codec === "object" ? (codec.level ?? 1) : 1;
  return { codec: codec === "none" ? codec : { name, level }, shardBytes, shard, journal, maxBufferBytes, direct };
}

function findMistakes(options: object): StandardIssue[] {
  const issues: StandardIssue[] = [];
  for (const [name, value] of Object.entries(options)) {
    const rule = Object.hasOwn(rules, name) ? rules[name as keyof ZarrOptions] : undefined;
    if (rule === undefined) {
      const guess = nearest(name, Object.keys(rules));
      const hint = guess === undefined ? `known are ${Object.keys(rules).join(", ")}` : `did you mean "${guess}"?`;
      issues.push({ message: `Unknown option "${name}"; ${hint}`, path: [name] });
    } else if (value !== undefined && !rule[1](value)) {
      issues.push({ message: `${name} must be ${rule[0]}, got ${describe(value)}`, path: [name] });
    }
  }
  return issues;
}

function isCodec(codec: unknown): boolean {
  if (codec === "none" || codec === "blosc-zstd") return true;
  if (typeof codec !== "object" || codec === null) return false;
  const { name, level = 1, ...rest } = codec as { name?: unknown; level?: unknown };
  // Level 0 means "default" to some implementations and "no compression" to others.
  const isLevel = Number.isInteger(level) && (level as number) >= 1 && (level as number) <= 9;
  return name === "blosc-zstd" && isLevel && Object.keys(rest).length === 0;
}

function isConfig(value: unknown): boolean {
  return typeof value === "object" && value !== null && typeof (value as { use?: unknown }).use === "string";
}

function isCompressor(value: unknown): boolean {
  const { name } = typeof value === "object" && value !== null ? (value as { name?: unknown }) : { name: value };
  return compressorNames.includes(name as CompressorName);
}

function isByteCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}
