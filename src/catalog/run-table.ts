/** Tables of a stream: all of it, or page by page. */
import type { OperationOptions } from "../core/byte-store.ts";
import { checkInteger } from "../core/checks.ts";
import type { CatalogDatabase } from "./database.ts";
import { type CatalogEvent, readEvents } from "./event-reader.ts";
import type { CatalogStream } from "./stream-row.ts";
import type { RunTable } from "./table.ts";
import { buildTable, SchemaScan, type TableEvent } from "./table-schema.ts";

/** Options of `CatalogRun.table`. */
export interface TableOptions extends OperationOptions {
  /** The fields to take, in this order. Default: all. */
  readonly fields?: readonly string[] | undefined;
}

/** Options of `CatalogRun.pages`. */
export interface PageOptions extends TableOptions {
  /** Most rows of one page; fewer come of events with long lists. Default 10,000. */
  readonly pageRows?: number | undefined;
}

/** Rows that are asked for at once. */
const READ_ROWS = 10_000;

/** What a table shows of each event. */
export type TableContent = "data" | "timestamps";

/** The table of a stream that is not there: `seq_num` and `time`, and no rows. */
export function emptyTable(stream: string): RunTable {
  return buildTable(stream, [], new SchemaScan({}).schema(stream));
}

/** All events of a stream as one table. */
export async function readTable(
  database: CatalogDatabase,
  stream: CatalogStream,
  content: TableContent,
  { fields, signal }: TableOptions,
): Promise<RunTable> {
  const scan = scanOf(stream, content, fields);
  const events: TableEvent[] = [];
  for await (const page of readEvents(database, stream, { pageRows: READ_ROWS, signal })) {
    for (const event of page) {
      const row = tableEvent(event, content);
      scan.add(row);
      events.push(row);
    }
  }
  return buildTable(stream.name, events, scan.schema(stream.name));
}

/**
 * The events that are there now as tables of a few rows, all with the same columns of the same types; one without rows if
 * there are no events. Reads the events twice, since the last one may still decide what a column is.
 */
export async function* readPages(
  database: CatalogDatabase,
  stream: CatalogStream,
  { fields, pageRows = READ_ROWS, signal }: PageOptions,
): AsyncGenerator<RunTable> {
  checkInteger(pageRows, "pageRows", 1);
  const scan = scanOf(stream, "data", fields);
  let last = 0;
  for await (const page of readEvents(database, stream, { pageRows, signal })) {
    for (const event of page) scan.add(tableEvent(event, "data"));
    last = page.at(-1)?.seqNum ?? last;
  }
  const schema = scan.schema(stream.name);
  let isEmpty = true;
  for await (const page of readEvents(database, stream, { pageRows, upTo: last, signal })) {
    isEmpty = false;
    yield buildTable(
      stream.name,
      page.map((event) => tableEvent(event, "data")),
      schema,
    );
  }
  if (isEmpty) yield buildTable(stream.name, [], schema);
}

function scanOf(stream: CatalogStream, content: TableContent, fields: readonly string[] | undefined): SchemaScan {
  if (content === "data") return new SchemaScan(stream.dataKeys, fields);
  const numbers = Object.entries(stream.dataKeys).map(([name, key]) => {
    return [name, { ...key, dtype: "number", dtype_numpy: "<f8", shape: [], units: "s" }] as const;
  });
  return new SchemaScan(Object.fromEntries(numbers), fields);
}

function tableEvent({ seqNum, time, data, timestamps }: CatalogEvent, content: TableContent): TableEvent {
  return { seqNum, time, values: content === "data" ? data : timestamps };
}
