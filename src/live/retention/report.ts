/** What a pass of retention did, and what somebody should know of. */
import type { LiveUsage } from "../engine.ts";

/** What one pass did. */
export interface RetentionReport {
  /** Scans that it saw. */
  readonly scans: number;
  /** Points that left. */
  readonly points: number;
  /** Points that were to leave and stayed, because nobody has said that they are safely in a store. */
  readonly heldPoints: number;
  /** Scans that it closed, because their writers are gone. */
  readonly closed: readonly string[];
  /** Scans that it removed, or that will go by themselves from now on. */
  readonly leaving: readonly string[];
  /** Streams of no scan, of which it removed the payloads beside the engine. */
  readonly orphans: readonly string[];
  /** What could not be done; without a scan: something that is about none alone. */
  readonly failed: readonly { readonly scan?: string; readonly error: unknown }[];
}

/** What somebody should know of, at once. */
export type RetentionEvent =
  | {
      /** The store is too full, and nothing that is left in it may leave: writers will be refused, or the disk fills. */
      readonly type: "critical";
      readonly usage: LiveUsage;
      /** Bytes that it should take at most. */
      readonly targetBytes: number;
      /** Points that would leave, were they in a store; if there are none, what is left is too young. */
      readonly heldPoints: number;
    }
  | {
      /** A scan was closed: its writer let the lease run out, or nobody held one and nothing came for long. */
      readonly type: "closed";
      readonly scan: string;
      readonly reason: "lease" | "inactive";
    }
  | {
      /** A scan could not be read or cleaned; without one, a pass could not be made. The next pass tries again. */
      readonly type: "failed";
      readonly scan?: string;
      readonly error: unknown;
    };

/** A report that is being written. */
export interface OpenReport extends RetentionReport {
  scans: number;
  points: number;
  heldPoints: number;
  readonly closed: string[];
  readonly leaving: string[];
  readonly orphans: string[];
  readonly failed: { readonly scan?: string; readonly error: unknown }[];
}

/** One that says nothing yet. */
export function emptyReport(): OpenReport {
  return { scans: 0, points: 0, heldPoints: 0, closed: [], leaving: [], orphans: [], failed: [] };
}
