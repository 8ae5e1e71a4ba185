/** A run as bluesky documents. */
import { documentKey } from "../../acquire/document-rules.ts";
import type { OperationOptions } from "../../core/byte-store.ts";
import type { DataKey, Document, EventDescriptor, RunStart, RunStop } from "../../core/documents.ts";
import { toTypestr } from "../../core/dtype.ts";
import type { Frames } from "../../io/frame-runs.ts";
import type { CatalogDatabase } from "../database.ts";
import { type CatalogEvent, mergeEvents, readEvents } from "../event-reader.ts";
import type { RunSummary } from "../run-row.ts";
import type { CatalogStream } from "../stream-row.ts";
import { type SchemaField, SchemaScan } from "../table-schema.ts";
import { type AssetImages, readAssets } from "./assets.ts";

/** What is exported. */
export interface DocumentSource {
  readonly database: CatalogDatabase;
  readonly run: RunSummary;
  readonly streams: readonly CatalogStream[];
  /** Frames by field. */
  readonly images: ReadonlyMap<string, Pick<Frames, "shape" | "dtype">>;
  /** URI of the store of frames that name none; `undefined` if it has none. */
  readonly besideUri: string | undefined;
}

/** Events that are asked for at once. */
const READ_ROWS = 1000;

const exitStatuses: Readonly<Record<string, RunStop["exit_status"]>> = { success: "success", aborted: "abort" };

/**
 * The documents of a run, as a RunEngine emits them: start, descriptors, events by time, stream resources and what of
 * them belongs to which events, stop. A run that goes on has no stop.
 *
 * Names with dots and slashes, which the event model forbids, have underscores for them. What it asks for and a stream
 * does not say is taken from the events.
 *
 * @see event-model 1.24
 */
export async function* documentsOf(source: DocumentSource, options: OperationOptions = {}): AsyncGenerator<Document> {
  const { database, run, streams, images } = source;
  yield ["start", startOf(run)];
  const assets: AssetImages[] = [];
  for (const stream of streams) {
    const scan = new SchemaScan(stream.dataKeys);
    for await (const page of readEvents(database, stream, { ...options, pageRows: READ_ROWS })) {
      for (const { seqNum, time, data } of page) scan.add({ seqNum, time, values: data });
    }
    const found = await readAssets(source, stream, options);
    assets.push(...found);
    const fields = new Set(found.map(({ field }) => field));
    yield ["descriptor", descriptorOf(run, stream, scan.schema(stream.name).fields, images, fields)];
  }
  const pages = streams.map((stream) => readEvents(database, stream, { ...options, pageRows: READ_ROWS }));
  const uids = new Map(streams.map(({ name, uid }) => [name, uid]));
  for await (const event of mergeEvents(pages)) {
    yield ["event", eventOf(event, uids.get(event.stream) as string)];
  }
  for (const { documents } of assets) yield* documents;
  if (run.status !== "running") yield ["stop", stopOf(run, streams)];
}

function startOf({ uid, timeStart, planName, operator, sample, metadata }: RunSummary): RunStart {
  const { id: _, ...described } = sample ?? { id: 0 };
  const start = {
    ...(sample === undefined ? {} : { sample: described }),
    ...(operator === undefined ? {} : { operator }),
    ...metadata,
    plan_name: planName,
    uid,
    time: timeStart,
  };
  return withPlainKeys(start) as RunStart;
}

function descriptorOf(
  run: RunSummary,
  stream: CatalogStream,
  fields: readonly SchemaField[],
  images: ReadonlyMap<string, Pick<Frames, "shape" | "dtype">>,
  imageFields: ReadonlySet<string>,
): EventDescriptor {
  const keys: Record<string, DataKey> = {};
  for (const { field, type, dataKey } of fields) keys[documentKey(field)] = scalarKey(stream, field, type, dataKey);
  for (const field of imageFields) {
    keys[documentKey(field)] = imageKey(stream, field, images.get(field));
  }
  const { configuration = {}, object_keys = {}, hints = {} } = stream.extra as Partial<EventDescriptor>;
  return {
    uid: stream.uid,
    time: stream.timeCreated ?? run.timeStart,
    run_start: run.uid,
    name: stream.name,
    data_keys: keys,
    configuration,
    object_keys,
    hints,
  };
}

function scalarKey(
  stream: CatalogStream,
  field: string,
  type: SchemaField["type"],
  dataKey: DataKey | undefined,
): DataKey {
  const dtypes = {
    float64: "number",
    int32: "integer",
    int64: "integer",
    boolean: "boolean",
    string: "string",
    array: "array",
    json: "string",
  } as const satisfies Record<SchemaField["type"], DataKey["dtype"]>;
  const given = withoutNulls(dataKey ?? {}) as Partial<DataKey>;
  const { dtype: said, shape, dtype_numpy: precise, dims, external: _, ...rest } = given;
  const isKnown = Object.values<unknown>(dtypes).includes(said);
  const dtype = isKnown ? (said as DataKey["dtype"]) : dtypes[type];
  const lengths = Array.isArray(shape) ? shape : dtype === "array" ? [null] : [];
  return {
    ...rest,
    source: typeof given.source === "string" ? given.source : `catalogue:${stream.name}/${field}`,
    dtype,
    shape: lengths,
    ...(typeof precise === "string" && /^[|<>][tbiufcmMOSUV][0-9]+$/.test(precise) ? { dtype_numpy: precise } : {}),
    ...(Array.isArray(dims) && dims.length === lengths.length ? { dims: dims } : {}),
  };
}

function imageKey(stream: CatalogStream, field: string, frames: Pick<Frames, "shape" | "dtype"> | undefined): DataKey {
  const given = withoutNulls(stream.dataKeys[field] ?? {}) as Partial<DataKey>;
  const isWhole = given.external === "STREAM:" && Array.isArray(given.shape) && typeof given.source === "string";
  if (isWhole && given.dtype === "array") return given as DataKey;
  const { shape: _shape, dims: _dims, dtype_numpy: _precise, ...rest } = given;
  return {
    ...rest,
    source: given.source ?? `catalogue:${stream.name}/${field}`,
    dtype: "array",
    // One frame an event.
    shape: [1, ...(frames?.shape ?? [])],
    ...(frames?.dtype === undefined ? {} : { dtype_numpy: toTypestr(frames.dtype) }),
    external: "STREAM:",
    dims: ["time", "y", "x"],
  };
}

function eventOf(
  { uid, seqNum, time, data, timestamps }: CatalogEvent,
  descriptor: string,
): Extract<Document, readonly ["event", unknown]>[1] {
  const fields = Object.keys(data);
  return {
    uid,
    time,
    descriptor,
    seq_num: seqNum,
    data: Object.fromEntries(fields.map((field) => [documentKey(field), data[field]])),
    // A reader wants one for each value.
    timestamps: Object.fromEntries(fields.map((field) => [documentKey(field), timestamps[field] ?? time])),
  };
}

function stopOf(run: RunSummary, streams: readonly CatalogStream[]): RunStop {
  const { reason } = run.extra;
  const isLost = run.status === "lost";
  return {
    uid: typeof run.extra.uid === "string" ? run.extra.uid : `${run.uid}-stop`,
    time: run.timeStop ?? run.timeStart,
    run_start: run.uid,
    exit_status: exitStatuses[run.status] ?? "fail",
    reason: typeof reason === "string" ? reason : isLost ? "The run was never ended: its writer is gone" : "",
    num_events: Object.fromEntries(streams.map(({ name, numEvents }) => [name, numEvents])),
  };
}

/** The value with names that documents may have, at any depth. */
function withPlainKeys(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(withPlainKeys);
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(entries.map(([key, inner]) => [documentKey(key) || "_", withPlainKeys(inner)]));
}

function withoutNulls(value: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== null && inner !== undefined));
}
