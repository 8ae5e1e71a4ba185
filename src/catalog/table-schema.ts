/** Which columns the table of a stream has, and of what type. */
import type { DataKey } from "../core/documents.ts";
import { StorageError } from "../core/errors.ts";
import { RunTable } from "./table.ts";
import { type ColumnType, kindOf, makeColumn, typeOf } from "./table-column.ts";

/** What a table needs of an event. */
export interface TableEvent {
  /** From 1, in each stream. */
  readonly seqNum: number;
  /** Seconds since 1970-01-01 UTC. */
  readonly time: number;
  /** Values by field. */
  readonly values: Readonly<Record<string, unknown>>;
}

/** One field of a stream as a column. */
export interface SchemaField {
  /** Name of the field in the events. */
  readonly field: string;
  /** Name of the column: that of the field, unless it is `seq_num` or `time`. */
  readonly name: string;
  readonly type: ColumnType;
  readonly dataKey: DataKey | undefined;
}

/** The columns of a table after `seq_num` and `time`. */
export interface TableSchema {
  readonly seqType: ColumnType;
  readonly fields: readonly SchemaField[];
}

const own = ["seq_num", "time"];

/**
 * Finds the columns of a stream: those of its data keys, in their order, then others in the order in which events first
 * have them. Fields whose values lie in a store, as frames do, are columns only if events have values for them too.
 */
export class SchemaScan {
  readonly #dataKeys: Readonly<Record<string, DataKey>>;
  readonly #wanted: readonly string[] | undefined;
  readonly #seen = new Map<string, number>();
  #seqKinds = 0;

  /** @param wanted - The fields to take, in this order; `undefined` takes all. */
  constructor(dataKeys: Readonly<Record<string, DataKey>>, wanted?: readonly string[]) {
    this.#dataKeys = dataKeys;
    this.#wanted = wanted;
    for (const [field, key] of Object.entries(dataKeys)) if (!isExternal(key)) this.#seen.set(field, 0);
  }

  /** Looks at one event. */
  add({ seqNum, values }: TableEvent): void {
    this.#seqKinds |= kindOf(seqNum);
    for (const field in values) this.#seen.set(field, (this.#seen.get(field) ?? 0) | kindOf(values[field]));
  }

  /**
   * The columns for all events that were looked at.
   *
   * @throws A {@link StorageError} `NOT_FOUND` for a wanted field that the stream does not have.
   */
  schema(stream: string): TableSchema {
    const names = this.#wanted ?? [...this.#seen.keys()];
    const unknown = names.find((field) => !this.#seen.has(field));
    if (unknown !== undefined) {
      const known = [...this.#seen.keys()].join(", ") || "none";
      const isImage = Object.hasOwn(this.#dataKeys, unknown);
      const message = isImage
        ? `Field "${unknown}" of stream "${stream}" has images, which are in no table: images("${unknown}") reads them, and sluice runs image. The table has: ${known}`
        : `Stream "${stream}" has no field "${unknown}". It has: ${known}`;
      throw new StorageError("NOT_FOUND", message, { operation: "table", identifier: unknown });
    }
    const fields = names.map((field): SchemaField => {
      const dataKey = Object.hasOwn(this.#dataKeys, field) ? this.#dataKeys[field] : undefined;
      const type = typeOf(this.#seen.get(field) ?? 0, dataKey);
      return { field, name: own.includes(field) ? `data.${field}` : field, type, dataKey };
    });
    const seqKey: DataKey = { source: "sluice", dtype: "integer", shape: [] };
    return { seqType: typeOf(this.#seqKinds, seqKey), fields };
  }
}

/** The table of events that have the columns of a schema. */
export function buildTable(stream: string, events: readonly TableEvent[], schema: TableSchema): RunTable {
  const valuesOf = (field: string) => events.map(({ values }) => (Object.hasOwn(values, field) ? values[field] : null));
  return new RunTable(stream, [
    makeColumn(
      "seq_num",
      schema.seqType,
      events.map(({ seqNum }) => seqNum),
      undefined,
    ),
    makeColumn(
      "time",
      "float64",
      events.map(({ time }) => time),
      undefined,
    ),
    ...schema.fields.map(({ field, name, type, dataKey }) => makeColumn(name, type, valuesOf(field), dataKey)),
  ]);
}

/** True for a field whose values lie in a store; resonance writes `true` where the event model has a text. */
function isExternal({ external }: { readonly external?: unknown }): boolean {
  return external !== undefined && external !== null && external !== false;
}
