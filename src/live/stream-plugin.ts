/** Who reads and writes the points of a stream: the encodings that are built in, and those of third parties. */
import { isStorageError, StorageError } from "../core/errors.ts";
import { FramesCodec, type ReadFrames } from "./encoding/frames.ts";
import { JsonCodec } from "./encoding/json-points.ts";
import { NumericCodec } from "./encoding/numeric.ts";
import type { PointCodec } from "./encoding/point-codec.ts";
import { VaryingCodec } from "./encoding/varying.ts";
import type { CallOptions } from "./engine.ts";
import type { FramesEncoding, NumericEncoding, StreamHeader } from "./header.ts";
import type { Scan, ScanContext } from "./scan.ts";

/** Points that have left the engine, or will: the store that was written. */
export interface ColdPoints<Points = unknown> {
  /** Where they are. */
  readonly uri: string;
  /**
   * Points `from` up to `to`.
   *
   * @throws A `StorageError` `NOT_FOUND` or `EXPIRED` if they are not there either.
   */
  read(from: number, to: number, options?: CallOptions): Promise<Points>;
}

/** What is needed to read and write one stream. */
export interface OpenedStream {
  /** Between its points and the bytes of its entries. */
  readonly codec: PointCodec;
  /** Where points are read that have left the engine. */
  readonly cold?: ColdPoints | undefined;
}

/** Where the points of a stream are that its producer keeps elsewhere too; `undefined` if the stream does not say. */
export type OpenFallback = (stream: StreamHeader) => ColdPoints | undefined;

/** What the store of a stream lends whoever opens it. */
export interface PluginContext {
  /** A scan of the same store, as it is then. */
  loadScan(key: string, options?: CallOptions): Promise<Scan>;
  /** Reads frames by reference, if the store was given something that does. */
  readonly readFrames: ReadFrames | undefined;
}

/** Opens streams of one kind. */
export interface StreamPlugin {
  /** What is needed to read and write the stream. */
  open(stream: StreamHeader, context: PluginContext): OpenedStream | Promise<OpenedStream>;
}

/** Plugins by the name that stands as `plugin` in the info of a stream, loaded when a stream needs them. */
export type StreamPlugins = Readonly<Record<string, () => StreamPlugin | Promise<StreamPlugin>>>;

/** Plugins that every store has; one that is given has its place. */
const builtIn: StreamPlugins = {
  "scan-sequence": async () => (await import("./plugins/scan-sequence.ts")).scanSequencePlugin,
  /** As blissdata calls it. */
  scan_sequence: async () => (await import("./plugins/scan-sequence.ts")).scanSequencePlugin,
};

/**
 * Opens a stream with its plugin, or, if it names none, by its encoding.
 *
 * @throws A {@link StorageError}: `MISSING_DEPENDENCY` if nobody knows the plugin or the encoding, `UNEXPECTED` with the
 * plugin's own error as its cause if it fails. Other streams of the scan are none the worse for it.
 */
export async function openStream(
  stream: StreamHeader,
  context: Pick<ScanContext, "plugins" | "readFrames" | "fallback" | "loadScan">,
): Promise<OpenedStream> {
  const { readFrames, fallback, loadScan } = context;
  const { plugin } = stream.info;
  if (plugin === undefined) return { codec: codecOf(stream, readFrames), cold: fallback?.(stream) };
  const plugins = { ...builtIn, ...context.plugins };
  const load = typeof plugin === "string" && Object.hasOwn(plugins, plugin) ? plugins[plugin] : undefined;
  if (load === undefined) {
    throw missing(`Stream "${stream.name}" needs the plugin ${JSON.stringify(plugin)}`, Object.keys(plugins), stream);
  }
  try {
    return await (await load()).open(stream, { readFrames, loadScan });
  } catch (cause) {
    if (isStorageError(cause)) throw cause;
    const message = `The plugin "${plugin}" of stream "${stream.name}" failed`;
    throw new StorageError("UNEXPECTED", message, { identifier: stream.name, cause });
  }
}

function codecOf(stream: StreamHeader, readFrames: ReadFrames | undefined): PointCodec {
  const { encoding } = stream;
  switch (encoding.type) {
    case "numeric": {
      const { dtype, shape } = encoding as NumericEncoding;
      return shape.includes(-1) ? new VaryingCodec(dtype, shape) : new NumericCodec(dtype, shape);
    }
    case "json":
      return new JsonCodec();
    case "frames": {
      const { dtype, shape } = encoding as FramesEncoding;
      return new FramesCodec(dtype, shape, readFrames);
    }
    default:
      throw missing(
        `Stream "${stream.name}" has the encoding "${encoding.type}"`,
        ["numeric", "json", "frames"],
        stream,
      );
  }
}

function missing(what: string, known: readonly string[], stream: StreamHeader): StorageError {
  const message = `${what}, which nobody here knows. Known: ${known.join(", ") || "none"}`;
  return new StorageError("MISSING_DEPENDENCY", message, { identifier: stream.name });
}
