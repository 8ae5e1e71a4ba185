/** What is said of a scan and of its streams, as plain data. */
import type { JsonObject } from "./json.ts";
import type { ScanState } from "./scan-state.ts";

/** Numbers of one kind. */
export interface NumericEncoding {
  readonly type: "numeric";
  /** NumPy type string with the byte order of the payload: `<f8`, `|u1`. */
  readonly dtype: string;
  /** Shape of one point; `[]` is a scalar, `-1` an axis whose length each point has for itself. */
  readonly shape: readonly number[];
}

/** One JSON value a point. */
export interface JsonEncoding {
  readonly type: "json";
}

/** Frames: each inside its event, or by reference. */
export interface FramesEncoding {
  readonly type: "frames";
  /** NumPy type string with the byte order of frames inside the event. */
  readonly dtype: string;
  /** Shape of one frame. */
  readonly shape: readonly number[];
}

/** How the points of a stream are kept; a third party's has a `type` of its own, and whatever else it needs. */
export type StreamEncoding =
  | NumericEncoding
  | JsonEncoding
  | FramesEncoding
  | ({ readonly type: string } & { readonly [member: string]: unknown });

/** One stream of a scan. */
export interface StreamHeader {
  readonly name: string;
  /** Names the stream in its engine, in all scans: `esrf:stream:<ULID>`. */
  readonly key: string;
  readonly encoding: StreamEncoding;
  /** What the producer says about it. `plugin` names the plugin that reads it. */
  readonly info: JsonObject;
}

/** Who writes a scan, and for how long that is believed. */
export interface ScanLease {
  readonly owner: string;
  /** Milliseconds left when the answer was made, by the clock of the engine; not above 0 once it has run out. */
  readonly remainingMs: number;
}

/** A scan, without its data. */
export interface ScanHeader {
  /** `esrf:scan:<ULID>`. */
  readonly key: string;
  /** What the scan is found by. Never changes. */
  readonly identity: JsonObject;
  readonly info: JsonObject;
  readonly state: ScanState;
  /** By name. Empty before PREPARED. */
  readonly streams: Readonly<Record<string, StreamHeader>>;
  /** Grows by one with each change; renewals of the lease are none. */
  readonly revision: number;
  /** When the scan was created, seconds since 1970, by the clock of the engine. */
  readonly createdAt: number;
  /** Absent: nobody looks after the writer. */
  readonly lease?: ScanLease;
  /** Why it ended; only once it is CLOSED. See {@link endReasons}. */
  readonly endReason?: string;
  /** Milliseconds since it became CLOSED, when the answer was made, by the clock of the engine; absent before. */
  readonly closedForMs?: number;
}
