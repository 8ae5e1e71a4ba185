/** How a writer's sources appear in event-model documents. */
import { checkInteger } from "../core/checks.ts";
import type { DataKey, StreamAsset } from "../core/documents.ts";
import { toTypestr } from "../core/dtype.ts";
import type { SourceInfo } from "../core/frame-writer.ts";
import type { Source } from "./source.ts";

/** Where the frames of one source are, for readers. */
export interface StreamLocation {
  /** URI of the source's array. */
  readonly uri: string;
  /** What a reader of this MIME type needs to know besides. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

/**
 * Names of the axes of a source's array, time first: those that the device gave as `extra.dims` (one for each axis of a
 * frame), else `y` and `x` for the last two and `axis_0`… before them.
 */
export function dimensionNames(source: Pick<SourceInfo, "shape" | "extra">): string[] {
  const { dims } = source.extra;
  const rank = source.shape.length;
  const isNamed = Array.isArray(dims) && dims.length === rank && dims.every((name) => typeof name === "string");
  if (isNamed) return ["time", ...(dims as string[])];
  const leading = Array.from({ length: Math.max(0, rank - 2) }, (_, axis) => `axis_${axis}`);
  return ["time", ...leading, ...["y", "x"].slice(2 - Math.min(rank, 2))];
}

/**
 * The data key of a source.
 *
 * @param framesPerEvent - First entry of the shape. Readers join events along it: without it, Tiled makes one tall image
 * of all frames.
 */
export function dataKeyOf(source: SourceInfo, uri: string, framesPerEvent: number): DataKey {
  checkInteger(framesPerEvent, "framesPerEvent", 1);
  return {
    source: uri,
    dtype: "array",
    shape: [framesPerEvent, ...source.shape],
    dtype_numpy: toTypestr(source.dtype),
    external: "STREAM:",
    object_name: source.name,
    dims: dimensionNames(source),
  };
}

/**
 * Announces what was written and not announced yet: the resource with the first frames, then one datum for all new ones.
 * Descriptor, sequence numbers and run are left empty: a device does not know them, the plan does.
 *
 * @see sunflare, `Writer.collect_stream_docs`; bluesky `bundlers.py`, which refuses anything else
 */
export function announce(source: Source, indicesWritten: number, locate: () => StreamLocation): StreamAsset[] {
  const start = source.collectionCounter;
  const stop = Math.min(indicesWritten, source.eventsWritten);
  if (!(stop > start)) return [];
  const uid = source.streamResourceUid;
  const documents: StreamAsset[] = [];
  if (start === 0) {
    const { uri, parameters } = locate();
    const { dataKey, mimetype } = source;
    documents.push(["stream_resource", { uid, run_start: "", data_key: dataKey, mimetype, uri, parameters }]);
  }
  documents.push([
    "stream_datum",
    {
      uid: `${uid}/${start}`,
      descriptor: "",
      stream_resource: uid,
      indices: { start, stop },
      seq_nums: { start: 0, stop: 0 },
    },
  ]);
  source.collectionCounter = stop;
  return documents;
}
