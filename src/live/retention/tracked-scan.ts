/** What is remembered of a scan from one pass to the next: a few numbers, nothing that it holds. */
import type { Bounds } from "../engine.ts";
import type { ScanHeader } from "../header.ts";
import { scanStates } from "../scan-state.ts";
import { StreamMarks } from "./stream-marks.ts";

/** A scan that retention follows. */
export class TrackedScan {
  readonly key: string;
  /** By key of the stream, those that may have points. */
  readonly streams = new Map<string, StreamMarks>();
  /** When something was last seen to happen. */
  activeAt: number;
  /** When it became CLOSED; `undefined` while it is open. */
  closedAt: number | undefined;
  /** Nothing is to be done about it before; `Infinity`: only when the store is full. */
  nextLook = Number.NEGATIVE_INFINITY;
  /** It will go by itself. */
  isLeaving = false;
  #revision = -1;

  constructor(key: string, now: number) {
    this.key = key;
    this.activeAt = now;
  }

  /** Takes over what changed in its header. */
  noteHeader(header: ScanHeader, now: number): void {
    if (header.revision !== this.#revision) this.activeAt = now;
    this.#revision = header.revision;
    if (header.state === scanStates.CLOSED) this.closedAt = now - (header.closedForMs ?? 0);
    for (const { key } of Object.values(header.streams)) {
      if (!this.streams.has(key)) this.streams.set(key, new StreamMarks());
    }
  }

  /** Takes over how far one of its streams goes. */
  noteBounds(stream: string, bounds: Bounds, now: number): void {
    if (this.streams.get(stream)?.note(now, bounds.length, bounds.floor)) this.activeAt = now;
  }

  /** Points of a stream that had been written by then. Of a scan that was closed by then, all. */
  lengthAt(marks: StreamMarks, time: number): number {
    return this.closedAt !== undefined && this.closedAt <= time ? Number.POSITIVE_INFINITY : marks.lengthAt(time);
  }

  /** When the oldest point was written that is there, as far as is known; `undefined` if there is none. */
  get oldest(): number | undefined {
    let oldest: number | undefined;
    for (const marks of this.streams.values()) {
      const time = marks.oldest;
      if (time !== undefined && (oldest === undefined || time < oldest)) oldest = time;
    }
    return oldest === undefined || this.closedAt === undefined ? oldest : Math.min(oldest, this.closedAt);
  }
}
