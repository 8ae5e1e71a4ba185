import { checkTimeout } from "../../deadline.ts";

/** The moment at which a call stops waiting, by a clock that nobody sets. */
export class Deadline {
  readonly #end: number | undefined;

  /** @param timeoutMs - Left out: never. */
  constructor(timeoutMs: number | undefined) {
    checkTimeout(timeoutMs);
    this.#end = timeoutMs === undefined ? undefined : performance.now() + timeoutMs;
  }

  get isOver(): boolean {
    return this.#end !== undefined && performance.now() >= this.#end;
  }

  /** Milliseconds that are left, at least 0; `undefined`: without end. */
  get leftMs(): number | undefined {
    return this.#end === undefined ? undefined : Math.max(0, this.#end - performance.now());
  }

  /** What is left, or the given time if that is over sooner. */
  sooner(ms: number | undefined): number | undefined {
    const left = this.leftMs;
    if (left === undefined || ms === undefined) return left ?? ms;
    return Math.min(left, ms);
  }
}
