/** Frames that the memory writers of a session keep, for its readers of live scans. */
import { StorageError } from "../core/errors.ts";
import type { FrameWriter } from "../core/frame-writer.ts";
import { copyInto, type NdArray, zeros } from "../core/nd-array.ts";
import type { FrameReference, ReadFrames } from "../live/index.ts";

/** A writer that keeps frames, as the memory writer does. */
interface KeepingWriter extends FrameWriter {
  frames(name: string, uri?: string): readonly NdArray[];
}

/** Reads frames of `mem:` URIs from the writers that have them, and leaves the others to somebody else. */
export function withMemoryFrames(writers: () => Iterable<FrameWriter>, readOthers: ReadFrames): ReadFrames {
  return async (references, kind, options) => {
    if (!references.every(({ uri }) => /^mem:/i.test(uri))) return readOthers(references, kind, options);
    const kept = [...writers()].filter(keepsFrames);
    if (kept.length === 0) return readOthers(references, kind, options);
    const out = zeros([references.length, ...kind.shape], kind.dtype);
    for (const [i, reference] of references.entries()) {
      copyInto(frameOf(kept, reference), out.data, i * (out.stride[0] as number));
    }
    return out;
  };
}

function keepsFrames(writer: FrameWriter): writer is KeepingWriter {
  return typeof (writer as Partial<KeepingWriter>).frames === "function";
}

function frameOf(writers: readonly KeepingWriter[], { uri, index = 0 }: FrameReference): NdArray {
  const [store = "", source = ""] = uri.split("#");
  for (const writer of writers) {
    const frame = writer.frames(decodeURIComponent(source), store)[index];
    if (frame !== undefined) return frame;
  }
  const message = `Frame ${index} of ${uri} was in the memory of a process, and is there no more`;
  throw new StorageError("NOT_FOUND", message, { operation: "read", identifier: uri });
}
