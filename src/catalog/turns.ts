/** Turns on one connection: transactions come one after another, and what reads waits for them. */
export class Turns {
  #last: Promise<void> | undefined;

  /**
   * Settles when everything has ended that has a turn now, or waits for one; `undefined` when nobody does. Ask again after
   * waiting, and act without another wait: the next turn may begin at any.
   */
  get taken(): Promise<void> | undefined {
    return this.#last;
  }

  /** Runs when everything that was asked for before has ended, well or not. */
  take<T>(run: () => Promise<T>): Promise<T> {
    const mine = (this.#last ?? Promise.resolve()).then(run);
    const end = () => {
      if (this.#last === turn) this.#last = undefined;
    };
    const turn: Promise<void> = mine.then(end, end);
    this.#last = turn;
    return mine;
  }
}
