/** Where the images of a run lie, by its rows. */
import type { OperationOptions } from "../core/byte-store.ts";
import { type DType, fromTypestr, isDType } from "../core/dtype.ts";
import { appendRun, type FramePlace, type FrameRun, type Frames, placeOfResource } from "../io/frame-runs.ts";
import type { CatalogDatabase } from "./database.ts";
import { mergeOrdered } from "./merge-ordered.ts";
import { parseObject } from "./row-json.ts";
import type { CatalogStream } from "./stream-row.ts";

/** References that are asked for at once. */
const READ_ROWS = 10_000;

/** Reference to one image, with the event that it belongs to. */
export interface ImageRow {
  readonly id: number | string;
  readonly seq_num: number | string;
  readonly uri: string | null;
  readonly zarr_group: string;
  readonly index_in_stack: number | string;
  readonly shape_x: number | string;
  readonly shape_y: number | string;
  readonly dtype: string;
}

/** Reference to several rows of a resource, with the events that they belong to. */
export interface DatumRow {
  readonly uid: string;
  readonly resource_uid: string;
  readonly stream_uid: string;
  readonly index_start: number | string;
  readonly index_stop: number | string;
  readonly seq_start: number | string;
  readonly seq_stop: number | string;
}

/** Where the frames of a data key are, as a stream_resource document says it. */
export interface ResourceRow {
  readonly uid: string;
  readonly data_key: string;
  readonly mimetype: string;
  readonly uri: string;
  readonly parameters: string;
}

/** Pages of the references from one stream to the images of one field, in the order of its events. */
export async function* readImageRows(
  database: CatalogDatabase,
  streamUid: string,
  field: string,
  options: OperationOptions = {},
): AsyncGenerator<readonly ImageRow[]> {
  let seqNum: number | string = Number.MIN_SAFE_INTEGER;
  let id: number | string = -1;
  for (;;) {
    const rows: ImageRow[] = await database.all<ImageRow>(
      "SELECT i.id, e.seq_num, i.uri, i.zarr_group, i.index_in_stack, i.shape_x, i.shape_y, i.dtype " +
        "FROM events e JOIN image_refs i ON i.event_uid = e.uid " +
        // The first of the two conditions on the number is for the index.
        "WHERE e.stream_uid = ? AND e.seq_num >= ? AND (e.seq_num > ? OR i.id > ?) AND i.field_name = ? " +
        "ORDER BY e.seq_num, i.id LIMIT ?",
      [streamUid, seqNum, seqNum, id, field, READ_ROWS],
      options,
    );
    if (rows.length > 0) yield rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < READ_ROWS) return;
    seqNum = last.seq_num;
    id = last.id;
  }
}

/** Names of the fields of a run that have images, sorted. */
export async function readImageFields(
  database: CatalogDatabase,
  runUid: string,
  options: OperationOptions = {},
): Promise<string[]> {
  const rows = await database.all<{ field: string }>(
    "SELECT i.field_name AS field FROM streams s JOIN events e ON e.stream_uid = s.uid " +
      "JOIN image_refs i ON i.event_uid = e.uid WHERE s.run_uid = ? " +
      "UNION SELECT data_key AS field FROM stream_resources WHERE run_uid = ? ORDER BY field",
    [runUid, runUid],
    options,
  );
  return rows.map(({ field }) => field);
}

/** The resources of a run. */
export function readResources(
  database: CatalogDatabase,
  runUid: string,
  options: OperationOptions = {},
): Promise<ResourceRow[]> {
  const sql = "SELECT uid, data_key, mimetype, uri, parameters FROM stream_resources WHERE run_uid = ? ORDER BY uid";
  return database.all<ResourceRow>(sql, [runUid], options);
}

/** What of a resource belongs to which events, in the order of both. */
export function readData(
  database: CatalogDatabase,
  resourceUid: string,
  options: OperationOptions = {},
): Promise<DatumRow[]> {
  const sql =
    "SELECT uid, resource_uid, stream_uid, index_start, index_stop, seq_start, seq_stop FROM stream_data " +
    "WHERE resource_uid = ? ORDER BY seq_start, index_start";
  return database.all<DatumRow>(sql, [resourceUid], options);
}

/**
 * The frames of one field: those that events refer to one by one, in the order of the events (of several streams, as they
 * were written), and those that came as streams.
 */
export async function readFrames(
  database: CatalogDatabase,
  runUid: string,
  field: string,
  streams: readonly CatalogStream[],
  options: OperationOptions = {},
): Promise<Frames> {
  const runs: FrameRun[] = [];
  let shape: readonly number[] = [0, 0];
  let dtype: DType | undefined;
  const places = new Map<string, FramePlace>();
  const references = streams.map(({ uid }) => readImageRows(database, uid, field, options));
  for await (const row of mergeOrdered(references, ({ id }) => Number(id))) {
    appendRun(runs, { place: placeOf(row, places), first: Number(row.index_in_stack), count: 1 });
    // resonance writes the height of an image, the length of its first axis, as shape_x.
    if (dtype === undefined) shape = [Number(row.shape_x), Number(row.shape_y)];
    dtype ??= dtypeOfText(row.dtype);
  }
  const resources = await readResources(database, runUid, options);
  for (const resource of resources.filter((one) => one.data_key === field)) {
    const parameters = parseObject(resource.parameters, `Resource ${resource.uid}, parameters`);
    const place = placeOfResource({ ...resource, parameters });
    for (const datum of await readData(database, resource.uid, options)) {
      const key = streams.find(({ uid }) => uid === datum.stream_uid)?.dataKeys[field];
      // One row of a resource is what one event has: one frame, or several that were taken for it.
      const [perEvent, ...frame] = (key?.shape ?? []).map((length) => length ?? 1);
      const each = key !== undefined && frame.length === 2 ? (perEvent ?? 1) : 1;
      const [from, to] = [Number(datum.index_start), Number(datum.index_stop)];
      appendRun(runs, { place, first: from * each, count: (to - from) * each });
      if (dtype === undefined && key !== undefined) shape = frame.length === 2 ? frame : key.shape.map((n) => n ?? 0);
      dtype ??= dtypeOfText(key?.dtype_numpy);
    }
  }
  const count = runs.reduce((sum, run) => sum + run.count, 0);
  return { shape, dtype, count, runs };
}

/** One place for all references to it, so that neighbours are known as such. */
function placeOf({ uri, zarr_group: path }: ImageRow, places: Map<string, FramePlace>): FramePlace {
  const key = JSON.stringify([uri, path]);
  const place = places.get(key) ?? { uri: uri ?? undefined, path, mimetype: undefined, parameters: {} };
  places.set(key, place);
  return place;
}

/** The type that a text names: by its own name, or by that of NumPy. */
function dtypeOfText(text: string | undefined): DType | undefined {
  if (text === undefined || isDType(text)) return text;
  try {
    return fromTypestr(text).dtype;
  } catch {
    // Only the frames themselves say then what they are.
    return undefined;
  }
}
