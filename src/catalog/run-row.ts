/** Rows of runs as values. */
import type { SqlSource } from "./dialect.ts";
import { parseObject, parseWords } from "./row-json.ts";
import type { RunStatus } from "./run-query.ts";
import type { SampleMetadata } from "./sample.ts";
import { countEvents } from "./writer-lease.ts";

/** A sample, as the catalogue has it. */
export interface CatalogSample extends SampleMetadata {
  readonly id: number;
  readonly tags: readonly string[];
  readonly extra: Readonly<Record<string, unknown>>;
}

/**
 * What the catalogue says of a run without looking at its events. Of a damaged file, sample, metadata and extra may throw
 * `CORRUPT` when they are looked at, so that such a run is listed and does not hide the others.
 */
export interface RunSummary {
  readonly uid: string;
  readonly planName: string;
  /** Seconds since 1970-01-01 UTC. */
  readonly timeStart: number;
  /** Seconds since 1970-01-01 UTC; `undefined` while it runs, and for one that was lost. */
  readonly timeStop: number | undefined;
  /**
   * What was written when the run ended; `undefined` as long as nothing was.
   *
   * @see {@link RunSummary.status}, which also tells a run that goes on from one whose writer is gone
   */
  readonly exitStatus: string | undefined;
  /** `exitStatus`, or `running` while its writer gives signs of life, or `lost`. */
  readonly status: RunStatus;
  /**
   * Events of the stream `primary`, or of all streams where there is none by that name; while the run goes on, those that
   * were there when it was looked up.
   */
  readonly numEvents: number;
  readonly operator: string | undefined;
  readonly sample: CatalogSample | undefined;
  /** As the plan gave it. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** What the end of the run said besides. */
  readonly extra: Readonly<Record<string, unknown>>;
}

/** A row of `runQuery`. Numbers may come as text: PostgreSQL's client writes 64 bits so. */
export interface RunRow {
  readonly uid: string;
  readonly plan_name: string;
  readonly time_start: number | string;
  readonly time_stop: number | string | null;
  readonly exit_status: string | null;
  readonly status: string;
  readonly num_events: number | string | null;
  readonly operator: string | null;
  readonly metadata: string | null;
  readonly extra: string | null;
  readonly sample_id: number | string | null;
  readonly sample_name: string | null;
  readonly formula: string | null;
  readonly serial: string | null;
  readonly sample_tags: string | null;
  readonly beamline_pos: string | null;
  readonly sample_extra: string | null;
}

/** Rows of runs with their numbers of events: those of a run that was not ended are counted. */
export function countedRows(source: SqlSource, rows: readonly RunRow[]): Promise<RunRow[]> {
  return Promise.all(
    rows.map(async (row) => {
      return row.exit_status === null ? { ...row, num_events: await countEvents(source, row.uid) } : row;
    }),
  );
}

/** The metadata of a row. `CORRUPT` if it is no JSON. */
export function metadataOf({ uid, metadata }: RunRow): Record<string, unknown> {
  return parseObject(metadata, `Run ${uid}, metadata`);
}

/** What the end of a run said besides. `CORRUPT` if it is no JSON. */
export function extraOf({ uid, extra }: RunRow): Record<string, unknown> {
  return parseObject(extra, `Run ${uid}, extra`);
}

/** The sample of a row. `CORRUPT` if its tags or the like are no JSON. */
export function sampleOf(row: RunRow): CatalogSample | undefined {
  if (row.sample_id === null || row.sample_name === null) return undefined;
  const place = `Sample "${row.sample_name}"`;
  return {
    id: Number(row.sample_id),
    name: row.sample_name,
    formula: row.formula ?? undefined,
    serial: row.serial ?? undefined,
    tags: parseWords(row.sample_tags, `${place}, tags`),
    beamlinePos: row.beamline_pos ?? undefined,
    extra: parseObject(row.sample_extra, `${place}, extra`),
  };
}
