/** A beamtime database that is open for one writer: its lease, its sample, and its rows in groups. */
import { randomUUID } from "node:crypto";
import { type Clock, systemClock } from "../core/clock.ts";
import { StorageError, toStorageError } from "../core/errors.ts";
import { type CatalogDatabase, openDatabase } from "./database.ts";
import { GroupCommit } from "./group-commit.ts";
import { migrate } from "./migrations.ts";
import type { OpenRun } from "./open-run.ts";
import type { RunWriterOptions } from "./run-writer-types.ts";
import { type SampleMetadata, upsertSample } from "./sample.ts";
import { beamtimeSchema } from "./schema.ts";
import { markLostRuns, WriterLease } from "./writer-lease.ts";

/** Seconds since 1970-01-01 UTC. */
export type Time = () => number;

/** Opened by {@link BeamtimeConnection.open}. */
export class BeamtimeConnection {
  readonly database: CatalogDatabase;
  readonly group: GroupCommit;
  readonly lease: WriterLease;
  /** Number of the sample. */
  readonly sampleId: number;
  /** Runs that were marked lost. */
  readonly lost: readonly string[];
  /** The run that is being written. */
  run: OpenRun | undefined;
  readonly #options: RunWriterOptions;
  readonly #time: Time;
  readonly #clock: Clock;
  #stopHeartbeat: () => void = () => {};
  #isClosed = false;

  /**
   * Opens the file, makes it or brings it up to date, finds or makes the sample, and marks lost runs.
   *
   * @throws A {@link StorageError} as `RunWriter.open`; nothing stays open then.
   */
  static async open(
    path: string,
    sample: SampleMetadata,
    time: Time,
    options: RunWriterOptions,
  ): Promise<BeamtimeConnection> {
    const database = await openDatabase(path, { ...options, readOnly: false });
    try {
      await migrate(database, beamtimeSchema);
      const lease = new WriterLease(randomUUID(), options.leaseSeconds ?? 60);
      const [sampleId, lost] = await database.transaction(async (transaction) => {
        const id = await upsertSample(transaction, sample);
        const runs = await markLostRuns(transaction, time());
        await lease.renew(transaction, time());
        return [id, runs] as const;
      });
      return new BeamtimeConnection(database, lease, sampleId, lost, time, options);
    } catch (error) {
      await database.close();
      throw error;
    }
  }

  private constructor(
    database: CatalogDatabase,
    lease: WriterLease,
    sampleId: number,
    lost: readonly string[],
    time: Time,
    options: RunWriterOptions,
  ) {
    const { commitMs = 20, commitRows = 256, clock = systemClock, onError = () => {} } = options;
    this.database = database;
    this.lease = lease;
    this.sampleId = sampleId;
    this.lost = lost;
    this.#time = time;
    this.#clock = clock;
    this.#options = options;
    this.group = new GroupCommit(database, {
      periodMs: commitMs,
      rows: commitRows,
      clock,
      gather: async () => {
        const images = this.run?.images;
        // An image that takes longer comes with a later group: its event does not wait for it.
        if (images?.isBusy) await atMost(clock, commitMs, images.settled());
      },
      before: async () => this.run?.images.publish(),
      inside: async (transaction) => {
        const now = time();
        if (lease.isDue(now)) await lease.renew(transaction, now, this.run?.uid);
      },
      onError,
    });
    this.#beatLater();
  }

  /**
   * Closes it, whatever fails.
   *
   * @throws A {@link StorageError} with the number of rows that were accepted and could not be committed.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopHeartbeat();
    const left = this.group.stop();
    try {
      // Also with a run that could not be ended: nobody writes it any more, and the next writer finds it lost.
      await this.database.transaction((transaction) => this.lease.end(transaction));
    } catch (error) {
      // What keeps rows from being committed may keep this one too, and then the rows are what to tell of.
      if (left === 0) throw error;
    } finally {
      await this.database.close();
    }
    if (left === 0) return;
    const { failure } = this.group;
    const message = `${left} rows of "${this.database.location}" could not be committed and are lost`;
    const context = { operation: "close", identifier: this.database.location, cause: failure };
    throw new StorageError(failure?.code ?? "UNEXPECTED", message, context);
  }

  #beatLater(): void {
    if (this.#isClosed) return;
    const { leaseSeconds = 60 } = this.#options;
    const beat = () => void this.#beat();
    this.#stopHeartbeat = this.#clock.after((leaseSeconds * 1000) / 3, beat, { isBackground: true });
  }

  async #beat(): Promise<void> {
    try {
      const now = this.#time();
      if (this.lease.isDue(now)) {
        await this.database.transaction((transaction) => this.lease.renew(transaction, now, this.run?.uid));
      }
    } catch (error) {
      const context = { operation: "heartbeat", identifier: this.database.location };
      this.#options.onError?.(toStorageError(error, context));
    }
    this.#beatLater();
  }
}

/** Resolves with a promise, or when the time is over. */
async function atMost(clock: Clock, ms: number, promise: Promise<void>): Promise<void> {
  await new Promise<void>((resolve) => {
    const cancel = clock.after(ms, resolve);
    void promise.then(() => {
      cancel();
      resolve();
    });
  });
}
