/** Lets old points and old scans leave a store. */
import { mapBatch } from "../../core/batch.ts";
import { checkAborted } from "../../core/checks.ts";
import { type Clock, pause, systemClock } from "../../core/clock.ts";
import { isStorageError, StorageError } from "../../core/errors.ts";
import type { CallOptions, LiveEngine, LiveUsage } from "../engine.ts";
import { allScans } from "./all-scans.ts";
import { removeOrphans } from "./orphaned-blobs.ts";
import { type CheckedPolicy, checkPolicy, type RetentionPolicy } from "./policy.ts";
import { emptyReport, type RetentionEvent, type RetentionReport } from "./report.ts";
import { type Pass, type RetainedBlobs, ScanCleaner } from "./scan-cleaner.ts";
import { TrackedScan } from "./tracked-scan.ts";

/** How often payloads are looked for that belong to no scan, and the least time for which nothing was written to them. */
const HOUR_MS = 3_600_000;

/** Steps in which the oldest points leave a store that is too full: each a part of the time that may leave. */
const SLICES = 5;

/** Options of a {@link Retention}. */
export interface RetentionOptions {
  /** Time from the end of a pass of {@link Retention.run} to the next. Default 30,000 ms. */
  readonly intervalMs?: number | undefined;
  readonly clock?: Clock | undefined;
  /** Is told what somebody should know of. */
  readonly onEvent?: ((event: RetentionEvent) => void) | undefined;
  /** Payloads beside the engine, which leave with the points that refer to them. */
  readonly blobs?: RetainedBlobs | undefined;
  /**
   * Payloads of streams that no scan has leave too, once nothing was written to them for so long: those of scans that were
   * deleted while nobody cleaned. Looked for by the first pass, and once an hour. **Only for a place that no other store of
   * scans has**: what that refers to looks the same. Not below an hour. Default: they stay.
   */
  readonly orphansMs?: number | undefined;
}

/**
 * Keeps a store from growing without end. It works on any engine, by its contract alone, and in any number of processes
 * at once: what one has removed the others find gone, and rules of several hold together.
 *
 * It remembers how long streams were when, which no engine does: points that were there before its first pass count as
 * written then. Of scans that are CLOSED the engine knows since when.
 */
export class Retention {
  readonly #engine: LiveEngine;
  readonly #policy: CheckedPolicy;
  readonly #cleaner: ScanCleaner;
  readonly #intervalMs: number;
  readonly #clock: Clock;
  readonly #onEvent: (event: RetentionEvent) => void;
  readonly #orphans: { readonly blobs: RetainedBlobs; readonly unwrittenMs: number } | undefined;
  #nextOrphans = Number.NEGATIVE_INFINITY;
  #scans = new Map<string, TrackedScan>();
  #isPassing = false;

  /**
   * @param engine - Borrowed.
   * @throws A {@link StorageError} `CONFIG_INVALID` for a policy that cannot be.
   */
  constructor(engine: LiveEngine, policy: RetentionPolicy = {}, options: RetentionOptions = {}) {
    this.#engine = engine;
    this.#policy = checkPolicy(policy);
    this.#cleaner = new ScanCleaner(engine, this.#policy, options.blobs);
    const { blobs, orphansMs } = options;
    if (blobs !== undefined && orphansMs !== undefined) {
      this.#orphans = { blobs, unwrittenMs: Math.max(orphansMs, HOUR_MS) };
    }
    this.#intervalMs = options.intervalMs ?? 30_000;
    this.#clock = options.clock ?? systemClock;
    this.#onEvent = options.onEvent ?? (() => {});
  }

  /**
   * Looks at every scan once, and removes what may leave. A scan that cannot be read or cleaned is in the report, and
   * keeps no other from being cleaned.
   *
   * @throws A {@link StorageError}: `CONFLICT` while another pass of this object is under way, `ABORTED`, and what the
   * engine says if it cannot even name its scans.
   */
  async pass({ signal }: CallOptions = {}): Promise<RetentionReport> {
    checkAborted(signal, { operation: "pass" });
    if (this.#isPassing) throw new StorageError("CONFLICT", "A pass of this retention is under way");
    this.#isPassing = true;
    try {
      const pass = { report: emptyReport(), now: this.#clock.now(), signal };
      await this.#closeLost(pass);
      await this.#cleanAll(pass);
      await this.#relieve(pass);
      await this.#removeOrphans(pass);
      return pass.report;
    } finally {
      this.#isPassing = false;
    }
  }

  /**
   * Makes a pass now, and another whenever the interval is over, until the signal fires. A pass that fails is an event,
   * and the next one is tried.
   *
   * @param options - `onReport` is told what each pass did.
   * @throws A {@link StorageError} `NOT_OPEN` once the engine is closed.
   */
  async run(options: CallOptions & { readonly onReport?: (report: RetentionReport) => void } = {}): Promise<void> {
    const { signal, onReport } = options;
    while (!signal?.aborted) {
      try {
        const report = await this.pass({ signal });
        onReport?.(report);
      } catch (error) {
        if (signal?.aborted) return;
        if (isStorageError(error, "NOT_OPEN")) throw error;
        this.#onEvent({ type: "failed", error });
      }
      await pause(this.#clock, this.#intervalMs, signal, { operation: "run" }).catch((error: unknown) => {
        if (!signal?.aborted) throw error;
      });
    }
  }

  /** Scans whose writers stopped renewing their leases. */
  async #closeLost(pass: Pass): Promise<void> {
    try {
      for (const scan of await this.#engine.closeLost({ signal: pass.signal })) this.#closed(scan, "lease", pass);
    } catch (error) {
      this.#failed(error, undefined, pass);
    }
  }

  async #cleanAll(pass: Pass): Promise<void> {
    const before = this.#scans;
    const there = new Map<string, TrackedScan>();
    const clean = async (key: string) => {
      const scan = before.get(key) ?? new TrackedScan(key, pass.now);
      there.set(key, scan);
      pass.report.scans++;
      if (await this.#cleaner.clean(scan, pass)) this.#closed(key, "inactive", pass);
    };
    for await (const keys of allScans(this.#engine, pass.signal)) await this.#each(keys, pass, clean);
    // A history that another process has shortened is no reason to think that scans are gone, with their payloads.
    const missing = [...before.keys()].filter((key) => !there.has(key));
    const states = missing.length > 0 ? await this.#engine.getStates(missing, { signal: pass.signal }) : [];
    const isGone = new Set(missing.filter((_, i) => states[i] === undefined));
    await this.#each(
      missing.filter((key) => !isGone.has(key)),
      pass,
      clean,
    );
    this.#scans = there;
    await this.#each([...isGone], pass, async (key) => {
      const scan = before.get(key) as TrackedScan;
      // Remembered until its payloads are gone too: the next pass tries again.
      there.set(key, scan);
      await this.#cleaner.removeBlobs(scan, pass);
      there.delete(key);
    });
  }

  /** Lets the oldest points of all streams leave, until the store is as small as it should be. */
  async #relieve(pass: Pass): Promise<void> {
    try {
      let usage = await this.#engine.usage({ signal: pass.signal });
      const targetBytes = this.#targetOf(usage);
      if (usage.bytes <= targetBytes) return;
      const latest = pass.now - this.#policy.protectedMs;
      const oldest = this.#oldest();
      let heldPoints = 0;
      for (let slice = 1; slice <= SLICES && oldest <= latest; slice++) {
        heldPoints = await this.#cleanBefore(oldest + ((latest - oldest) * slice) / SLICES, pass);
        usage = await this.#engine.usage({ signal: pass.signal });
        if (usage.bytes <= targetBytes) return;
      }
      pass.report.heldPoints = Math.max(pass.report.heldPoints, heldPoints);
      this.#onEvent({ type: "critical", usage, targetBytes, heldPoints });
    } catch (error) {
      this.#failed(error, undefined, pass);
    }
  }

  async #removeOrphans(pass: Pass): Promise<void> {
    if (this.#orphans === undefined || pass.now < this.#nextOrphans) return;
    try {
      await removeOrphans(this.#engine, this.#orphans.blobs, this.#orphans.unwrittenMs, pass);
      this.#nextOrphans = pass.now + HOUR_MS;
    } catch (error) {
      this.#failed(error, undefined, pass);
    }
  }

  async #cleanBefore(time: number, pass: Pass): Promise<number> {
    const due = [...this.#scans.values()].filter(({ oldest }) => oldest !== undefined && oldest <= time);
    let held = 0;
    await this.#each(
      due.map(({ key }) => key),
      pass,
      async (key) => {
        held += await this.#cleaner.cleanBefore(this.#scans.get(key) as TrackedScan, time, pass);
      },
    );
    return held;
  }

  /** Several scans at a time; one that fails keeps no other from its turn. */
  async #each(keys: readonly string[], pass: Pass, work: (key: string) => Promise<void>): Promise<void> {
    const tried = async (key: string) => {
      try {
        await work(key);
      } catch (error) {
        this.#failed(error, key, pass);
      }
    };
    await mapBatch(keys, tried, { signal: pass.signal }, () => undefined);
  }

  #targetOf({ limit }: LiveUsage): number {
    return Math.min(
      this.#policy.maxBytes,
      limit === undefined ? Number.POSITIVE_INFINITY : limit * this.#policy.pressure,
    );
  }

  #oldest(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const scan of this.#scans.values()) oldest = Math.min(oldest, scan.oldest ?? oldest);
    return oldest;
  }

  #closed(scan: string, reason: "lease" | "inactive", { report }: Pass): void {
    report.closed.push(scan);
    this.#onEvent({ type: "closed", scan, reason });
  }

  #failed(error: unknown, scan: string | undefined, { report, signal }: Pass): void {
    if (signal?.aborted) throw error;
    // It was deleted, or closed by its producer, while it was looked at.
    if (scan !== undefined && isStorageError(error, "NOT_FOUND", "CONFLICT")) return;
    const failure = { ...(scan !== undefined && { scan }), error };
    report.failed.push(failure);
    this.#onEvent({ type: "failed", ...failure });
  }
}
