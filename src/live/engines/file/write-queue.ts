/** Writes to the index: one transaction for all that is asked for in one turn. */
import { checkAborted, checkOpen } from "../../../core/checks.ts";
import { type Clock, pause } from "../../../core/clock.ts";
import { type ErrorContext, located, StorageError, toStorageError } from "../../../core/errors.ts";
import type { SqliteDriver } from "../../../sqlite/driver.ts";
import { isBusy, sqliteResult } from "../../../sqlite/errors.ts";

/** Calls in one transaction: a few milliseconds, then others have a turn. */
const GROUP = 1000;

/** How a {@link WriteQueue} waits for other processes. */
export interface BusyOptions {
  /** How long it waits for another process that writes. */
  readonly timeoutMs: number;
  /** How often it asks meanwhile. */
  readonly pollMs: number;
  readonly clock: Clock;
}

/** What the owner of a {@link WriteQueue} does in its transactions. */
export interface WriteQueueHooks {
  /** Runs before each commit, in the transaction. */
  readonly beforeCommit: () => void;
  /** Runs after each commit and after each rollback. */
  readonly afterEnd: (isCommitted: boolean) => void;
}

/** One change. */
export interface Write<T> {
  /** Runs before the transaction; what it writes is not seen before that. */
  readonly prepare?: (() => Promise<void>) | undefined;
  /** Runs in the transaction, perhaps again after a rollback. What it refuses it refuses before it has changed anything. */
  readonly run: () => T;
  readonly signal?: AbortSignal | undefined;
  readonly context: ErrorContext;
}

interface Waiting extends Write<unknown> {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  isPrepared: boolean;
}

type Outcome = { readonly value: unknown } | { readonly error: unknown };

/** Changes in the order in which they were asked for. */
export class WriteQueue {
  readonly #driver: SqliteDriver;
  readonly #busy: BusyOptions;
  readonly #hooks: WriteQueueHooks;
  #waiting: Waiting[] = [];
  #working: Promise<void> | undefined;
  #isOpen = true;

  constructor(driver: SqliteDriver, busy: BusyOptions, hooks: WriteQueueHooks) {
    this.#driver = driver;
    this.#busy = busy;
    this.#hooks = hooks;
  }

  /**
   * Resolves with what the change answers, once it is committed.
   *
   * @throws A {@link StorageError}: what the change refuses with; `CONFLICT`, retryable, if another process wrote all the
   * time; `NO_SPACE`, `READ_ONLY`, `CORRUPT`, `ABORTED`, `NOT_OPEN`.
   */
  write<T>(write: Write<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      checkOpen(this.#isOpen, "The engine", write.context);
      this.#waiting.push({ ...write, resolve: resolve as (value: unknown) => void, reject, isPrepared: false });
      this.#working ??= this.#work();
    });
  }

  /** A transaction of its own, at once; only for what {@link Write.prepare} needs. */
  async transact<T>(run: () => T): Promise<T> {
    return await this.#locked(() => {
      try {
        const value = run();
        this.#driver.run("COMMIT");
        return value;
      } catch (error) {
        rollBack(this.#driver);
        throw error;
      }
    });
  }

  /** Takes nothing more, and resolves when what was asked for before has ended. */
  async close(): Promise<void> {
    this.#isOpen = false;
    await this.#working;
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0) {
      // The end of the turn: whoever else has something to write comes along, and timers and sockets have theirs.
      await new Promise((resolve) => setImmediate(resolve));
      await this.#commit(this.#waiting.splice(0, GROUP));
    }
    this.#working = undefined;
  }

  /** Commits a group, or, if something in it breaks the transaction, each alone. Never rejects. */
  async #commit(group: readonly Waiting[]): Promise<void> {
    const ready: Waiting[] = [];
    for (const write of group) if (await this.#prepare(write)) ready.push(write);
    if (ready.length === 0) return;
    try {
      const outcomes = await this.#locked(() => this.#transactAll(ready));
      for (const [i, outcome] of outcomes.entries()) {
        const write = ready[i] as Waiting;
        if ("value" in outcome) write.resolve(outcome.value);
        else write.reject(outcome.error);
      }
    } catch (error) {
      const [only] = ready;
      if (ready.length === 1 && only !== undefined) only.reject(failure(error, only.context));
      else for (const write of ready) await this.#commit([write]);
    }
  }

  async #prepare(write: Waiting): Promise<boolean> {
    try {
      if (!write.isPrepared) {
        checkAborted(write.signal, write.context);
        await write.prepare?.();
        write.isPrepared = true;
      }
      return true;
    } catch (error) {
      write.reject(failure(error, write.context));
      return false;
    }
  }

  #transactAll(group: readonly Waiting[]): Outcome[] {
    try {
      const outcomes = group.map((write) => outcomeOf(write));
      this.#hooks.beforeCommit();
      this.#driver.run("COMMIT");
      this.#hooks.afterEnd(true);
      return outcomes;
    } catch (error) {
      rollBack(this.#driver);
      this.#hooks.afterEnd(false);
      throw error;
    }
  }

  /**
   * Takes the lock, and runs at once: whoever reads on this connection in between would be in the transaction. SQLite's
   * own waiting would stop the event loop, so it is asked again and again.
   */
  async #locked<T>(run: () => T): Promise<T> {
    const { timeoutMs, pollMs, clock } = this.#busy;
    const started = clock.now();
    for (;;) {
      try {
        this.#driver.run("BEGIN IMMEDIATE");
        break;
      } catch (error) {
        if (!isBusy(error) || clock.now() - started >= timeoutMs) throw error;
      }
      await pause(clock, pollMs, undefined, {});
    }
    return run();
  }
}

/** Ends a transaction and undoes what it has changed. */
export function rollBack(driver: SqliteDriver): void {
  try {
    driver.run("ROLLBACK");
  } catch (error) {
    // A full disk has rolled back already, and then there is nothing left to roll back. The first error is the one
    // that says what happened.
    if (!(error instanceof StorageError) || error.code !== "UNEXPECTED") throw error;
  }
}

function outcomeOf(write: Waiting): Outcome {
  try {
    checkAborted(write.signal, write.context);
    return { value: write.run() };
  } catch (error) {
    // What SQLite itself throws may leave a change half made: the transaction is over.
    if (!(error instanceof StorageError) || sqliteResult(error.cause) !== undefined) throw error;
    return { error: failure(error, write.context) };
  }
}

function failure(error: unknown, context: ErrorContext): StorageError {
  return located(toStorageError(error, context), context);
}
