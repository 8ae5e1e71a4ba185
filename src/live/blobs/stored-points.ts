/** Reads points that have left the engine from the array that was written beside it. */
import type { BackendSet } from "../../../registry/backend-set.ts";
import { storageRegistry } from "../../../registry/default-set.ts";
import { fromTypestr } from "../../core/dtype.ts";
import { StorageError } from "../../core/errors.ts";
import type { NdArray } from "../../core/nd-array.ts";
import { loadFrames } from "../../io/load-frames.ts";
import { StoredFrames } from "../../io/stored-frames.ts";
import type { FrameReference } from "../encoding/frames.ts";
import type { FramesEncoding, NumericEncoding, StreamHeader } from "../header.ts";
import type { ColdPoints } from "../stream-plugin.ts";

/** The array that has the points of a stream: those of its first axis, from `index` on (default 0). */
export type StoredPlace = Omit<FrameReference, "kind" | "offset" | "length" | "crc32" | "crc32c">;

/**
 * The points of a stream of numbers or frames in an array of any registered backend that reads parts of arrays, or in a
 * sequence of image files. Reads exactly the points that are asked for, in pieces of at most 64 MiB.
 *
 * @param backends - Stays its owner's. Default: the default set of the registry.
 * @throws A {@link StorageError} `INVALID_DATA` for a stream of anything else, or of numbers whose shape varies.
 */
export function storedPoints(
  { name, encoding }: Pick<StreamHeader, "name" | "encoding">,
  { uri, path = "", index = 0, mimetype, template }: StoredPlace,
  backends: BackendSet = storageRegistry,
): ColdPoints<NdArray> {
  const { type, dtype, shape } = encoding as Partial<FramesEncoding | NumericEncoding>;
  if ((type !== "frames" && type !== "numeric") || dtype === undefined || !shape || shape.includes(-1)) {
    const message = `The points of "${name}" are no arrays of one shape: they cannot be in ${uri}`;
    throw new StorageError("INVALID_DATA", message, { identifier: name });
  }
  const kind = { shape, dtype: fromTypestr(dtype).dtype };
  const stored = new StoredFrames(backends);
  const place = { uri, path, mimetype, parameters: { template } };
  return {
    uri: path === "" ? uri : `${uri.replace(/\/+$/, "")}/${path}`,
    read: (from, to, options = {}) => {
      const run = { place, first: index + from, count: to - from };
      return loadFrames([run], (piece) => stored.read(piece, options), kind, name, options);
    },
  };
}
