/** Rows that are written in small groups: one transaction for many, and nobody waits long to see them. */
import type { Clock } from "../core/clock.ts";
import { isStorageError, StorageError, toStorageError } from "../core/errors.ts";
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
 * group that could not be written stays, and is tried again with the next call that waits: nothing is dropped. Only a row
 * that the schema has a rule against (a name that is taken) is left out, since it would keep all others from being
 * written: it is reported, and counted.
 */
export class GroupCommit {
  readonly #database: CatalogDatabase;
  readonly #options: GroupCommitOptions;
  readonly #rows: Row[] = [];
  #timer: (() => void) | undefined;
  #committing: Promise<void> | undefined;
  #failure: StorageError | undefined;
  /** Says of rows that were left out why; until somebody has been told. */
  #refusal: StorageError | undefined;
  /** Rows written, and left out, since the beginning. */
  #done = 0;
  #refused = 0;

  constructor(database: CatalogDatabase, options: GroupCommitOptions) {
    this.#database = database;
    this.#options = options;
  }

  /** Rows that are not written yet. */
  get pending(): number {
    return this.#rows.length;
  }

  /** Rows that were left out. */
  get refused(): number {
    return this.#refused;
  }

  /** What {@link GroupCommit.flush} would throw of groups before; `undefined` if all is well. */
  get failure(): StorageError | undefined {
    return this.#failure ?? this.#refusal;
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
   * @throws A {@link StorageError} as `CatalogDatabase.transaction`, and the rows stay; or, once, why some were left out,
   * with all others written.
   */
  async flush(): Promise<void> {
    const wanted = this.#done + this.#rows.length;
    await this.#committing?.catch(() => {});
    while (this.#done < wanted) await this.#commit();
    const refusal = this.#refusal;
    this.#refusal = undefined;
    if (refusal !== undefined) throw refusal;
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
    try {
      await this.#options.gather();
      const rows = this.#rows.slice();
      await this.#options.before();
      const refusals = await this.#insert(rows);
      this.#rows.splice(0, rows.length);
      this.#done += rows.length;
      this.#failure = undefined;
      if (refusals.length > 0) this.#report(refusals);
    } catch (error) {
      this.#failure = toStorageError(error, { operation: "commit", identifier: this.#database.location });
      throw this.#failure;
    }
  }

  /** Writes rows in one transaction. Answers why some of them were left out. */
  async #insert(rows: readonly Row[]): Promise<StorageError[]> {
    try {
      await this.#database.transaction(async (transaction) => {
        for (const batch of batches(rows)) await transaction.runMany(batch.sql, batch.rows);
        await this.#options.inside(transaction);
      });
      return [];
    } catch (error) {
      if (!isRule(error)) throw error;
    }
    return this.#database.transaction(async (transaction) => {
      const refusals: StorageError[] = [];
      for (const { sql, params } of rows) {
        await transaction.run("SAVEPOINT one_row");
        try {
          await transaction.run(sql, params);
        } catch (error) {
          if (!isRule(error)) throw error;
          refusals.push(error);
          await transaction.run("ROLLBACK TO SAVEPOINT one_row");
        }
        await transaction.run("RELEASE SAVEPOINT one_row");
      }
      await this.#options.inside(transaction);
      return refusals;
    });
  }

  #report(refusals: readonly StorageError[]): void {
    this.#refused += refusals.length;
    const [cause] = refusals;
    const what = refusals.length === 1 ? "A row was" : `${refusals.length} rows were`;
    const message = `${what} left out: ${cause?.message}. All others were written`;
    const context = { operation: "commit", identifier: this.#database.location, cause };
    this.#refusal = new StorageError("CONFLICT", message, context);
    this.#options.onError(this.#refusal);
  }
}

/** True if the schema has a rule against a row: trying again would not help. */
function isRule(error: unknown): error is StorageError {
  return isStorageError(error, "CONFLICT", "INVALID_DATA") && !error.retryable;
}

/** Rows one after the other that have the same statement, together. */
function* batches(
  rows: readonly Row[],
): Generator<{ readonly sql: string; readonly rows: readonly (readonly SqlValue[])[] }> {
  let start = 0;
  for (let at = 1; at <= rows.length; at++) {
    const { sql } = rows[start] as Row;
    if (rows[at]?.sql === sql) continue;
    yield { sql, rows: rows.slice(start, at).map(({ params }) => params) };
    start = at;
  }
}
