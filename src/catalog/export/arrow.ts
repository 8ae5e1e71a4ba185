/** Tables as Arrow. */
import { setImmediate } from "node:timers/promises";
import type { Data, DataType, RecordBatch, Schema } from "apache-arrow";
import { StorageError } from "../../core/errors.ts";
import type { RunTable } from "../table.ts";
import type { Column } from "../table-column.ts";
import { plainJson } from "./plain-json.ts";

type Arrow = typeof import("apache-arrow");

/** Loads apache-arrow; replaced in tests of its absence. */
export type ArrowLoader = () => Promise<Arrow>;

const PACKAGE = "apache-arrow";

/** What the lists of a column hold: numbers, `depth` lists deep, or something that is written as JSON. */
interface ListShape {
  readonly depth: number;
  readonly item: "number" | "string" | "boolean" | "json" | undefined;
}

/**
 * Writes pages of a table as an Arrow IPC file (Feather version 2): a record batch for each page. Types are those of the
 * columns; lists of numbers, texts or booleans are lists in Arrow, and whatever Arrow has no type for is JSON in a text.
 * Units and the like are in the metadata of the fields.
 *
 * @param pages - Called twice: once to find what the lists hold, once to write. The same pages both times, at least one.
 * @param metadata - Goes into the schema.
 * @throws A {@link StorageError} `MISSING_DEPENDENCY` without the package apache-arrow.
 */
export async function* arrowOf(
  pages: () => AsyncIterable<RunTable>,
  metadata: Readonly<Record<string, string>>,
  load: ArrowLoader = () => import("apache-arrow"),
): AsyncGenerator<Uint8Array> {
  const arrow = await loadOrExplain(load);
  const lists = await listShapes(pages);
  const writer = new arrow.RecordBatchFileWriter();
  const chunks = writer[Symbol.asyncIterator]();
  let next: Promise<IteratorResult<Uint8Array>> | undefined;
  let schema: Schema | undefined;
  for await (const page of pages()) {
    schema ??= schemaOf(arrow, page, lists, metadata);
    writer.write(batchOf(arrow, page, schema));
    // Takes what the batch has become before the next one is read, so that one batch is in memory and not the table.
    for (;;) {
      next ??= chunks.next();
      const result = await Promise.race([next, setImmediate(undefined)]);
      if (result === undefined || result.done) break;
      next = undefined;
      yield result.value;
    }
  }
  writer.finish();
  for (let result = await (next ?? chunks.next()); !result.done; result = await chunks.next()) yield result.value;
}

async function loadOrExplain(load: ArrowLoader): Promise<Arrow> {
  try {
    return await load();
  } catch (cause) {
    const message = `Tables are written as Arrow by ${PACKAGE}, which is not installed: npm install ${PACKAGE}`;
    throw new StorageError("MISSING_DEPENDENCY", message, { operation: "export", identifier: PACKAGE, cause });
  }
}

async function listShapes(pages: () => AsyncIterable<RunTable>): Promise<ReadonlyMap<string, ListShape>> {
  const shapes = new Map<string, ListShape>();
  for await (const page of pages()) {
    const lists = page.columns.filter((column) => column.type === "array");
    // The columns of all pages are alike.
    if (lists.length === 0) return shapes;
    for (const { name, data } of lists) {
      for (const value of data) shapes.set(name, joined(shapes.get(name), shapeOfList(value)));
    }
  }
  return shapes;
}

function shapeOfList(value: unknown): ListShape {
  if (!Array.isArray(value)) {
    if (value === null || value === undefined) return { depth: 0, item: undefined };
    const type = typeof value;
    return { depth: 0, item: type === "number" || type === "string" || type === "boolean" ? type : "json" };
  }
  const inner = value.reduce<ListShape | undefined>((all, item) => joined(all, shapeOfList(item)), undefined);
  return { depth: (inner?.depth ?? 0) + 1, item: inner?.item };
}

function joined(one: ListShape | undefined, other: ListShape): ListShape {
  if (one === undefined) return other;
  // An empty list, or a missing value, fits into any that is deeper.
  if (one.item === undefined && one.depth <= other.depth) return other;
  if (other.item === undefined && other.depth <= one.depth) return one;
  return one.depth === other.depth && one.item === other.item ? one : { depth: 1, item: "json" };
}

function schemaOf(
  arrow: Arrow,
  page: RunTable,
  lists: ReadonlyMap<string, ListShape>,
  metadata: Readonly<Record<string, string>>,
): Schema {
  const fields = page.columns.map((column) => {
    const about = column.dataKey === undefined ? [] : [["data_key", plainJson(column.dataKey)] as const];
    const type = typeOf(arrow, column, lists.get(column.name));
    const isJson = (column.type === "json" || column.type === "array") && arrow.DataType.isUtf8(type);
    const how = isJson ? [["encoding", "json"] as const] : [];
    return new arrow.Field(column.name, type, true, new Map([...about, ...how]));
  });
  return new arrow.Schema(fields, new Map(Object.entries(metadata)));
}

function typeOf(arrow: Arrow, { type }: Column, list: ListShape | undefined): DataType {
  switch (type) {
    case "float64":
      return new arrow.Float64();
    case "int32":
      return new arrow.Int32();
    case "int64":
      return new arrow.Int64();
    case "boolean":
      return new arrow.Bool();
    case "array": {
      const { depth, item } = list ?? { depth: 1, item: undefined };
      if (item === "json") return new arrow.Utf8();
      let inner: DataType =
        item === "string" ? new arrow.Utf8() : item === "boolean" ? new arrow.Bool() : new arrow.Float64();
      for (let level = 0; level < depth; level++) inner = new arrow.List(new arrow.Field("item", inner, true));
      return inner;
    }
    default:
      return new arrow.Utf8();
  }
}

function batchOf(arrow: Arrow, page: RunTable, schema: Schema): RecordBatch {
  const children = page.columns.map((column, i) => dataOf(arrow, column, schema.fields[i]?.type as DataType));
  const type = new arrow.Struct(schema.fields);
  const data = arrow.makeData({ type, length: page.length, nullCount: 0, children });
  return new arrow.RecordBatch(schema, data);
}

function dataOf(arrow: Arrow, column: Column, type: DataType): Data {
  const { nullCount, nulls } = column;
  const present = nulls && bitsOf(nulls, 0);
  const common = { length: column.data.length, nullCount, nullBitmap: present ?? null };
  switch (column.type) {
    case "float64":
      return arrow.makeData({ type: new arrow.Float64(), data: column.data, ...common });
    case "int32":
      return arrow.makeData({ type: new arrow.Int32(), data: column.data, ...common });
    case "int64":
      return arrow.makeData({ type: new arrow.Int64(), data: column.data, ...common });
    case "boolean":
      return arrow.makeData({ type: new arrow.Bool(), data: bitsOf(column.data, 1), ...common });
    default: {
      const asJson = column.type !== "string" && arrow.DataType.isUtf8(type);
      const values = [...column.data].map((value) => (value === null ? null : asJson ? plainJson(value) : value));
      const builder = arrow.makeBuilder({ type, nullValues: [null, undefined] });
      for (const value of values) builder.append(value);
      return builder.finish().flush();
    }
  }
}

/** One bit for each byte: set where the byte has the given value. */
function bitsOf(bytes: Uint8Array, value: number): Uint8Array {
  const bits = new Uint8Array(Math.ceil(bytes.length / 8));
  bytes.forEach((byte, i) => {
    if (byte === value) bits[i >> 3] = (bits[i >> 3] as number) | (1 << (i & 7));
  });
  return bits;
}
