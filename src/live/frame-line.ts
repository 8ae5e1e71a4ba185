/** Frames that wait to be stored before the event that refers to them. */

/** Frames of one call. */
export interface FramesInLine {
  readonly length: number;
  readonly bytes: number;
  /** Tells who sent them. */
  readonly settle: (error?: unknown) => void;
}

/** The line of one stream, in the order of the calls. */
export class FrameLine {
  /** Those whose turn has not come. */
  readonly #waiting: FramesInLine[] = [];
  #bytes = 0;

  /** Bytes of all, those included that are being stored. */
  get bytes(): number {
    return this.#bytes;
  }

  join(frames: FramesInLine): void {
    this.#waiting.push(frames);
    this.#bytes += frames.bytes;
  }

  /** Their turn has come; false if they were dropped before. */
  begin(frames: FramesInLine): boolean {
    if (this.#waiting[0] !== frames) return false;
    this.#waiting.shift();
    return true;
  }

  /** They are stored, or could not be. */
  leave(frames: FramesInLine): void {
    this.#bytes -= frames.bytes;
  }

  /** Takes out those that have waited longest; `undefined` if none waits. */
  dropOldest(): FramesInLine | undefined {
    const oldest = this.#waiting.shift();
    if (oldest !== undefined) this.#bytes -= oldest.bytes;
    return oldest;
  }
}
