/** How long work on the calling thread may go on. */
import { setImmediate } from "node:timers";

/** Work that is done in place keeps others waiting for so long, in milliseconds. */
const TURN_MS = 2;

/** A limit on what is done on the calling thread between two turns of the event loop. */
export class Turn {
  #began: number | undefined;

  /** True while work may still be done in place; what comes later goes to a thread, until the loop has had its turn. */
  get isOpen(): boolean {
    const now = performance.now();
    if (this.#began === undefined) {
      this.#began = now;
      setImmediate(() => {
        this.#began = undefined;
      });
    }
    return now - this.#began < TURN_MS;
  }

  /** Resolves when work may be done in place again; at once if it may be now. */
  async opened(): Promise<void> {
    while (!this.isOpen) await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
