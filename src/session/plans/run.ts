/** What a plan gets and what it gives back. */
import type { Document } from "../../core/documents.ts";
import type { Session } from "../session.ts";
import type { CatalogReport } from "../session-catalog.ts";
import type { LiveReport } from "../session-live.ts";

/** How far a run is. */
export interface RunProgress {
  /** Events that are complete. */
  readonly events: number;
  /** Events that were asked for. */
  readonly total: number;
  /** Frames stored so far, by device. */
  readonly frames: Readonly<Record<string, number>>;
  /** Bytes of all frames stored so far. */
  readonly bytes: number;
  /** Seconds since the first frame could be taken. */
  readonly seconds: number;
}

/** Options of `session.run`. */
export interface RunOptions {
  /** Ends the run early: devices stop, stores are closed with what they have, the run has `exit_status` `abort`. */
  readonly signal?: AbortSignal | undefined;
  /** Called after every event. */
  readonly onProgress?: ((progress: RunProgress) => void) | undefined;
  /** Called with every document, in order. */
  readonly onDocument?: ((document: Document) => void) | undefined;
  /** Waits between readings; tests give their own. Rejects when the signal fires. Default: a timer. */
  readonly wait?: ((seconds: number, signal: AbortSignal) => Promise<void>) | undefined;
}

/** What one device left. */
export interface DeviceSummary {
  /** Frames in the store. */
  readonly frames: number;
  /** Frames that were offered and are not in the store. */
  readonly rejected: number;
  /** Bytes of the stored frames, before compression. */
  readonly bytes: number;
}

/** What a run left. */
export interface RunSummary {
  /** `uid` of the start document. */
  readonly runUid: string;
  /** `abort` if the signal fired. A failed run throws instead. */
  readonly exitStatus: "success" | "abort";
  /** Why it was aborted; empty otherwise. */
  readonly reason: string;
  /** Path of the run's folder; `undefined` without storage. */
  readonly folder: string | undefined;
  /** URIs of the stores by writer group; without those that no frame reached. */
  readonly stores: Readonly<Record<string, string>>;
  /** By name, every device that wrote or could have. */
  readonly devices: Readonly<Record<string, DeviceSummary>>;
  /** Complete events. */
  readonly events: number;
  /** From the first frame to the closed store. */
  readonly seconds: number;
  /** What the catalogue has of it; `undefined` for a session without one. Filled in by the session, not by the plan. */
  readonly catalog?: CatalogReport | undefined;
  /** What of it is live; `undefined` for a session without live scans. Filled in by the session, not by the plan. */
  readonly live?: LiveReport | undefined;
}

/** A plan: does things with the devices of a session. */
export type Plan = (session: Session, options: RunOptions & { readonly signal: AbortSignal }) => Promise<RunSummary>;
