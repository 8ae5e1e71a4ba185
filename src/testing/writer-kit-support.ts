/** What the groups of the writer kit share. */
import type { FrameSink, FrameWriter } from "../core/frame-writer.ts";
import { arraysEqual, type NdArray, ndArray } from "../core/nd-array.ts";
import { check, checkEqual } from "./assertions.ts";
import type { WriterSubject } from "./writer-kit.ts";

/** A camera-like frame, different for every number. */
export function cameraFrame(n: number): NdArray {
  return ndArray(
    Uint16Array.from({ length: 48 }, (_, i) => n * 1000 + i),
    [6, 8],
  );
}

/** A frame of the second, smaller source. */
export function detectorFrame(n: number): NdArray {
  return ndArray(
    Uint8Array.from({ length: 16 }, (_, i) => (n * 31 + i) % 256),
    [4, 4],
  );
}

/** Registers `cam` and `det`. */
export function registerBoth(writer: FrameWriter): void {
  writer.updateSource("cam", "uint16", [6, 8]);
  writer.updateSource("det", "uint8", [4, 4]);
}

/** An open writer with a sink for each source. */
export interface OpenPair {
  readonly cam: FrameSink;
  readonly det: FrameSink;
  /** Where the store is. */
  readonly uri: string;
}

/** Registers, prepares and opens both sources at a new URI. */
export async function openBoth(subject: WriterSubject, capacity = 0): Promise<OpenPair> {
  const { writer } = subject;
  registerBoth(writer);
  writer.setUri(subject.newUri());
  const cam = await writer.prepare("cam", capacity);
  const det = await writer.prepare("det");
  await writer.kickoff();
  return { cam, det, uri: storeUriOf(writer) };
}

/** The location of a writer that has opened. */
export function storeUriOf(writer: FrameWriter): string {
  check(writer.storeUri !== undefined, "An open writer has a storeUri");
  return writer.storeUri;
}

/** Reads a source around the writer and compares it, frame by frame. */
export async function checkStored(
  subject: WriterSubject,
  uri: string,
  source: string,
  expected: readonly NdArray[],
): Promise<void> {
  const stored = await subject.readFrames(uri, source);
  checkEqual(stored.length, expected.length, `Frames of ${source} in ${uri}`);
  expected.forEach((frame, index) => {
    check(arraysEqual(stored[index] as NdArray, frame), `Frame ${index} of ${source} is not what was written`);
  });
}

/**
 * Waits until a source has so many events that are announced: a writer may store frames after it has taken them. Ends, too,
 * when the writer closes.
 *
 * @throws A `StorageError` `TIMED_OUT` if nothing comes for ten seconds.
 */
export async function untilAnnounced(writer: FrameWriter, name: string, events: number): Promise<void> {
  for await (const count of writer.observeIndicesWritten({ name, timeoutMs: 10_000 })) if (count >= events) return;
}
