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
  /** Most events of one page. */
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

/** Yields the events of a range in order, a page at a time; no empty page. Ends where no more are there. */
export async function* readEvents(
  database: CatalogDatabase,
  stream: EventSource,
  { after = Number.MIN_SAFE_INTEGER, upTo = Number.MAX_SAFE_INTEGER, pageRows, signal }: EventRange,
): AsyncGenerator<readonly CatalogEvent[]> {
  for (let last = after; ; ) {
    const rows = await database.all<EventRow>(
      "SELECT uid, seq_num, time, data, timestamps FROM events " +
        "WHERE stream_uid = ? AND seq_num > ? AND seq_num <= ? ORDER BY seq_num LIMIT ?",
      [stream.uid, last, upTo, pageRows],
      { signal },
    );
    if (rows.length > 0) yield rows.map((row) => eventOf(row, stream.name));
    if (rows.length < pageRows) return;
    last = Number(rows.at(-1)?.seq_num);
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
