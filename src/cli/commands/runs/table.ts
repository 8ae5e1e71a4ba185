/** `sluice runs table` */
import type { RunTable, TableRow } from "../../../catalog/index.ts";
import { StorageError } from "../../../core/errors.ts";
import type { CommandContext } from "../../command-line.ts";
import { formatTable } from "../../format.ts";
import { type CatalogOptions, OpenCatalog } from "../../open-catalog.ts";
import { cellText } from "../../run-format.ts";

/** Options of `sluice runs table`. */
export interface PrintTableOptions extends CatalogOptions {
  readonly stream: string;
  readonly field?: readonly string[] | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** Prints a page of the events of a stream, one a row. A cursor is the number of the rows before it. */
export async function printTable(
  uid: string,
  options: PrintTableOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  const { stream, field: fields, limit, cursor } = options;
  const skipped = cursor === undefined ? 0 : rowsBefore(cursor);
  await using open = await OpenCatalog.open(options, terminal);
  const run = await open.run(uid, signal);
  const known = (await run.streams({ signal })).find(({ name }) => name === stream);
  if (known === undefined) {
    const names = (await run.streams({ signal })).map(({ name }) => name).join(", ") || "none";
    const message = `Run ${run.uid} has no stream "${stream}". It has: ${names}`;
    throw new StorageError("NOT_FOUND", message, { operation: "table", identifier: stream });
  }
  const { names, rows, hasMore } = await readRows(
    run.pages(stream, { fields, pageRows: limit, signal }),
    skipped,
    limit,
  );
  const next = hasMore ? String(skipped + rows.length) : undefined;
  terminal.print(
    { run: run.uid, stream, columns: names, rows, cursor: next ?? null },
    rows.length === 0 ? [] : formatTable([names, ...rows.map((row) => names.map((name) => cellText(name, row[name])))]),
  );
  if (rows.length === 0) terminal.say("No event");
  if (next !== undefined && !terminal.json) terminal.say(`More: --cursor ${next}`);
  return undefined;
}

async function readRows(
  pages: AsyncIterable<RunTable>,
  skipped: number,
  limit: number,
): Promise<{ names: string[]; rows: TableRow[]; hasMore: boolean }> {
  const rows: TableRow[] = [];
  let names: string[] = [];
  let before = 0;
  for await (const page of pages) {
    names = page.names;
    for (let i = Math.max(0, skipped - before); i < page.length; i++) {
      if (rows.length === limit) return { names, rows, hasMore: true };
      rows.push(page.row(i));
    }
    before += page.length;
  }
  return { names, rows, hasMore: false };
}

function rowsBefore(cursor: string): number {
  if (/^\d{1,15}$/.test(cursor)) return Number(cursor);
  throw new StorageError("INVALID_DATA", `"${cursor}" is no cursor of a table`, { operation: "table" });
}
