/** Tells whether several connections would bring a value sooner than one. */

/** After so many bytes it is told first, and then whenever twice as many have come. */
const SAMPLE_BYTES = 4 << 20;

/** More than one connection of a large service carries (50 to 100 MB/s): several would gain nothing. */
const FAST_BYTES_PER_MS = (100 << 20) / 1000;

/**
 * Watches one connection. It is slow if its bytes come slowly while this process has little else to do: a busy process
 * would not read several connections any faster.
 */
export class LinkSpeed {
  readonly #begin = performance.now();
  readonly #work = performance.eventLoopUtilization();
  readonly #always: boolean;
  #judgeAt = SAMPLE_BYTES;

  /** @param onlySlow - `false`: every connection counts as slow. */
  constructor(onlySlow: boolean) {
    this.#always = !onlySlow;
  }

  /**
   * @param count - Bytes that came.
   * @param elsewhereMs - Time in which nobody waited for them.
   */
  isSlow(count: number, elsewhereMs = 0): boolean {
    if (this.#always) return true;
    if (count < this.#judgeAt) return false;
    this.#judgeAt = 2 * count;
    const waitedMs = performance.now() - this.#begin - elsewhereMs;
    const isIdle = performance.eventLoopUtilization(this.#work).utilization < 0.5;
    return isIdle && count < FAST_BYTES_PER_MS * waitedMs;
  }
}
