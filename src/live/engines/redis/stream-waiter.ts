/**
 * Waits for points. What is known of the ends of streams is kept, so that a reader who has read to the end waits at once,
 * without asking how far the stream goes.
 */
import type { Bounds, CallOptions, Entry, Page, WaitOptions } from "../../engine.ts";
import type { BlockingReader, StreamNews } from "./blocking-reader.ts";
import { Deadline } from "./deadline.ts";
import { positionBefore } from "./wire.ts";

/** Asks how far streams go, and for entries from an index on. */
export type Peek = (
  positions: ReadonlyMap<string, number>,
  maxBytes: number,
  options: CallOptions,
) => Promise<ReadonlyMap<string, Page>>;

/** Streams whose ends are kept. */
const KEPT_ENDS = 10_000;
/** Payloads that come with the answer if the caller names no limit. */
const DEFAULT_BYTES = 1 << 20;

/** Waits for points of streams. */
export class StreamWaiter {
  readonly #reader: BlockingReader;
  readonly #peek: Peek;
  /** Ends of open streams as they were last seen. They may have gone on since. */
  readonly #ends = new Map<string, Bounds>();

  constructor(reader: BlockingReader, peek: Peek) {
    this.#reader = reader;
    this.#peek = peek;
  }

  /** See `LiveEngine.wait`. */
  async wait(
    positions: ReadonlyMap<string, number>,
    options: WaitOptions & { readonly maxBytes?: number | undefined },
  ): Promise<ReadonlyMap<string, Page>> {
    const { timeoutMs, signal, maxBytes = DEFAULT_BYTES } = options;
    const deadline = new Deadline(timeoutMs);
    if (timeoutMs === 0) return await this.#look(positions, maxBytes, options);
    for (;;) {
      if (!this.#isAtEnds(positions)) {
        const pages = await this.#look(positions, maxBytes, options);
        if (pages.size > 0) return pages;
        // Another wait has seen points come since: who waited behind them would never be told of them.
        if (this.#isBehindEnd(positions)) continue;
      }
      const places = new Map<string, string>();
      for (const stream of positions.keys()) places.set(stream, positionBefore(this.#ends.get(stream)?.length ?? 0));
      const result = await this.#reader.next(places, { operation: "wait", timeoutMs: deadline.leftMs, signal });
      if (result.kind === "late") return new Map();
      if (result.kind === "lost") for (const stream of positions.keys()) this.#ends.delete(stream);
      else {
        const pages = this.#take(positions, result.news, maxBytes);
        if (pages.size > 0) return pages;
      }
    }
  }

  /** True if, as far as is known, none of the streams has what is waited for. */
  #isAtEnds(positions: ReadonlyMap<string, number>): boolean {
    for (const [stream, index] of positions) {
      const end = this.#ends.get(stream);
      if (end === undefined || end.length > index) return false;
    }
    return true;
  }

  /** True if one of the streams is known to have what is waited for. */
  #isBehindEnd(positions: ReadonlyMap<string, number>): boolean {
    for (const [stream, index] of positions) if ((this.#ends.get(stream)?.length ?? 0) > index) return true;
    return false;
  }

  async #look(
    positions: ReadonlyMap<string, number>,
    maxBytes: number,
    options: CallOptions,
  ): Promise<Map<string, Page>> {
    const pages = new Map<string, Page>();
    for (const [stream, page] of await this.#peek(positions, maxBytes, options)) {
      this.#keep(stream, page.bounds);
      if (isWorth(page.bounds, positions.get(stream) as number)) pages.set(stream, page);
    }
    return pages;
  }

  #take(positions: ReadonlyMap<string, number>, news: StreamNews, maxBytes: number): Map<string, Page> {
    const pages = new Map<string, Page>();
    let left = maxBytes;
    for (const [stream, reply] of news) {
      const index = positions.get(stream) as number;
      const end = this.#ends.get(stream);
      const { entries, sealedAt } = reply.entries;
      const last = entries[entries.length - 1];
      const length = sealedAt ?? (last === undefined ? (end?.length ?? 0) : last.index + last.length);
      const bounds: Bounds = {
        floor: floorOf(end, entries, length),
        length,
        sealed: sealedAt !== undefined,
        durable: end?.durable ?? 0,
      };
      this.#keep(stream, bounds);
      if (!isWorth(bounds, index)) {
        // A full answer with nothing of use: the end is far from what was known.
        if (reply.count >= this.#reader.count) this.#ends.delete(stream);
        continue;
      }
      const fitting: Entry[] = [];
      for (const entry of entries) {
        if (entry.index + entry.length <= index) continue;
        if (left <= 0 || (fitting.length > 0 && entry.payload.length > left)) break;
        fitting.push(entry);
        left -= entry.payload.length;
      }
      pages.set(stream, { entries: fitting, bounds });
    }
    return pages;
  }

  #keep(stream: string, bounds: Bounds): void {
    this.#ends.delete(stream);
    // Of a sealed one there is nothing to wait for.
    if (bounds.sealed) return;
    this.#ends.set(stream, bounds);
    if (this.#ends.size > KEPT_ENDS) this.#ends.delete(this.#ends.keys().next().value as string);
  }
}

/** The oldest index that is there, as far as is known: a first entry after the known end says that those between left. */
function floorOf(end: Bounds | undefined, entries: readonly Entry[], length: number): number {
  const first = entries[0]?.index ?? length;
  if (end === undefined) return first;
  return first > end.length || end.floor === end.length ? first : end.floor;
}

function isWorth({ length, sealed }: Bounds, index: number): boolean {
  return length > index || sealed;
}
