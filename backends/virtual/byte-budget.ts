/** A number of bytes that several may hold together. */

/** Lets holders in, first come first served, while their bytes fit. */
export class ByteBudget {
  readonly #limit: number;
  readonly #waiting: { readonly bytes: number; readonly enter: () => void }[] = [];
  #held = 0;

  /** @param limit - Bytes. One who asks for more than that is let in alone. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Runs something that holds this many bytes while it runs, once there is room.
   *
   * @param run - May say that it holds more than was thought: nobody else gets in until that has room too.
   */
  async hold<T>(bytes: number, run: (actual: (bytes: number) => void) => Promise<T>): Promise<T> {
    if (this.#waiting.length > 0 || !this.#fits(bytes)) {
      await new Promise<void>((enter) => this.#waiting.push({ bytes, enter }));
    } else {
      this.#held += bytes;
    }
    let held = bytes;
    const actual = (more: number) => {
      this.#held += Math.max(more - held, 0);
      held = Math.max(more, held);
    };
    try {
      return await run(actual);
    } finally {
      this.#held -= held;
      this.#letIn();
    }
  }

  #fits(bytes: number): boolean {
    return this.#held === 0 || this.#held + bytes <= this.#limit;
  }

  #letIn(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#held += next.bytes;
      next.enter();
    }
  }
}
