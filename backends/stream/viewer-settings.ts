/** How a sender treats a viewer, and what it tells of it. */
import type { StorageError } from "../../src/core/errors.ts";

/** What happens to a value for which a viewer has no room. */
export type BackPressure = "block" | "dropOldest" | "error";

/** When to connect again. */
export interface ReconnectPolicy {
  /** Failures in a row, without an answer between them, after which everything that waits fails. 0: never again. */
  readonly attempts: number;
  /** Pause before the first try; doubled for each further one. */
  readonly delayMs: number;
  /** Longest pause. */
  readonly maxDelayMs: number;
}

/** How one viewer is treated. */
export interface ViewerSettings {
  /**
   * - `block`: `save` resolves when the viewer has processed the value. A slow viewer slows whoever waits for it.
   * - `dropOldest`: `save` does not wait. Values that wait make room for newer ones, and are counted.
   * - `error`: `save` does not wait. It rejects with `RATE_LIMITED` when there is no room.
   */
  readonly policy: BackPressure;
  /** Bytes that may wait to be sent. One value that is longer may wait alone. */
  readonly bufferBytes: number;
  /** Bytes that may be under way without an answer. One value that is longer may be under way alone. */
  readonly windowBytes: number;
  /** How long connecting and greeting may take. */
  readonly connectTimeoutMs: number;
  /**
   * How long a viewer may answer nothing while values are under way. Then the oldest of them fails with `TIMED_OUT` and
   * the connection is given up; the others are sent again over a new one.
   */
  readonly ackTimeoutMs: number;
  readonly reconnect: ReconnectPolicy;
}

/** Settings of which any may be left out. */
export type SomeViewerSettings = { readonly [Name in keyof ViewerSettings]?: ViewerSettings[Name] | undefined };

/** The settings of a viewer about which nothing was said. */
export const defaultViewerSettings: ViewerSettings = {
  policy: "block",
  bufferBytes: 64 * 2 ** 20,
  windowBytes: 32 * 2 ** 20,
  connectTimeoutMs: 5000,
  ackTimeoutMs: 30_000,
  reconnect: { attempts: 5, delayMs: 100, maxDelayMs: 5000 },
};

/** What became of everything that a viewer was sent. */
export interface ViewerReport {
  /** Name of the viewer. */
  readonly name: string;
  readonly isConnected: boolean;
  /** Messages handed to the transport, again ones included. */
  readonly sent: number;
  /** Values that the viewer has processed. */
  readonly acknowledged: number;
  /** Values that it refused. */
  readonly refused: number;
  /** Values that were not sent because it fell behind. */
  readonly dropped: number;
  readonly droppedBytes: number;
  /** Values that were given up: no connection, no answer, closed too early. */
  readonly lost: number;
  /** Values that were under way when a connection ended. */
  readonly resent: number;
  /** Values that wait to be sent. */
  readonly waiting: number;
  readonly waitingBytes: number;
  /** Values that were sent and not answered. */
  readonly underWay: number;
}

/** A value that did not arrive, and for which no `save` waits. */
export interface ViewerLoss {
  /** Name of the viewer. */
  readonly viewer: string;
  readonly path: string;
  readonly error: StorageError;
}
