/**
 * Documents of a run, in the bluesky event model: one start, a descriptor per stream, events, references to streams of
 * frames, one stop.
 *
 * @see event-model 1.24, JSON schemas; units: times are seconds since 1970-01-01 UTC
 */

/** Description of one column of a stream. */
export interface DataKey {
  /** Where the values come from. */
  readonly source: string;
  /** Kind of value, in the words of JSON. */
  readonly dtype: "string" | "number" | "array" | "boolean" | "integer";
  /** Shape of one event's value; `[framesPerEvent, y, x]` for frames. `null` where it varies. */
  readonly shape: readonly (number | null)[];
  /** NumPy type string of the elements, for example `<u2`. */
  readonly dtype_numpy?: string;
  /** `STREAM:` for values that lie in a store and come by stream documents. */
  readonly external?: string;
  /** Device that the key belongs to. */
  readonly object_name?: string;
  /** Names of the axes, as long as `shape`. */
  readonly dims?: readonly string[];
  /** Unit of the values. */
  readonly units?: string;
  /** Digits worth showing. */
  readonly precision?: number;
}

/** Begins a run. */
export interface RunStart {
  readonly uid: string;
  readonly time: number;
  readonly plan_name?: string;
  readonly scan_id?: number;
  readonly [metadata: string]: unknown;
}

/** Configuration of one device at the time of a descriptor. */
export interface DeviceConfiguration {
  readonly data: Readonly<Record<string, unknown>>;
  readonly timestamps: Readonly<Record<string, number>>;
  readonly data_keys: Readonly<Record<string, DataKey>>;
}

/** Describes the events of one stream. */
export interface EventDescriptor {
  readonly uid: string;
  readonly time: number;
  readonly run_start: string;
  readonly name: string;
  readonly data_keys: Readonly<Record<string, DataKey>>;
  readonly configuration: Readonly<Record<string, DeviceConfiguration>>;
  readonly object_keys: Readonly<Record<string, readonly string[]>>;
  readonly hints?: Readonly<Record<string, { readonly fields?: readonly string[] }>>;
}

/** One row of scalar readings. */
export interface EventDocument {
  readonly uid: string;
  readonly time: number;
  readonly descriptor: string;
  /** From 1. */
  readonly seq_num: number;
  readonly data: Readonly<Record<string, unknown>>;
  readonly timestamps: Readonly<Record<string, number>>;
}

/** Where the frames of one source are. */
export interface StreamResource {
  readonly uid: string;
  readonly run_start: string;
  readonly data_key: string;
  readonly mimetype: string;
  readonly uri: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** A half-open range. */
export interface IndexRange {
  readonly start: number;
  readonly stop: number;
}

/** More frames of a {@link StreamResource}. */
export interface StreamDatum {
  readonly uid: string;
  readonly descriptor: string;
  readonly stream_resource: string;
  /** Rows of the resource, from 0, without gaps. */
  readonly indices: IndexRange;
  /** Events they belong to, from 1. A device leaves 0, 0; the plan fills it. */
  readonly seq_nums: IndexRange;
}

/** Ends a run. */
export interface RunStop {
  readonly uid: string;
  readonly time: number;
  readonly run_start: string;
  readonly exit_status: "success" | "abort" | "fail";
  readonly reason?: string;
  readonly num_events?: Readonly<Record<string, number>>;
}

/** What a writer announces: `["stream_resource", …]` once, then `["stream_datum", …]`. */
export type StreamAsset = readonly ["stream_resource", StreamResource] | readonly ["stream_datum", StreamDatum];

/** Any document with its name, as callbacks get it. */
export type Document =
  | StreamAsset
  | readonly ["start", RunStart]
  | readonly ["descriptor", EventDescriptor]
  | readonly ["event", EventDocument]
  | readonly ["stop", RunStop];
