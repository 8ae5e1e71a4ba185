/** Notices what other processes have changed. */
import type { Clock } from "../../../core/clock.ts";

/** Asks the index again and again whether it has changed, as long as somebody waits. */
export class ChangeWatch {
  readonly #version: () => number;
  readonly #onChange: () => void;
  readonly #pollMs: number;
  readonly #clock: Clock;
  #waiting = 0;
  #seen = Number.NaN;
  #cancel: (() => void) | undefined;

  /**
   * @param version - A number that changes with every commit of another connection.
   * @param onChange - Called when it has changed, or cannot be read.
   */
  constructor(version: () => number, onChange: () => void, { pollMs, clock }: { pollMs: number; clock: Clock }) {
    this.#version = version;
    this.#onChange = onChange;
    this.#pollMs = pollMs;
    this.#clock = clock;
  }

  /** Looks while the work goes on. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting++ === 0) this.#seen = this.#versionOrError();
    this.#arm();
    try {
      return await work();
    } finally {
      if (--this.#waiting === 0) this.#cancel?.();
      if (this.#waiting === 0) this.#cancel = undefined;
    }
  }

  #arm(): void {
    this.#cancel ??= this.#clock.after(this.#pollMs, () => {
      this.#cancel = undefined;
      this.#arm();
      this.#look();
    });
  }

  #look(): void {
    const version = this.#versionOrError();
    if (version === this.#seen) return;
    this.#seen = version;
    this.#onChange();
  }

  /** An index that cannot be asked is a change: those who wait look, and are told why it cannot. */
  #versionOrError(): number {
    try {
      return this.#version();
    } catch {
      return Number.NaN;
    }
  }
}
