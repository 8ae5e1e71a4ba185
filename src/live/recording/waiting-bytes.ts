/** How many bytes of points may wait in this process until their engine has them. */
export class WaitingBytes {
  readonly limit: number;
  #used = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Bytes that wait. */
  get used(): number {
    return this.#used;
  }

  /** Takes room; false if there is not enough. */
  take(bytes: number): boolean {
    if (this.#used + bytes > this.limit) return false;
    this.#used += bytes;
    return true;
  }

  /** Gives room back. */
  give(bytes: number): void {
    this.#used -= bytes;
  }
}
