/** Keeps what several hold in memory at once below a number of bytes. */
import { checkAborted } from "./checks.ts";

interface Waiter {
  readonly byteLength: number;
  readonly proceed: () => void;
}

/** Gives out room in the order in which it is asked for. What needs more than there is gets all of it, alone. */
export class ByteBudget {
  readonly #limit: number;
  readonly #waiters: Waiter[] = [];
  #used = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes given out. */
  get used(): number {
    return this.#used;
  }

  /**
   * Runs work that holds so many bytes, as soon as there is room.
   *
   * @param work - May say that it holds more than was thought: nobody else gets in until that has room too.
   */
  async run<T>(byteLength: number, work: (holds: (byteLength: number) => void) => Promise<T>): Promise<T> {
    const giveBack = await this.take(byteLength);
    let extra = 0;
    try {
      return await work((actual) => {
        const more = Math.max(0, actual - byteLength - extra);
        this.#used += more;
        extra += more;
      });
    } finally {
      this.#used -= extra;
      giveBack();
    }
  }

  /**
   * Waits for room. Resolves to the function that gives it back, once, or all but so many bytes, as often as these get
   * fewer. Rejects with `ABORTED` when the signal fires.
   *
   * @param wanted - `Infinity` where nobody knows: all of it, alone.
   */
  async take(wanted: number, signal?: AbortSignal): Promise<(kept?: number) => void> {
    checkAborted(signal, {});
    // Infinity that is given back would leave no number.
    const byteLength = Number.isFinite(wanted) ? wanted : this.#limit;
    if (this.#waiters.length > 0 || !this.#fits(byteLength)) await this.#wait(byteLength, signal);
    else this.#used += byteLength;
    let held = byteLength;
    return (kept = 0) => {
      if (kept >= held) return;
      this.#used -= held - kept;
      held = kept;
      this.#admit();
    };
  }

  #wait(byteLength: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        // One behind may fit where this one did not.
        this.#admit();
        try {
          checkAborted(signal, {});
        } catch (error) {
          reject(error);
        }
      };
      const waiter: Waiter = {
        byteLength,
        proceed: () => {
          signal?.removeEventListener("abort", leave);
          resolve();
        },
      };
      this.#waiters.push(waiter);
      signal?.addEventListener("abort", leave, { once: true });
    });
  }

  #fits(byteLength: number): boolean {
    return this.#used === 0 || this.#used + byteLength <= this.#limit;
  }

  #admit(): void {
    for (let next = this.#waiters[0]; next !== undefined; next = this.#waiters[0]) {
      if (!this.#fits(next.byteLength)) return;
      this.#waiters.shift();
      this.#used += next.byteLength;
      next.proceed();
    }
  }
}
