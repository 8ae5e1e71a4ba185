/** Follows many streams at once, of one store or of several. */
import { isStorageError } from "../core/errors.ts";
import type { Cursor, ReadOptions } from "./cursor.ts";
import { deadline } from "./deadline.ts";
import type { LiveEngine, Page } from "./engine.ts";
import { EndOfStreamError } from "./errors.ts";
import type { Stream } from "./stream.ts";
import { waitForStreams } from "./stream-wait.ts";
import type { View } from "./view-of-points.ts";

/** What a read of a group gives: the streams that have news. */
export type GroupViews = ReadonlyMap<Stream, View>;

/** Cursors that are read together. Streams that have ended leave the group by themselves. */
export class CursorGroup {
  readonly #open: Set<Cursor>;
  #lost: unknown;

  /** @param cursors - One for each stream; they are the group's from now on. */
  constructor(cursors: Iterable<Cursor>) {
    this.#open = new Set(cursors);
  }

  /** Streams that have not ended. */
  get size(): number {
    return this.#open.size;
  }

  /**
   * Resolves as soon as one stream has points, with all that have some then.
   *
   * @param options - `maxItems` and `maxBytes` are of each stream.
   * @returns Empty when the time is over.
   * @throws A `StorageError`: once all streams were read to their end, `END_OF_STREAM`, or `WRITER_LOST` if the writer of
   * one went away.
   */
  async read(options: ReadOptions = {}): Promise<GroupViews> {
    const remaining = deadline(options.timeoutMs);
    for (;;) {
      if (this.#open.size === 0) throw this.#lost ?? new EndOfStreamError("Every stream of the group");
      const pages = await this.#wait({ ...options, timeoutMs: remaining() });
      const views = await this.#take(pages, options);
      // Streams that only ended are no news while others go on.
      if (views.size > 0 || pages.size === 0) return views;
    }
  }

  /** Views of all streams, until all have ended. */
  async *[Symbol.asyncIterator](): AsyncGenerator<GroupViews> {
    for (;;) {
      try {
        yield await this.read();
      } catch (error) {
        if (isStorageError(error, "END_OF_STREAM")) return;
        throw error;
      }
    }
  }

  async #take(pages: ReadonlyMap<Cursor, Page>, options: ReadOptions): Promise<Map<Stream, View>> {
    const views = new Map<Stream, View>();
    for (const [cursor, page] of pages) {
      try {
        views.set(cursor.stream, await cursor.take(page, options));
      } catch (error) {
        if (!isStorageError(error, "END_OF_STREAM", "WRITER_LOST")) throw error;
        if (error.code === "WRITER_LOST") this.#lost ??= error;
        this.#open.delete(cursor);
      }
    }
    return views;
  }

  /** One wait for each engine; the first that has something ends the others. */
  async #wait(options: ReadOptions): Promise<Map<Cursor, Page>> {
    const engines = new Map<LiveEngine, Cursor[]>();
    for (const cursor of this.#open) {
      engines.set(cursor.stream.engine, [...(engines.get(cursor.stream.engine) ?? []), cursor]);
    }
    const others = new AbortController();
    const { signal } = options;
    // Not AbortSignal.any: what is added to a signal that lives on is taken from it again, read after read.
    const onAbort = () => others.abort(signal?.reason);
    if (signal?.aborted) onAbort();
    else signal?.addEventListener("abort", onAbort);
    const found = new Map<Cursor, Page>();
    const waits = [...engines].map(async ([engine, cursors]) => {
      try {
        for (const [cursor, page] of await waitOn(engine, cursors, { ...options, signal: others.signal }))
          found.set(cursor, page);
        if (found.size > 0) others.abort();
      } catch (error) {
        if (!(others.signal.aborted && isStorageError(error, "ABORTED")) || signal?.aborted) {
          others.abort();
          throw error;
        }
      }
    });
    const results = await Promise.allSettled(waits);
    signal?.removeEventListener("abort", onAbort);
    for (const result of results) if (result.status === "rejected") throw result.reason;
    return found;
  }
}

async function waitOn(
  engine: LiveEngine,
  cursors: readonly Cursor[],
  options: ReadOptions,
): Promise<Map<Cursor, Page>> {
  // Two cursors of one stream: the earlier one's place is what the stream is awaited at.
  const positions = new Map<string, number>();
  for (const { stream, position } of cursors) {
    positions.set(stream.key, Math.min(position, positions.get(stream.key) ?? position));
  }
  const pages = await waitForStreams(engine, positions, {
    ...options,
    scans: cursors.map(({ stream }) => stream.scan),
    lostWritersMs: Math.min(...cursors.map(({ stream }) => stream.lostWritersMs)),
  });
  const found = new Map<Cursor, Page>();
  for (const cursor of cursors) {
    const page = pages.get(cursor.stream.key);
    const hasNews = page !== undefined && (page.bounds.length > cursor.position || page.bounds.sealed);
    if (hasNews) found.set(cursor, { ...page, entries: [] });
  }
  return found;
}
