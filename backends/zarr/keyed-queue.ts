/** Turns: work on the same key runs one after another, work on different keys beside each other. */
export class KeyedQueue {
  /** Tail of the queue of each key; empty whenever nothing is under way. */
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Runs when everything that was asked for before under the same key has ended, well or not. */
  async run<T>(key: string, run: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const turn = before === undefined ? run() : before.then(run, run);
    const tail = turn.catch(() => {});
    this.#tails.set(key, tail);
    try {
      return await turn;
    } finally {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    }
  }
}
