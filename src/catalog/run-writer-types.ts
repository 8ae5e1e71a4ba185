/** What callers tell a {@link RunWriter}. */
import type { BackendSet } from "../../registry/backend-set.ts";
import type { Clock } from "../core/clock.ts";
import type { InstanceConfig } from "../core/descriptor.ts";
import type { DataKey } from "../core/documents.ts";
import type { StorageError } from "../core/errors.ts";
import type { OpenDatabaseOptions } from "./database.ts";

/** How a run ended, in the words of the beamtime file. Exported documents say `success`, `abort` and `fail`. */
export type ExitStatus = "success" | "aborted" | "failed";

/** Description of one column of a stream: a data key of the event model, or any JSON object. */
export type DataKeys = Readonly<Record<string, DataKey | Readonly<Record<string, unknown>>>>;

/** Options of a {@link RunWriter}. */
export interface RunWriterOptions extends Omit<OpenDatabaseOptions, "readOnly"> {
  /** Longest time, in milliseconds, that an event waits before it is committed. Default 20. */
  readonly commitMs?: number | undefined;
  /** Rows after which a group is committed at once, and callers wait for it. Default 256. */
  readonly commitRows?: number | undefined;
  /**
   * Where images go: a configuration of a backend, or the name of an instance of `backends`. The backend takes frames one
   * at a time, as `zarr` does. Default: the Zarr store `{stem}.zarr` beside the file.
   */
  readonly images?: InstanceConfig | string | undefined;
  /** Where `images` is an instance of; stays the caller's. */
  readonly backends?: BackendSet | undefined;
  /** Who is at the instrument; in each run that does not say it. */
  readonly operator?: string | undefined;
  /** How long a writer on another machine is believed to live without a sign of it. Default 60 seconds. */
  readonly leaseSeconds?: number | undefined;
  /** Where timers come from. Default: the machine. */
  readonly clock?: Clock | undefined;
  /** Time of runs, streams and events: seconds since 1970-01-01 UTC. Default: that of the machine. */
  readonly time?: (() => number) | undefined;
  /** Told at once when a group could not be committed; the next call of the writer throws the same. */
  readonly onError?: ((error: StorageError) => void) | undefined;
}

/** Options of {@link RunWriter.openRun}. */
export interface OpenRunOptions {
  /** Anything about the run, as JSON. `tags`, a list of words, can be searched for. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  /** Who is at the instrument. */
  readonly operator?: string | undefined;
  /** Name of the run, which nobody else has. Default: a new UUID as 32 hexadecimal digits. */
  readonly uid?: string | undefined;
  /** Seconds since 1970-01-01 UTC. Default: now. */
  readonly time?: number | undefined;
}

/** Options of {@link RunWriter.openStream}. */
export interface OpenStreamOptions {
  /** Name that nobody else has. Default: a new UUID as 32 hexadecimal digits. */
  readonly uid?: string | undefined;
  /** Seconds since 1970-01-01 UTC. Default: now. */
  readonly time?: number | undefined;
  /** What a descriptor says besides: configuration, object keys, hints. JSON. */
  readonly extra?: Readonly<Record<string, unknown>> | undefined;
}

/** Options of {@link RunWriter.writeEvent}. */
export interface WriteEventOptions {
  /** Uid of the stream. Default: the one that was opened last. */
  readonly stream?: string | undefined;
  /** Name that nobody else has. Default: a new UUID as 32 hexadecimal digits. */
  readonly uid?: string | undefined;
  /**
   * Number within the stream, larger than those before: whoever follows asks for what is behind the last. Default: one
   * more than that of the event before, from 1.
   */
  readonly seqNum?: number | undefined;
  /** Seconds since 1970-01-01 UTC. Default: now. */
  readonly time?: number | undefined;
}

/** Options of {@link RunWriter.closeRun}. */
export interface CloseRunOptions {
  /** Default `"success"`. */
  readonly exitStatus?: ExitStatus | undefined;
  /** Seconds since 1970-01-01 UTC. Default: now. */
  readonly time?: number | undefined;
  /** What the stop document says besides: reason, events of each stream. JSON. */
  readonly extra?: Readonly<Record<string, unknown>> | undefined;
}
