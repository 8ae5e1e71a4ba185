/** Reads points that have left the engine from what the run wrote. */
import type { BackendSet } from "../../registry/backend-set.ts";
import { storageRegistry } from "../../registry/default-set.ts";
import { fromTypestr } from "../core/dtype.ts";
import { frameReader } from "./blobs/frame-reader.ts";
import { FrameRoots, type FrameRootsOptions } from "./blobs/frame-roots.ts";
import type { FrameReference } from "./encoding/frames.ts";
import type { FramesEncoding } from "./header.ts";
import { pointKindOfEncoding } from "./recording/point-kind.ts";
import { RunValues } from "./recording/run-values.ts";
import type { ColdPoints, OpenFallback } from "./stream-plugin.ts";

/** Where a stream that was recorded says that its points are, as `fallback` in its info. */
export type StreamFallback =
  /** Frames of an array, or of a sequence of files: the reference of any of them, without its index. */
  | FrameReference
  /** Values of events in a file of documents; without a field, their times. */
  | { readonly kind: "documents"; readonly uri: string; readonly stream: string; readonly field?: string };

/**
 * Reads what streams of a `ScanRecorder` have lost to retention: frames from the store that their writer filled, values
 * from the documents of the run. Other streams have no fallback here.
 *
 * @param backends - Stays its owner's. Default: the default set of the registry.
 * @param options - `roots`: reading points elsewhere rejects with `PERMISSION_DENIED`.
 */
export function storedFallback(backends: BackendSet = storageRegistry, options: FrameRootsOptions = {}): OpenFallback {
  const readFrames = frameReader(backends, options);
  const limit = options.roots && new FrameRoots(backends, options.roots);
  const values = new RunValues(backends);
  return ({ info, encoding }): ColdPoints | undefined => {
    const fallback = fallbackOf(info.fallback);
    if (fallback === undefined) return undefined;
    const { uri } = fallback;
    if (fallback.kind === "array" && encoding.type === "frames") {
      const { dtype, shape } = encoding as FramesEncoding;
      const kind = { ...fromTypestr(dtype), shape };
      const read: ColdPoints["read"] = (from, to, options = {}) => {
        const references = Array.from({ length: to - from }, (_, i) => ({ ...fallback, index: from + i }));
        return readFrames(references as FrameReference[], kind, options);
      };
      return { uri, read };
    }
    const kind = pointKindOfEncoding(encoding);
    if (!("stream" in fallback) || kind === undefined) return undefined;
    const { stream, field } = fallback;
    const read: ColdPoints["read"] = async (from, to, options = {}) => {
      await limit?.check(uri);
      const points = await values.read(uri, stream, field, [from, to], options);
      return kind.joined(points.map((value) => kind.take(value).point));
    };
    return { uri, read };
  };
}

function fallbackOf(value: unknown): StreamFallback | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { kind, uri } = value as { kind?: unknown; uri?: unknown };
  const isKnown = (kind === "array" || kind === "documents") && typeof uri === "string";
  return isKnown ? (value as StreamFallback) : undefined;
}
