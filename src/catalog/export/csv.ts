/** Tables as CSV. */
import type { RunTable } from "../table.ts";
import { plainJson } from "./plain-json.ts";

/**
 * Writes pages of a table as CSV by RFC 4180, in UTF-8: a line of names, then a line for each event. A missing value is
 * an empty field, an empty text is `""`. Numbers read back the same, with `NaN` and `Infinity`; lists and objects are
 * JSON.
 *
 * @param pages - At least one, all with the same columns.
 */
export async function* csvOf(pages: AsyncIterable<RunTable>): AsyncGenerator<Uint8Array> {
  const { stringify } = await import("csv-stringify/sync");
  const encoder = new TextEncoder();
  const write = (rows: readonly unknown[][]) =>
    encoder.encode(stringify(rows as unknown[][], { record_delimiter: "\r\n", cast: { string: quoted } }));
  let isFirst = true;
  for await (const page of pages) {
    if (isFirst) yield write([page.names]);
    isFirst = false;
    if (page.length > 0) yield write(page.rows().map((row) => Object.values(row).map(cell)));
  }
}

/** Quotes what a reader would otherwise take for a missing value or for the end of the line. */
function quoted(
  value: string,
): string | { readonly value: string; readonly quoted: true; readonly quoted_empty: true } {
  return value === "" || /[\r\n\ufeff]/.test(value) ? { value, quoted: true, quoted_empty: true } : value;
}

function cell(value: unknown): unknown {
  if (value === null || typeof value === "string") return value;
  if (typeof value === "object") return plainJson(value);
  return Object.is(value, -0) ? "-0" : String(value);
}
