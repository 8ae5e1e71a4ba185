/** The contract of frame writers, as checks that any test runner can run. */
import type { FrameWriter } from "../core/frame-writer.ts";
import type { NdArray } from "../core/nd-array.ts";
import { declareKit, type KitSetup, type Runner } from "./kit.ts";
import { writerDocumentChecks } from "./writer-kit-documents.ts";
import { writerFrameChecks } from "./writer-kit-frames.ts";
import { writerLifeChecks } from "./writer-kit-life.ts";
import { writerMetadataChecks } from "./writer-kit-metadata.ts";

/** A writer under test, and the side door to what it stored. */
export interface WriterSubject {
  /** Fresh: no sources, no location. */
  readonly writer: FrameWriter;
  /** A URI that nothing was stored under, for `setUri`; another one each time. */
  newUri(): string;
  /**
   * The frames of a source in a closed store, read around the writer.
   *
   * @param storeUri - What `writer.storeUri` said while it was open.
   */
  readFrames(storeUri: string, source: string): Promise<readonly NdArray[]>;
  /** The metadata of a store, read around the writer. */
  readMetadata(storeUri: string): Promise<Readonly<Record<string, unknown>>>;
  /** Makes the storing of the next frame fail, once. Absent: the checks of failures do not apply. */
  failNextFrame?(): void;
}

/** Options of {@link writerConformance}. */
export interface WriterKitOptions extends KitSetup<WriterSubject> {
  /** The subject has `failNextFrame`. Default `false`. */
  readonly canFail?: boolean | undefined;
}

/**
 * Declares the checks of a frame writer: its life, its frames, its documents, its metadata. Frames are `uint16` of 6 × 8
 * pixels and `uint8` of 4 × 4, a few of each.
 *
 * @example
 * ```ts
 * import { describe, test } from "vitest";
 * writerConformance({ describe, test }, "tape", { make: async () => new TapeSubject() });
 * ```
 */
export function writerConformance(runner: Runner, title: string, options: WriterKitOptions): void {
  const failure = options.canFail ? undefined : "canFail is not set: the subject has no failNextFrame";
  declareKit(runner, `${title} keeps the contract of frame writers`, options, [
    { name: "life", checks: writerLifeChecks },
    { name: "frames", checks: writerFrameChecks.filter((check) => !check.needsFailure) },
    { name: "failing frames", gate: failure, checks: writerFrameChecks.filter((check) => check.needsFailure) },
    { name: "documents", checks: writerDocumentChecks },
    { name: "metadata", checks: writerMetadataChecks },
  ]);
}
