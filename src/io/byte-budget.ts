/** Keeps what several hold in memory at once below a number of bytes. */

/** Lets work begin in the order in which it came, as long as there is room for it; what needs more than all, alone. */
export class ByteBudget {
  readonly #limit: number;
  #used = 0;
  readonly #waiting: { readonly byteLength: number; readonly begin: () => void }[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Runs work that holds so many bytes. */
  async run<T>(byteLength: number, work: () => Promise<T>): Promise<T> {
    await new Promise<void>((begin) => {
      this.#waiting.push({ byteLength, begin });
      this.#admit();
    });
    try {
      return await work();
    } finally {
      this.#used -= byteLength;
      this.#admit();
    }
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#used > 0 && this.#used + next.byteLength > this.#limit) return;
      this.#waiting.shift();
      this.#used += next.byteLength;
      next.begin();
    }
  }
}
