/**
 * Beamtime files made row by row, by SQL: what the reader is tested with does not depend on the writer. Names are those of
 * the columns.
 */
import { BackendSet, createRegistry } from "../../registry/index.ts";
import { type CatalogDatabase, openDatabase, type SqlValue } from "../../src/catalog/database.ts";
import { dialects } from "../../src/catalog/dialect.ts";
import { migrate } from "../../src/catalog/migrations.ts";
import { beamtimeSchema } from "../../src/catalog/schema.ts";
import { thisProcess } from "../../src/catalog/writing-process.ts";
import type { DType } from "../../src/core/dtype.ts";
import type { NdArray } from "../../src/index.ts";

/** Rows under the names of their columns; what is JSON in the file is an object or a text here. */
export interface RunRows {
  readonly uid: string;
  readonly plan?: string;
  readonly sample?: number;
  readonly start?: number;
  readonly stop?: number | null;
  readonly status?: string | null;
  readonly events?: number;
  readonly operator?: string | null;
  readonly metadata?: object | string;
  readonly writer?: string | null;
}

/** One file. Every call is a transaction. */
export class BeamtimeFile implements AsyncDisposable {
  readonly path: string;
  readonly database: CatalogDatabase;
  #version: number;

  private constructor(path: string, database: CatalogDatabase, version: number) {
    this.path = path;
    this.database = database;
    this.#version = version;
  }

  /** @param version - 3 is the newest; older ones are made by the first steps of the schema. */
  static async make(path: string, version = 3): Promise<BeamtimeFile> {
    const database = await openDatabase(path);
    if (version === 3) await migrate(database, beamtimeSchema);
    else {
      await database.transaction(async (transaction) => {
        for (const step of beamtimeSchema.migrations.slice(0, version)) await step.apply(transaction, dialects.sqlite);
        await transaction.setVersion(beamtimeSchema.name, version);
      });
    }
    return new BeamtimeFile(path, database, version);
  }

  /** Inserts one row. */
  insert(table: string, row: Readonly<Record<string, SqlValue | object>>): Promise<void> {
    return this.insertMany(table, [row]);
  }

  /** Inserts rows with the same columns. */
  async insertMany(table: string, rows: readonly Readonly<Record<string, SqlValue | object>>[]): Promise<void> {
    const columns = Object.keys(rows[0] ?? {});
    const sql = `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`;
    const values = rows.map((row) => columns.map((column) => asText(row[column] as SqlValue | object)));
    await this.database.transaction((transaction) => transaction.runMany(sql, values));
  }

  sample(id: number, name: string, more: Readonly<Record<string, SqlValue | object>> = {}): Promise<void> {
    const unique = this.#version === 3 ? { unique_name: name } : {};
    return this.insert("samples", { id, name, ...unique, ...more });
  }

  async run(run: RunRows): Promise<void> {
    const { uid, plan = "scan", sample = null, start = 1_700_000_000, metadata = {} } = run;
    const { stop = start + 60, status = "success", events = 0, operator = null, writer } = run;
    await this.insert("runs", {
      uid,
      sample_id: sample,
      plan_name: plan,
      time_start: start,
      time_stop: status === null ? null : stop,
      exit_status: status,
      num_events: events,
      operator,
      metadata,
      ...(this.#version === 3 ? { writer: writer ?? null } : {}),
    });
    const { tags = [] } = typeof metadata === "string" ? {} : (metadata as { tags?: string[] });
    if (this.#version < 3) return;
    for (const tag of tags) await this.insert("run_tags", { run_uid: uid, tag });
  }

  /** @returns Uid of the stream. */
  async stream(run: string, name = "primary", dataKeys: object = {}, extra: object = {}): Promise<string> {
    const uid = `${run}-${name}`;
    const more = this.#version === 3 ? { extra } : {};
    await this.insert("streams", {
      uid,
      run_uid: run,
      name,
      data_keys: dataKeys,
      time_created: 1_700_000_001,
      ...more,
    });
    return uid;
  }

  /** Appends events with the given data; texts are written as they are. */
  async events(stream: string, data: readonly (object | string)[], from = 1): Promise<void> {
    if (data.length === 0) return;
    await this.insertMany(
      "events",
      data.map((values, i) => ({
        uid: `${stream}-${from + i}`,
        stream_uid: stream,
        seq_num: from + i,
        time: 1_700_000_001 + (from + i) / 10,
        data: values,
        timestamps: typeof values === "string" ? {} : timestampsOf(values, 1_700_000_000 + from + i),
      })),
    );
  }

  /** Refers the first events of a stream to the frames of an array, one each. */
  async images(stream: string, field: string, path: string, frames: NdArray, uri?: string): Promise<void> {
    const [count = 0, y = 0, x = 0] = frames.shape;
    const rows = Array.from({ length: count }, (_, i) => ({
      event_uid: `${stream}-${i + 1}`,
      field_name: field,
      zarr_group: path,
      index_in_stack: i,
      shape_x: y,
      shape_y: x,
      dtype: frames.dtype satisfies DType,
      ...(uri === undefined ? {} : { uri }),
    }));
    if (rows.length > 0) await this.insertMany("image_refs", rows);
  }

  /** Says that this process writes runs under a name. */
  writer(id: string, process = thisProcess(), expires = 1e12): Promise<void> {
    return this.insert("writers", { id, process, heartbeat: 0, expires });
  }

  close(): Promise<void> {
    return this.database.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Saves frames in a Zarr store on the disk, a chunk for each. */
export async function saveFrames(root: string, key: string, frames: NdArray): Promise<void> {
  await using backends = new BackendSet(createRegistry(), { images: { use: "zarr", root } });
  const backend = await backends.get("images");
  const chunkShape = [1, ...frames.shape.slice(1)];
  const save = (backend as unknown as { save(data: unknown, key: string, options: object): Promise<unknown> }).save;
  await save.call(backend, frames, key, { chunkShape, createParents: true });
}

function timestampsOf(values: object, time: number): object {
  return Object.fromEntries(Object.keys(values).map((name, i) => [name, time + i / 1000]));
}

function asText(value: SqlValue | object): SqlValue {
  return typeof value === "object" && value !== null && !(value instanceof Uint8Array) ? JSON.stringify(value) : value;
}
