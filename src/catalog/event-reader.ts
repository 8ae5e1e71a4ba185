/** Events of a stream, page by page: as much memory as a page takes, however long the run. */
import type { OperationOptions } from "../core/byte-store.ts";
import type { CatalogDatabase } from "./database.ts";
import { mergeOrdered } from "./merge-ordered.ts";
import { parseObject } from "./row-json.ts";

/** One event, as it was written. */
export interface CatalogEvent {
  readonly uid: string;
  /** Name of the stream. */
  readonly stream: string;
  /** From 1, in each stream. */
  readonly seqNum: number;
  /** Seconds since 1970-01-01 UTC. */
  readonly time: number;
  /** Values by field. */
  readonly data: Readonly<Record<string, unknown>>;
  /** When each value was taken, by field; seconds since 1970-01-01 UTC. */
  readonly timestamps: Readonly<Record<string, number>>;
}

/** Events of one stream to read. */
export interface EventRange extends OperationOptions {
  /** Only events behind this sequence number. */
  readonly after?: number | undefined;
  /** Only events up to this sequence number, and with it. */
  readonly upTo?: number | undefined;
  /** Most events of one page; there are fewer in one that is long. */
  readonly pageRows: number;
}

interface EventRow {
  readonly uid: string;
  readonly seq_num: number | string;
  readonly time: number | string;
  readonly data: string;
  readonly timestamps: string | null;
}

/** A stream, as far as its events are concerned. */
export interface EventSource {
  readonly uid: string;
  readonly name: string;
}

/** Characters of JSON after which a page ends, however few rows it has; and rows that are read before it is known how long they are. */
const PAGE_LENGTH = 8 * 2 ** 20;
const FIRST_ROWS = 16;

/**
 * Yields the events of a range in order, a page at a time; no empty page. A page has fewer rows than asked for where these
 * are long. Ends where no more are there.
 */
export async function* readEvents(
  database: CatalogDatabase,
  stream: EventSource,
  { after = Number.MIN_SAFE_INTEGER, upTo = Number.MAX_SAFE_INTEGER, pageRows, signal }: EventRange,
): AsyncGenerator<readonly CatalogEvent[]> {
  let last = after;
  let isEnd = false;
  // Mean length of what was read so far. Rows may be a few numbers, or hold spectra.
  let rowLength: number | undefined;
  while (!isEnd) {
    const page: CatalogEvent[] = [];
    let length = 0;
    while (!isEnd && page.length < pageRows && length < PAGE_LENGTH) {
      const fits = rowLength === undefined ? FIRST_ROWS : Math.max(1, Math.floor((PAGE_LENGTH - length) / rowLength));
      const limit = Math.min(pageRows - page.length, fits);
      const rows = await database.all<EventRow>(
        "SELECT uid, seq_num, time, data, timestamps FROM events " +
          "WHERE stream_uid = ? AND seq_num > ? AND seq_num <= ? ORDER BY seq_num LIMIT ?",
        [stream.uid, last, upTo, limit],
        { signal },
      );
      for (const row of rows) {
        length += row.data.length + (row.timestamps?.length ?? 0);
        page.push(eventOf(row, stream.name));
      }
      rowLength = length / Math.max(1, page.length);
      last = page.at(-1)?.seqNum ?? last;
      isEnd = rows.length < limit;
    }
    if (page.length > 0) yield page;
  }
}

/** Yields the events of several streams, ordered by time as far as the events of each are. */
export function mergeEvents(streams: readonly AsyncIterable<readonly CatalogEvent[]>[]): AsyncGenerator<CatalogEvent> {
  return mergeOrdered(streams, ({ time }) => time);
}

function eventOf({ uid, seq_num, time, data, timestamps }: EventRow, stream: string): CatalogEvent {
  const place = `Event ${uid}`;
  return {
    uid,
    stream,
    seqNum: Number(seq_num),
    time: Number(time),
    data: parseObject(data, `${place}, data`),
    timestamps: parseObject(timestamps, `${place}, timestamps`) as Record<string, number>,
  };
}
