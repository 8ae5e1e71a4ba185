/** Frames by reference that several readers of one process look at: each is read once. */
import { byteLengthOf, type NdArray } from "../../core/nd-array.ts";
import { SingleFlight } from "../../core/single-flight.ts";
import type { ReadFrames } from "../encoding/frames.ts";

/** Options of {@link sharedFrames}. */
export interface SharedFramesOptions {
  /** Bytes of frames that are kept for readers who come later; the one that was used longest ago goes first. Default 128 MiB. */
  readonly maxBytes?: number | undefined;
}

/**
 * Lets readers of a process share the frames that they read one by one: ten who follow a camera cost one, which is what a
 * server for many viewers wants. Several frames that are asked for in one piece are read for whoever asks, as before.
 *
 * @param read - What reads them, such as `frameReader(backends)`.
 * @returns Arrays that are **not the caller's**: others look at the same memory, so nobody may write into it. A reader
 * that stops waiting does not stop the others. Rejects as `read`; what failed is tried again by the next who asks.
 *
 * @example
 * ```ts
 * await using store = await openLive("live", { readFrames: sharedFrames(frameReader()) });
 * ```
 */
export function sharedFrames(read: ReadFrames, { maxBytes = 128 * 2 ** 20 }: SharedFramesOptions = {}): ReadFrames {
  const flights = new SingleFlight<NdArray>();
  const recent = new RecentFrames(maxBytes);
  return async (references, kind, options) => {
    const [only] = references;
    if (only === undefined || references.length > 1) return await read(references, kind, options);
    const name = JSON.stringify([only, kind]);
    const known = recent.get(name);
    if (known !== undefined) return known;
    const context = { operation: "readFrames", identifier: only.uri };
    return await flights.run(name, options.signal, context, async (signal) => {
      const frame = await read(references, kind, { ...options, signal });
      recent.put(name, frame);
      return frame;
    });
  };
}

/** Frames by name, with a bound in bytes. */
class RecentFrames {
  readonly #maxBytes: number;
  /** From the one that was used longest ago. */
  readonly #frames = new Map<string, NdArray>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get(name: string): NdArray | undefined {
    const frame = this.#frames.get(name);
    if (frame !== undefined) {
      this.#frames.delete(name);
      this.#frames.set(name, frame);
    }
    return frame;
  }

  put(name: string, frame: NdArray): void {
    const bytes = byteLengthOf(frame);
    if (bytes > this.#maxBytes || this.#frames.has(name)) return;
    this.#frames.set(name, frame);
    this.#bytes += bytes;
    for (const [oldest, { shape, dtype }] of this.#frames) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#frames.delete(oldest);
      this.#bytes -= byteLengthOf({ shape, dtype });
    }
  }
}
