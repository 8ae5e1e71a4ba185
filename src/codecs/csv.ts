/** Tables as CSV. */
import { describe } from "../core/checks.ts";
import type { Codec, CodecContext } from "./codec.ts";
import { checkCodecOptions, corrupt, invalidData } from "./codec-options.ts";
import { decodeText, encodeText } from "./text.ts";

/** A value in a table. */
export type Cell = string | number | bigint | boolean;

/** What the cells of a column are. */
export type CellType = "string" | "number" | "bigint" | "boolean";

/** Options of the `csv` codec, the same for saving and loading. */
export interface CsvOptions {
  /**
   * `true`: the first line names the columns, and a table is a list of records with the same keys. `false`: no such
   * line, and a table is a list of rows of the same length. Default `true`.
   */
  readonly header?: boolean | undefined;
  /**
   * Types of the columns, by name (by index without a header), or one for all. Columns without one are strings: CSV
   * does not say what was a number, and guessing would turn the name `"007"` into 7. A save checks them.
   */
  readonly types?: CellType | Readonly<Record<string, CellType>> | undefined;
}

const cellTypes: readonly CellType[] = ["string", "number", "bigint", "boolean"];

/**
 * CSV by RFC 4180 in UTF-8. A table of strings that is saved with some options and loaded with the same ones comes
 * back equal; so do numbers (NaN and −0 too), bigints and booleans where `types` names them. A table without rows loads
 * as `[]`. `null` and `undefined` are refused: a CSV cannot tell them from the empty text.
 *
 * Read: comma-separated, any line ends, a byte order mark is skipped.
 *
 * @see RFC 4180
 */
export const csvCodec: Codec = {
  name: "csv",
  suffixes: [".csv"],
  mimeTypes: ["text/csv"],
  async encode(value, context) {
    const options = checkCsvOptions(context);
    const rows = toRows(value, options, context);
    const { stringify } = await import("csv-stringify/sync");
    const text = stringify(rows, {
      record_delimiter: "\r\n",
      // Quotes what a reader could take for a line end, a byte order mark or an empty line.
      quoted_match: /[\r\n\ufeff]/,
      quoted_empty: true,
    });
    return encodeText(text, context);
  },
  async decode(bytes, context) {
    const options = checkCsvOptions(context);
    const { parse } = await import("csv-parse/sync");
    const text = decodeText(bytes, context, true);
    let rows: string[][];
    try {
      rows = parse(text, { bom: true, record_delimiter: ["\r\n", "\n", "\r"] });
    } catch (error) {
      throw corrupt(context, `not a table: ${(error as Error).message}`, error);
    }
    return fromRows(rows, options, context);
  },
};

type ColumnTypes = (column: string) => CellType;

function toRows(value: unknown, options: CsvOptions, context: CodecContext): string[][] {
  const form = options.header === false ? "rows, [[…], …], with header: false" : "records, [{…}, …]";
  if (!Array.isArray(value)) {
    throw invalidData(context, `CSV keeps a list of ${form}; got ${describe(value)}. Text can go with format: "text"`);
  }
  const columns = value.length > 0 ? columnsOf(value[0], options, context) : [];
  const typeOf = columnTypes(options);
  const rows = value.map((row: unknown, index) => {
    const own = columnsOf(row, options, context);
    if (own.length !== columns.length || !columns.every((column) => Object.hasOwn(row as object, column))) {
      throw invalidData(context, `row ${index} has the columns ${own.join(", ")}; the first has ${columns.join(", ")}`);
    }
    return columns.map((column) => {
      const cell = (row as Record<string, unknown>)[column];
      return formatCell(cell, typeOf(column), `row ${index}, column ${column}`, options, context);
    });
  });
  return options.header === false || columns.length === 0 ? rows : [columns, ...rows];
}

function columnsOf(row: unknown, options: CsvOptions, context: CodecContext): string[] {
  const isRow = Array.isArray(row);
  if (typeof row !== "object" || row === null || isRow !== (options.header === false)) {
    const hint = isRow ? "pass codecOptions: { header: false } to save and load" : "a table is a list of records";
    throw invalidData(context, `a row of the table is ${isRow ? "a list" : describe(row)}; ${hint}`);
  }
  const columns = isRow ? Array.from(row, (_, index) => String(index)) : Object.keys(row);
  if (columns.length === 0) throw invalidData(context, "a row of the table has no columns");
  return columns;
}

function formatCell(cell: unknown, type: CellType, place: string, options: CsvOptions, context: CodecContext): string {
  if (!(cellTypes as readonly string[]).includes(typeof cell)) {
    throw invalidData(context, `CSV cannot keep ${describe(cell)} (${place}); it keeps text, numbers and booleans`);
  }
  if (options.types !== undefined && typeof cell !== type) {
    throw invalidData(context, `${describe(cell)} where types say ${type} (${place})`);
  }
  return Object.is(cell, -0) ? "-0" : String(cell);
}

function fromRows(rows: readonly string[][], options: CsvOptions, context: CodecContext): unknown {
  const typeOf = columnTypes(options);
  const parse = (text: string, column: string, row: number) =>
    parseCell(text, typeOf(column), `row ${row}, column ${column}`, context);
  if (options.header === false) {
    return rows.map((cells, row) => cells.map((text, column) => parse(text, String(column), row)));
  }
  const [columns = [], ...body] = rows;
  const twice = columns.find((column, index) => columns.indexOf(column) !== index);
  if (twice !== undefined) {
    throw corrupt(context, `two columns are named "${twice}"; load it with codecOptions: { header: false }`);
  }
  return body.map((cells, row) =>
    Object.fromEntries(columns.map((column, i) => [column, parse(cells[i] as string, column, row)])),
  );
}

function parseCell(text: string, type: CellType, place: string, context: CodecContext): Cell {
  if (type === "string") return text;
  if (type === "boolean" && (text === "true" || text === "false")) return text === "true";
  if (type === "bigint" && /^[+-]?\d+$/.test(text)) return BigInt(text);
  if (type === "number" && (text === "NaN" || (text.trim() !== "" && !Number.isNaN(Number(text))))) return Number(text);
  throw invalidData(context, `"${text}" is no ${type} (${place})`);
}

function columnTypes({ types }: CsvOptions): ColumnTypes {
  if (types === undefined) return () => "string";
  if (typeof types === "string") return () => types;
  return (column) => (Object.hasOwn(types, column) ? (types[column] as CellType) : "string");
}

function checkCsvOptions(context: CodecContext): CsvOptions {
  checkCodecOptions("csv", context, ["header", "types"]);
  const { header, types } = context.options;
  if (header !== undefined && typeof header !== "boolean") {
    throw invalidData(context, `CSV option header is true or false, not ${describe(header)}`);
  }
  const named = typeof types === "object" && types !== null ? Object.values(types) : [types ?? "string"];
  const unknown = named.find((type) => !(cellTypes as readonly unknown[]).includes(type));
  if (unknown !== undefined) {
    throw invalidData(context, `CSV types are ${cellTypes.join(", ")}, not ${String(unknown)}`);
  }
  return context.options as CsvOptions;
}
