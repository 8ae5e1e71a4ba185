/** Waits for streams, and finds out when nobody writes them any more. */
import { isStorageError } from "../core/errors.ts";
import { deadline } from "./deadline.ts";
import type { CallOptions, LiveEngine, Page, WaitOptions } from "./engine.ts";
import { ScanNotFoundError } from "./errors.ts";

/** How often those who wait look for writers that are gone. */
export const LOST_WRITERS_MS = 5000;

/** What a wait for streams needs to know. */
export interface StreamWaitOptions extends WaitOptions {
  readonly maxBytes?: number | undefined;
  /** Scans that the streams belong to. */
  readonly scans: Iterable<string>;
  /** How often to look for writers that are gone. */
  readonly lostWritersMs: number;
}

/**
 * `engine.wait`, in slices: after each, scans whose writers are gone are closed, which seals their streams.
 *
 * @throws A `StorageError` `NOT_FOUND` if a scan was deleted so long ago that the engine has forgotten it.
 */
export async function waitForStreams(
  engine: LiveEngine,
  positions: ReadonlyMap<string, number>,
  { timeoutMs, signal, maxBytes, scans, lostWritersMs }: StreamWaitOptions,
): Promise<ReadonlyMap<string, Page>> {
  const remaining = deadline(timeoutMs);
  for (;;) {
    const left = remaining() ?? Number.POSITIVE_INFINITY;
    const pages = await engine.wait(positions, { timeoutMs: Math.min(left, lostWritersMs), signal, maxBytes });
    if (pages.size > 0 || left <= lostWritersMs) return pages;
    await closeLostScans(engine, { signal });
    const keys = [...new Set(scans)];
    const states = await engine.getStates(keys, { signal });
    const gone = keys.find((_, i) => states[i] === undefined);
    if (gone !== undefined) throw new ScanNotFoundError(gone, { operation: "wait" });
  }
}

/**
 * Closes scans whose writers are gone, for who waits for them. Who may only look, or comes while nothing can be written,
 * leaves that to others: it is no reason to stop waiting.
 */
export async function closeLostScans(engine: LiveEngine, options: CallOptions): Promise<void> {
  try {
    await engine.closeLost(options);
  } catch (error) {
    if (!isStorageError(error, "PERMISSION_DENIED", "READ_ONLY", "NO_SPACE", "CONFLICT")) throw error;
  }
}
