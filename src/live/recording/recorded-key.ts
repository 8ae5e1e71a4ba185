/** What a descriptor says of one data key, as a stream of a scan. */
import type { DataKey, EventDescriptor } from "../../core/documents.ts";
import { fromTypestr, toTypestr } from "../../core/dtype.ts";
import { isStorageError, StorageError } from "../../core/errors.ts";
import type { SourceInfo } from "../../core/frame-writer.ts";
import type { StreamDefinition } from "../stream-definition.ts";
import { type PointKind, pointKindOf } from "./point-kind.ts";

/** Name of the bluesky stream whose data keys are names of streams as they are. */
const PRIMARY = "primary";

/** Name of the stream with the times of the events, as in blissdata. */
const EPOCH = "timer:epoch";

/** A data key, and the stream that it becomes. */
export interface RecordedKey {
  /** Name of the stream of the scan. */
  readonly name: string;
  /** Name of the bluesky stream. */
  readonly stream: string;
  /** The data key; `undefined` for the times of the events. */
  readonly field: string | undefined;
  readonly key: DataKey;
  /** The device that it belongs to; `undefined` for the times. */
  readonly device: string | undefined;
  readonly definition: StreamDefinition;
  /** Of values of events; `undefined` for frames, which come by reference. */
  readonly kind: PointKind | undefined;
  /** Axes of one point: 0 for scalars, 2 for images. */
  readonly rank: number;
  /** Frames that one event stands for. */
  readonly perEvent: number;
}

/**
 * The streams that a descriptor becomes: one for each data key, and one for the times of the events.
 *
 * @param sourceOf - What is known of a source of frames, beside the document.
 * @param onError - Told of keys that become no stream.
 */
export function recordedKeys(
  { name: stream, data_keys: keys }: EventDescriptor,
  sourceOf: (key: string) => Pick<SourceInfo, "dtype" | "shape"> | undefined,
  onError: (error: StorageError) => void,
): RecordedKey[] {
  const prefix = stream === PRIMARY ? "" : `${stream}:`;
  const recorded: RecordedKey[] = [];
  for (const [field, key] of Object.entries(keys)) {
    const common = { name: prefix + field, stream, field, key, device: key.object_name ?? field };
    try {
      if (key.external !== undefined) recorded.push({ ...common, ...framesOf(field, key, sourceOf(field)) });
      else {
        const kind = pointKindOf(key);
        recorded.push({ ...common, kind, definition: kind.definition, rank: kind.rank, perEvent: 1 });
      }
    } catch (error) {
      if (!isStorageError(error)) throw error;
      onError(error);
    }
  }
  const hasValues = Object.values(keys).some(({ external }) => external === undefined);
  return hasValues ? [...recorded, timesOf(stream, prefix)] : recorded;
}

function framesOf(
  field: string,
  { shape, dims, dtype_numpy: typestr }: DataKey,
  source: Pick<SourceInfo, "dtype" | "shape"> | undefined,
): Pick<RecordedKey, "definition" | "kind" | "rank" | "perEvent"> {
  // Of writers the first axis is the frames of an event; others leave it out where that is one.
  const hasEvents = source !== undefined || shape.length > 2 || dims?.[0] === "time";
  const frame = source?.shape ?? (hasEvents ? shape.slice(1) : shape);
  const perEvent = hasEvents ? (shape[0] ?? 1) : 1;
  const dtype = source === undefined ? typestr : toTypestr(source.dtype);
  const isKnown = frame.every((length): length is number => length !== null && length > 0);
  if (dtype === undefined || !isKnown) {
    const message = `Frames of "${field}" have no dtype_numpy, or an axis of no known length: they are no live stream`;
    throw new StorageError("UNSUPPORTED", message, { operation: "record", identifier: field });
  }
  fromTypestr(dtype);
  const definition = { type: "frames", dtype, shape: frame } as const;
  return { definition, kind: undefined, rank: frame.length, perEvent };
}

function timesOf(stream: string, prefix: string): RecordedKey {
  const key: DataKey = { source: "clock", dtype: "number", shape: [], units: "s" };
  const kind = pointKindOf(key);
  const name = prefix + EPOCH;
  return {
    name,
    stream,
    field: undefined,
    key,
    device: undefined,
    kind,
    definition: kind.definition,
    rank: 0,
    perEvent: 1,
  };
}
