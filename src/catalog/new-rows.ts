/** Rows that begin a run and its streams. */
import { checkNumber, checkOptions, checkText } from "./column-values.ts";
import type { CatalogTransaction, SqlValue } from "./database.ts";
import { toJsonText } from "./json-text.ts";
import { newUid } from "./open-run.ts";
import type { DataKeys, OpenRunOptions, OpenStreamOptions } from "./run-writer-types.ts";
import { tagsOf } from "./schema.ts";

/** A row that has been looked at, and may be written. */
export interface NewRow {
  readonly uid: string;
  readonly values: readonly SqlValue[];
}

/** A run, with its tags. */
export interface NewRun extends NewRow {
  readonly tags: readonly string[];
}

/** Whose run it is, and what holds unless the options say something else. */
export interface RunDefaults {
  readonly sampleId: number;
  /** Row of the writer. */
  readonly writer: string;
  /** Seconds since 1970. */
  readonly time: number;
  readonly operator: string | undefined;
}

/**
 * Looks at what a run is to be.
 *
 * @throws A {@link StorageError} `INVALID_DATA` for what no column holds.
 */
export function newRun(planName: string, options: OpenRunOptions, defaults: RunDefaults): NewRun {
  checkOptions(options, ["metadata", "operator", "uid", "time"], "openRun");
  const { sampleId, writer } = defaults;
  const { metadata = {}, operator = defaults.operator, uid = newUid(), time = defaults.time } = options;
  const text = toJsonText(metadata, "metadata");
  const values = [
    ...[checkText(uid, "uid"), sampleId, checkText(planName, "planName"), checkNumber(time, "time")],
    ...[operator === undefined ? null : checkText(operator, "operator"), text, writer],
  ];
  return { uid, values, tags: tagsOf(metadata) };
}

/** Writes a run and its tags. */
export async function insertRun(transaction: CatalogTransaction, { uid, values, tags }: NewRun): Promise<void> {
  await transaction.run(
    "INSERT INTO runs (uid, sample_id, plan_name, time_start, operator, metadata, writer) VALUES (?, ?, ?, ?, ?, ?, ?)",
    values,
  );
  const rows = tags.map((tag) => [uid, tag]);
  await transaction.runMany("INSERT INTO run_tags (run_uid, tag) VALUES (?, ?)", rows);
}

/**
 * Looks at what a stream of a run is to be.
 *
 * @throws A {@link StorageError} `INVALID_DATA` for what no column holds.
 */
export function newStream(
  run: string,
  name: string,
  dataKeys: DataKeys,
  { uid = newUid(), time, extra }: OpenStreamOptions & { readonly time: number },
): NewRow {
  const keys = toJsonText(dataKeys, "data keys");
  const rest = extra === undefined ? null : toJsonText(extra, "extra of the stream");
  const names = [checkText(uid, "uid"), run, checkText(name, "name")];
  return { uid, values: [...names, keys, checkNumber(time, "time"), rest] };
}

/** Writes a stream. */
export async function insertStream(transaction: CatalogTransaction, { values }: NewRow): Promise<void> {
  await transaction.run(
    "INSERT INTO streams (uid, run_uid, name, data_keys, time_created, extra) VALUES (?, ?, ?, ?, ?, ?)",
    values,
  );
}
