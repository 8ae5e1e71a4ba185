/** Events of one stream as a table. */
import { StorageError } from "../core/errors.ts";
import { type Column, cellOf } from "./table-column.ts";

/** A row by column name; `null` where a value is missing. */
export type TableRow = Record<string, unknown>;

/**
 * Events of one stream, one a row, in the order of their sequence numbers. The first two columns are `seq_num` and
 * `time` (seconds since 1970-01-01 UTC), then the fields. A field that is itself called `seq_num` or `time` is the column
 * `data.seq_num` or `data.time`.
 *
 * A copy in memory: it does not change while the run goes on.
 *
 * @example
 * ```ts
 * const table = await run.table("primary");
 * const energy = table.column("energy"); // { type: "float64", data: Float64Array, nullCount: 0, … }
 * for (const row of table) console.log(row.seq_num, row.energy);
 * ```
 * @see resonance `catalog.py`, `Run.table`
 */
export class RunTable implements Iterable<TableRow> {
  /** Name of the stream. */
  readonly stream: string;
  /** Number of rows. */
  readonly length: number;
  readonly #columns: ReadonlyMap<string, Column>;

  /** @param columns - All of one length, in their order. */
  constructor(stream: string, columns: readonly Column[]) {
    this.stream = stream;
    this.length = columns[0]?.data.length ?? 0;
    this.#columns = new Map(columns.map((column) => [column.name, column]));
  }

  /** Names of the columns, in their order. */
  get names(): string[] {
    return [...this.#columns.keys()];
  }

  /** The columns, in their order. */
  get columns(): readonly Column[] {
    return [...this.#columns.values()];
  }

  /** True if there is a column of this name. */
  has(name: string): boolean {
    return this.#columns.has(name);
  }

  /**
   * One column.
   *
   * @throws A {@link StorageError} `NOT_FOUND` that lists the columns.
   */
  column(name: string): Column {
    const column = this.#columns.get(name);
    if (column !== undefined) return column;
    const message = `The table of stream "${this.stream}" has no column "${name}". It has: ${this.names.join(", ")}`;
    throw new StorageError("NOT_FOUND", message, { operation: "column", identifier: name });
  }

  /**
   * One row.
   *
   * @param index - From 0; negative numbers count from the end.
   * @throws A {@link StorageError} `OUT_OF_RANGE`.
   */
  row(index: number): TableRow {
    const at = index < 0 ? index + this.length : index;
    if (!Number.isSafeInteger(at) || at < 0 || at >= this.length) {
      const message = `Row ${index} is outside a table of ${this.length} rows`;
      throw new StorageError("OUT_OF_RANGE", message, { operation: "row", identifier: this.stream });
    }
    return Object.fromEntries(this.columns.map((column) => [column.name, cellOf(column, at)]));
  }

  /** All rows as a list. */
  rows(): TableRow[] {
    return [...this];
  }

  /** The rows one after the other. */
  *[Symbol.iterator](): Generator<TableRow> {
    for (let index = 0; index < this.length; index++) yield this.row(index);
  }
}
