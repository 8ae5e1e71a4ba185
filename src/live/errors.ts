/**
 * Errors of live streams. Each has a code of its own, except where a code of the list says it already, and the numbers
 * that a reader needs to go on.
 *
 * @see blissdata `IndexNotYetThereError`, `IndexNoMoreThereError`, `IndexWontBeThereError`, `EndOfStream`
 */
import { StorageError, type StorageErrorOptions } from "../core/errors.ts";
import { type ScanState, scanStateNames } from "./scan-state.ts";

/** The index is not written yet, and may still be: `NOT_YET`. */
export class IndexNotYetThereError extends StorageError {
  /** The index that was asked for; negative ones have no meaning before the stream is sealed. */
  readonly index: number;
  /** Points that the stream had when this was found. */
  readonly length: number;

  constructor(index: number, length: number, options: StorageErrorOptions = {}) {
    const why =
      index < 0
        ? `Index ${index} counts from the end, which is known once the stream is sealed`
        : `Index ${index} is not written yet: the stream has ${length} points`;
    super("NOT_YET", `${why}. Follow it with a cursor, or wait until it is sealed`, { retryable: true, ...options });
    this.name = "IndexNotYetThereError";
    this.index = index;
    this.length = length;
  }
}

/** The index was there and has left the engine, and no store has it: `EXPIRED`. */
export class IndexNoMoreThereError extends StorageError {
  readonly index: number;
  /** The oldest index that is still there. */
  readonly floor: number;
  /** Points that the stream had when this was found, those that left included. */
  readonly length: number;

  constructor(
    index: number,
    bounds: { readonly floor: number; readonly length: number },
    options: StorageErrorOptions = {},
  ) {
    const left =
      bounds.floor < bounds.length ? `the oldest that is there is ${bounds.floor}` : "none is there any more";
    super("EXPIRED", `Index ${index} has been removed by retention: ${left}, of ${bounds.length}`, options);
    this.name = "IndexNoMoreThereError";
    this.index = index;
    this.floor = bounds.floor;
    this.length = bounds.length;
  }
}

/** The stream is sealed and shorter than that: `OUT_OF_RANGE`. */
export class IndexWontBeThereError extends StorageError {
  readonly index: number;
  /** The final number of points. */
  readonly length: number;

  constructor(index: number, length: number, options: StorageErrorOptions = {}) {
    super("OUT_OF_RANGE", `Index ${index} will never be there: the stream was sealed with ${length} points`, options);
    this.name = "IndexWontBeThereError";
    this.index = index;
    this.length = length;
  }
}

/** Everything was read, and the stream is sealed: `END_OF_STREAM`. */
export class EndOfStreamError extends StorageError {
  constructor(what: string, options: StorageErrorOptions = {}) {
    super("END_OF_STREAM", `${what} has ended: everything was read and nothing more will come`, options);
    this.name = "EndOfStreamError";
  }
}

/** The writer stopped renewing its lease: `WRITER_LOST`. */
export class WriterLostError extends StorageError {
  /** Key of the scan that was given up. */
  readonly scan: string;

  constructor(scan: string, options: StorageErrorOptions = {}) {
    super("WRITER_LOST", `The writer of ${scan} went away without ending it. What it had sent can be read`, options);
    this.name = "WriterLostError";
    this.scan = scan;
  }
}

/** Somebody else has written at this index: `CONFLICT`. A stream has one writer. */
export class IndexConflictError extends StorageError {
  /** The index that was to be written. */
  readonly index: number;
  /** Points that the stream has: the only index that it takes. */
  readonly length: number;

  constructor(index: number, length: number, options: StorageErrorOptions = {}) {
    const message = `Index ${index} cannot be written: the stream has ${length} points. Does it have another writer?`;
    super("CONFLICT", message, options);
    this.name = "IndexConflictError";
    this.index = index;
    this.length = length;
  }
}

/** Another process has taken the stream over: `CONFLICT`. */
export function writerReplaced(options: StorageErrorOptions = {}): StorageError {
  const message = "The stream was taken over by another writer: nothing more can be written here";
  return new StorageError("CONFLICT", message, options);
}

/** The stream is sealed and takes nothing more: `NOT_OPEN`. */
export class StreamSealedError extends StorageError {
  /** The final number of points. */
  readonly length: number;

  constructor(length: number, options: StorageErrorOptions = {}) {
    super("NOT_OPEN", `The stream was sealed with ${length} points and takes nothing more`, options);
    this.name = "StreamSealedError";
    this.length = length;
  }
}

/** A scan is in a state that this does not start from: `CONFLICT`. Nothing was changed. */
export class StateConflictError extends StorageError {
  /** The state that the scan is in. */
  readonly state: ScanState;

  constructor(to: ScanState, state: ScanState, options: StorageErrorOptions = {}) {
    super("CONFLICT", `A scan that is ${scanStateNames[state]} cannot become ${scanStateNames[to]}`, options);
    this.name = "StateConflictError";
    this.state = state;
  }
}

/** The scan was deleted, has expired, or never was: `NOT_FOUND`. */
export class ScanNotFoundError extends StorageError {
  constructor(key: string, options: StorageErrorOptions = {}) {
    super("NOT_FOUND", `No scan ${key}: it was deleted, has expired, or never was`, { identifier: key, ...options });
    this.name = "ScanNotFoundError";
  }
}

/** There is no such scan now, or none came in time: `NOT_FOUND`. */
export class NoScanAvailableError extends StorageError {
  constructor(message: string, options: StorageErrorOptions = {}) {
    super("NOT_FOUND", message, { retryable: true, ...options });
    this.name = "NoScanAvailableError";
  }
}
