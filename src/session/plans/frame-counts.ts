/** Frames of several sources as they arrive in their stores. */
import type { FrameWriter } from "../../core/frame-writer.ts";

/** Watches the sources of a run until their writers close. */
export class FrameCounts {
  readonly #sources: { written: number; hasEnded: boolean }[] = [];
  readonly #watching: Promise<void>[] = [];
  #wake: () => void = () => {};

  /** Starts to watch one source. */
  watch(writer: FrameWriter, source: string, signal: AbortSignal): void {
    const state = { written: 0, hasEnded: false };
    this.#sources.push(state);
    this.#watching.push(this.#follow(writer.observeIndicesWritten({ name: source, signal }), state));
  }

  /**
   * Resolves when every source has so many frames. One caller at a time.
   *
   * @returns False if they cannot come any more: a writer has closed, or the signal has fired.
   */
  async reached(count: number): Promise<boolean> {
    for (;;) {
      const short = this.#sources.filter(({ written }) => written < count);
      if (short.length === 0) return true;
      if (short.some(({ hasEnded }) => hasEnded)) return false;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Resolves when all watching has ended. Never rejects: failures reach those who write. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#watching);
  }

  async #follow(counts: AsyncIterable<number>, state: { written: number; hasEnded: boolean }): Promise<void> {
    try {
      for await (const written of counts) {
        state.written = written;
        this.#wake();
      }
    } finally {
      state.hasEnded = true;
      this.#wake();
    }
  }
}
