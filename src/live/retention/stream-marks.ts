/** How long a stream was, when: what an engine does not keep, and age is told by. */

/** Marks that a stream has at most. Each costs two numbers. */
const MOST_MARKS = 64;

/**
 * Lengths of one stream with the times at which they were seen. A point counts as written when it was first seen, and
 * where a mark was given up to keep their number down, as written with the next one: never as older than it is.
 */
export class StreamMarks {
  /** Points below it have left, as far as is known. */
  floor = 0;
  #length = 0;
  readonly #times: number[] = [];
  readonly #lengths: number[] = [];

  /** Notes how long the stream is now; true if it has grown since the last time. */
  note(now: number, length: number, floor: number): boolean {
    this.floor = floor;
    const isLonger = length > this.#length;
    if (isLonger) {
      this.#length = length;
      this.#times.push(now);
      this.#lengths.push(length);
    }
    this.#forget();
    return isLonger;
  }

  /** Points that had been written by then. */
  lengthAt(time: number): number {
    const after = this.#times.findIndex((marked) => marked > time);
    return this.#lengths[(after < 0 ? this.#times.length : after) - 1] ?? 0;
  }

  /** When the oldest point that is there was written; `undefined` if none is. */
  get oldest(): number | undefined {
    return this.#times[this.#lengths.findIndex((length) => length > this.floor)];
  }

  /** Marks of points that have left say nothing more; of too many others the one goes whose neighbours are nearest. */
  #forget(): void {
    const left = this.#lengths.findIndex((length) => length > this.floor);
    const first = left < 0 ? this.#lengths.length : left;
    if (first > 0) this.#remove(0, first);
    if (this.#lengths.length > MOST_MARKS) this.#remove(this.#mostCrowded(), 1);
  }

  #mostCrowded(): number {
    const gap = (i: number) => (this.#times[i + 1] as number) - (this.#times[i - 1] as number);
    let best = 1;
    for (let i = 2; i < this.#times.length - 1; i++) if (gap(i) < gap(best)) best = i;
    return best;
  }

  #remove(from: number, count: number): void {
    this.#times.splice(from, count);
    this.#lengths.splice(from, count);
  }
}
