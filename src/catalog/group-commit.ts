/** Rows that are written in small groups: one transaction for many, and nobody waits long to see them. */
import type { Clock } from "../core/clock.ts";
import { type ErrorContext, type StorageError, toStorageError } from "../core/errors.ts";
import type { CatalogDatabase, CatalogTransaction, SqlValue } from "./database.ts";

/** Options of a {@link GroupCommit}. */
export interface GroupCommitOptions {
  /** Longest time that a row waits before its group is written, in milliseconds. */
  readonly periodMs: number;
  /** Rows after which a group is written at once. */
  readonly rows: number;
  readonly clock: Clock;
  /** Runs before it is decided which rows are in a group: waits for those that belong to rows that are there. */
  readonly gather: () => Promise<void>;
  /** Runs before each group is written; what it makes visible is what rows of the group refer to. */
  readonly before: () => Promise<void>;
  /** Runs in the transaction of each group. */
  readonly inside: (transaction: CatalogTransaction) => Promise<void>;
  /** Called when a group that nobody waits for could not be written. */
  readonly onError: (error: StorageError) => void;
}

interface Row {
  readonly sql: string;
  readonly params: readonly SqlValue[];
}

/**
 * A queue of rows for one database. Rows are written in the order in which they came, each group in one transaction. A
 * group that could not be written stays, and is tried again with the next call that waits: nothing is dropped.
 */
export class GroupCommit {
  readonly #database: CatalogDatabase;
  readonly #options: GroupCommitOptions;
  readonly #rows: Row[] = [];
  #timer: (() => void) | undefined;
  #committing: Promise<void> | undefined;
  #failure: StorageError | undefined;
  /** Rows written since the beginning. */
  #written = 0;

  constructor(database: CatalogDatabase, options: GroupCommitOptions) {
    this.#database = database;
    this.#options = options;
  }

  /** Rows that are not written yet. */
  get pending(): number {
    return this.#rows.length;
  }

  /** Why the last group could not be written; `undefined` if it was. */
  get failure(): StorageError | undefined {
    return this.#failure;
  }

  /** True if whoever adds rows should wait for {@link GroupCommit.room}. */
  get isFull(): boolean {
    return this.#rows.length >= this.#options.rows;
  }

  /** Adds a row. Its group is written soon. */
  add(sql: string, params: readonly SqlValue[]): void {
    this.#rows.push({ sql, params });
    if (this.isFull) this.#start();
    else this.#arm();
  }

  /** Waits until the group under way has been written or has failed. Never rejects. */
  async room(): Promise<void> {
    await this.#committing?.catch(() => {});
    // Promises alone would never let timers and sockets have their turn while events keep coming.
    await new Promise((resolve) => setImmediate(resolve));
  }

  /**
   * Writes all rows that are there now.
   *
   * @throws A {@link StorageError} as `CatalogDatabase.transaction`; the rows stay.
   */
  async flush(): Promise<void> {
    const wanted = this.#written + this.#rows.length;
    await this.#committing?.catch(() => {});
    while (this.#written < wanted) await this.#commit();
  }

  /** Takes back the timer, and answers how many rows are left: they will not be written. */
  stop(): number {
    this.#timer?.();
    this.#timer = undefined;
    return this.#rows.length;
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#committing !== undefined || this.#failure !== undefined) return;
    this.#timer = this.#options.clock.after(this.#options.periodMs, () => this.#start());
  }

  /** Writes a group that nobody waits for. */
  #start(): void {
    if (this.#committing !== undefined || this.#failure !== undefined) return;
    this.#commit().catch((error: unknown) => this.#options.onError(error as StorageError));
  }

  #commit(): Promise<void> {
    this.#committing ??= this.#write().finally(() => {
      this.#committing = undefined;
      if (this.#rows.length === 0) return;
      if (this.isFull) this.#start();
      else this.#arm();
    });
    return this.#committing;
  }

  async #write(): Promise<void> {
    this.#timer?.();
    this.#timer = undefined;
    const context: ErrorContext = { operation: "commit", identifier: this.#database.location };
    try {
      await this.#options.gather();
      const count = this.#rows.length;
      await this.#options.before();
      await this.#database.transaction(async (transaction) => {
        for (const { sql, rows } of batches(this.#rows, count)) await transaction.runMany(sql, rows);
        await this.#options.inside(transaction);
      });
      this.#rows.splice(0, count);
      this.#written += count;
      this.#failure = undefined;
    } catch (error) {
      this.#failure = toStorageError(error, context);
      throw this.#failure;
    }
  }
}

/** Rows one after the other that have the same statement, together. */
function* batches(
  rows: readonly Row[],
  count: number,
): Generator<{ readonly sql: string; readonly rows: readonly (readonly SqlValue[])[] }> {
  let start = 0;
  for (let at = 1; at <= count; at++) {
    const { sql } = rows[start] as Row;
    if (at < count && rows[at]?.sql === sql) continue;
    yield { sql, rows: rows.slice(start, at).map(({ params }) => params) };
    start = at;
  }
}
