/** Removes what may leave of one scan. */
import { throwFailures } from "../../core/errors.ts";
import type { Bounds, CallOptions, LiveEngine } from "../engine.ts";
import { endReasons, type ScanState, scanStates } from "../scan-state.ts";
import type { CheckedPolicy } from "./policy.ts";
import type { OpenReport } from "./report.ts";
import type { StreamMarks } from "./stream-marks.ts";
import type { TrackedScan } from "./tracked-scan.ts";

/** States that a scan can be closed from. */
const OPEN_STATES: readonly ScanState[] = [
  scanStates.CREATED,
  scanStates.PREPARED,
  scanStates.STARTED,
  scanStates.STOPPED,
];

/** Where payloads are that an engine has by reference. */
export interface RetainedBlobs {
  /** Removes what only points below an index refer to. */
  trim(stream: string, beforeIndex: number, options?: CallOptions): Promise<unknown>;
  /** Streams that have payloads, with the time of the newest, in milliseconds since 1970. Absent: nobody can say. */
  streams?(options?: CallOptions): AsyncIterable<{ readonly stream: string; readonly modifiedMs: number | undefined }>;
}

/** What one pass works with. */
export interface Pass {
  readonly report: OpenReport;
  /** When it began. */
  readonly now: number;
  readonly signal: AbortSignal | undefined;
}

/** What could not leave. */
interface Kept {
  /** Points that were to leave, and are in no store. */
  readonly held: number;
  /** Points that are in no store, also of those that need not leave. */
  readonly unsafe: number;
}

/** Cleans scans by a policy. */
export class ScanCleaner {
  readonly #engine: LiveEngine;
  readonly #policy: CheckedPolicy;
  readonly #blobs: RetainedBlobs | undefined;

  constructor(engine: LiveEngine, policy: CheckedPolicy, blobs: RetainedBlobs | undefined) {
    this.#engine = engine;
    this.#policy = policy;
    this.#blobs = blobs;
  }

  /**
   * Looks at a scan, and lets go what may.
   *
   * @returns True if the scan was closed because nothing has come for long.
   */
  async clean(scan: TrackedScan, pass: Pass): Promise<boolean> {
    const { now, signal, report } = pass;
    if (scan.nextLook > now) return false;
    let isLeased = false;
    if (scan.closedAt === undefined) {
      const header = await this.#engine.getScan(scan.key, { signal });
      if (header === undefined) return false;
      scan.noteHeader(header, now);
      isLeased = (header.lease?.remainingMs ?? 0) > 0;
    }
    const kept = await this.#trim(scan, pass, (marks, { length }) => this.#limitOf(scan, marks, length, now));
    report.heldPoints += kept.held;
    if (scan.closedAt !== undefined) {
      await this.#letGo(scan, scan.closedAt, kept, pass);
      return false;
    }
    const isIdle = !isLeased && now - scan.activeAt >= this.#policy.inactiveScanMs;
    if (isIdle) {
      await this.#engine.transition(
        scan.key,
        { from: OPEN_STATES, to: scanStates.CLOSED, endReason: endReasons.LOST },
        { signal },
      );
    }
    return isIdle;
  }

  /**
   * Lets go what was written before a time.
   *
   * @returns Points that would have left, were they in a store.
   */
  async cleanBefore(scan: TrackedScan, time: number, pass: Pass): Promise<number> {
    return (await this.#trim(scan, pass, (marks) => scan.lengthAt(marks, time))).held;
  }

  /** Removes the payloads beside the engine of a scan that is gone, or goes. */
  async removeBlobs(scan: TrackedScan, { signal }: CallOptions): Promise<void> {
    if (this.#blobs === undefined) return;
    for (const stream of scan.streams.keys()) {
      await this.#blobs.trim(stream, Number.MAX_SAFE_INTEGER, { signal });
    }
  }

  async #empty(scan: TrackedScan, { signal }: CallOptions): Promise<void> {
    for (const stream of scan.streams.keys()) await this.#engine.trim(stream, Number.MAX_SAFE_INTEGER, { signal });
  }

  /** The index below which points leave by their age and their number. */
  #limitOf(scan: TrackedScan, marks: StreamMarks, length: number, now: number): number {
    const { maxAgeMs, maxPoints, protectedMs } = this.#policy;
    const byAge = scan.lengthAt(marks, now - Math.max(maxAgeMs, protectedMs));
    const byNumber = Math.min(length - maxPoints, scan.lengthAt(marks, now - protectedMs));
    return Math.max(0, byAge, byNumber);
  }

  async #trim(
    scan: TrackedScan,
    { report, now, signal }: Pass,
    limitOf: (marks: StreamMarks, bounds: Bounds) => number,
  ): Promise<Kept> {
    const streams = [...scan.streams];
    if (streams.length === 0) return { held: 0, unsafe: 0 };
    const keys = streams.map(([key]) => key);
    const all = await this.#engine.bounds(keys, { signal });
    let [held, unsafe] = [0, 0];
    const failures: unknown[] = [];
    for (const [i, [key, marks]] of streams.entries()) {
      const bounds = all[i] as Bounds;
      const { floor, length, durable } = bounds;
      scan.noteBounds(key, bounds, now);
      const safe = this.#policy.lossy ? length : Math.min(durable, length);
      const limit = Math.min(limitOf(marks, bounds), length);
      unsafe += length - Math.max(safe, floor);
      held += Math.max(0, limit - Math.max(safe, floor));
      const before = Math.min(limit, safe);
      if (before <= floor) continue;
      try {
        marks.floor = Math.max(floor, await this.#engine.trim(key, before, { signal }));
        report.points += marks.floor - floor;
        await this.#blobs?.trim(key, marks.floor, { signal });
      } catch (error) {
        // The other streams of the scan have their turn.
        failures.push(error);
      }
    }
    throwFailures(failures, `Streams of ${scan.key} could not be trimmed`);
    return { held, unsafe };
  }

  /** A scan that is CLOSED goes as a whole when its time is over, and is not looked at before there is something to do. */
  async #letGo(scan: TrackedScan, closedAt: number, { held, unsafe }: Kept, pass: Pass): Promise<void> {
    const { maxAgeMs, maxPoints, protectedMs } = this.#policy;
    const { now, signal, report } = pass;
    const leavesAt = closedAt + Math.max(this.#policy.closedScanMs, protectedMs);
    const isOver = leavesAt <= now;
    if (unsafe > 0) {
      if (isOver) report.heldPoints += unsafe - held;
      return;
    }
    if (isOver) {
      // Its events first: nobody meets one whose payload has been removed.
      if (this.#blobs !== undefined) await this.#empty(scan, { signal });
      await this.removeBlobs(scan, { signal });
      await this.#engine.deleteScan(scan.key, { signal });
      report.leaving.push(scan.key);
      return;
    }
    // With payloads of its own it must be here when they go; else it goes even if nobody cleans any more.
    if (this.#blobs === undefined && !scan.isLeaving && leavesAt < Number.POSITIVE_INFINITY) {
      await this.#engine.expire(scan.key, leavesAt - now, { signal });
      scan.isLeaving = true;
      report.leaving.push(scan.key);
    }
    const times = [closedAt + Math.max(maxAgeMs, protectedMs), leavesAt];
    if (maxPoints < Number.POSITIVE_INFINITY) times.push(closedAt + protectedMs);
    scan.nextLook = Math.min(...times.filter((time) => time > now));
  }
}
