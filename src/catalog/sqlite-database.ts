/** The catalogue's database as a SQLite file. */
import type { OperationOptions } from "../core/byte-store.ts";
import { checkAborted } from "../core/checks.ts";
import { type Clock, pause, systemClock } from "../core/clock.ts";
import { type ErrorContext, StorageError } from "../core/errors.ts";
import type { SqliteDriver, SqliteStatement, SqliteValue } from "../sqlite/driver.ts";
import { isBusy } from "../sqlite/errors.ts";
import { openSqlite } from "../sqlite/open.ts";
import type { CatalogDatabase, CatalogTransaction, OpenDatabaseOptions, SqlValue } from "./database.ts";
import { Turns } from "./turns.ts";

/** How a connection waits for others. */
interface Waiting {
  readonly timeoutMs: number;
  readonly pollMs: number;
  readonly clock: Clock;
}

/** Opens a file; see `openDatabase`. */
export async function openSqliteDatabase(path: string, options: OpenDatabaseOptions = {}): Promise<CatalogDatabase> {
  const { readOnly = false, busyTimeoutMs = 5000, busyPollMs = 3, clock = systemClock, driver } = options;
  const waiting = { timeoutMs: busyTimeoutMs, pollMs: busyPollMs, clock };
  const context = { operation: "openDatabase", identifier: path };
  // SQLite's own waiting would stop the event loop, so that is left at nothing.
  const open = () => openSqlite(path, { readOnly, busyTimeoutMs: 0, driver });
  return new SqliteDatabase(await whenFree(open, waiting, undefined, context), path, readOnly, waiting);
}

class SqliteDatabase implements CatalogDatabase {
  readonly dialect = "sqlite";
  readonly location: string;
  readonly readOnly: boolean;
  readonly #driver: SqliteDriver;
  readonly #waiting: Waiting;
  readonly #turns = new Turns();
  #isClosed = false;

  constructor(driver: SqliteDriver, location: string, readOnly: boolean, waiting: Waiting) {
    this.#driver = driver;
    this.location = location;
    this.readOnly = readOnly;
    this.#waiting = waiting;
  }

  async all<Row>(sql: string, params: readonly SqlValue[] = [], { signal }: OperationOptions = {}): Promise<Row[]> {
    while (this.#turns.taken !== undefined) await this.#turns.taken;
    const context = { operation: "all", identifier: this.location };
    checkAborted(signal, context);
    return whenFree(() => this.#driver.all<Row>(sql, values(params)), this.#waiting, signal, context);
  }

  async transaction<T>(
    run: (transaction: CatalogTransaction) => Promise<T>,
    { signal }: OperationOptions = {},
  ): Promise<T> {
    const context = { operation: "transaction", identifier: this.location };
    if (this.readOnly) {
      throw new StorageError("READ_ONLY", `"${this.location}" was opened for reading only`, context);
    }
    return this.#turns.take(() => this.#transact(run, signal, context));
  }

  async version(): Promise<number> {
    const [row] = await this.all<{ user_version: number }>("PRAGMA user_version");
    return row?.user_version ?? 0;
  }

  async watchToken(options: OperationOptions = {}): Promise<string> {
    const [row] = await this.all<{ data_version: number }>("PRAGMA data_version", [], options);
    return String(row?.data_version);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    while (this.#turns.taken !== undefined) await this.#turns.taken;
    this.#driver.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #transact<T>(
    run: (transaction: CatalogTransaction) => Promise<T>,
    signal: AbortSignal | undefined,
    context: ErrorContext,
  ): Promise<T> {
    // The lock for writing is taken at the beginning: what was read inside is then still true when it is written.
    await whenFree(() => this.#driver.exec("BEGIN IMMEDIATE"), this.#waiting, signal, context);
    const transaction = new SqliteTransaction(this.#driver);
    try {
      const result = await run(transaction);
      this.#driver.exec("COMMIT");
      return result;
    } catch (error) {
      this.#rollBack();
      throw error;
    } finally {
      transaction.end();
    }
  }

  #rollBack(): void {
    try {
      this.#driver.exec("ROLLBACK");
    } catch (error) {
      // A full disk has rolled back already, and then there is nothing left to roll back. The first error is the one
      // that says what happened.
      if (!(error instanceof StorageError) || error.code !== "UNEXPECTED") throw error;
    }
  }
}

class SqliteTransaction implements CatalogTransaction {
  readonly #prepared = new Map<string, SqliteStatement>();
  #driver: SqliteDriver | undefined;

  constructor(driver: SqliteDriver) {
    this.#driver = driver;
  }

  end(): void {
    this.#driver = undefined;
    this.#prepared.clear();
  }

  async all<Row>(sql: string, params: readonly SqlValue[] = []): Promise<Row[]> {
    return this.#open().all<Row>(sql, values(params));
  }

  async run(sql: string, params: readonly SqlValue[] = []): Promise<number> {
    return this.#open().run(sql, values(params)).changes;
  }

  async runMany(sql: string, rows: readonly (readonly SqlValue[])[]): Promise<number> {
    const driver = this.#open();
    let changes = 0;
    for (const row of rows) changes += driver.run(sql, values(row)).changes;
    return changes;
  }

  async version(): Promise<number> {
    return this.#open().all<{ user_version: number }>("PRAGMA user_version")[0]?.user_version ?? 0;
  }

  async setVersion(_schema: string, version: number): Promise<void> {
    this.#open().exec(`PRAGMA user_version = ${Math.trunc(version)}`);
  }

  #open(): SqliteDriver {
    if (this.#driver !== undefined) return this.#driver;
    throw new StorageError("NOT_OPEN", "The transaction has ended", { operation: "transaction" });
  }
}

/** Parameters as SQLite takes them. */
function values(params: readonly SqlValue[]): readonly SqliteValue[] {
  return params.some((value) => typeof value === "boolean")
    ? params.map((value) => (typeof value === "boolean" ? Number(value) : value))
    : (params as readonly SqliteValue[]);
}

/** Tries until no other connection is in the way. */
async function whenFree<T>(
  run: () => T | Promise<T>,
  { timeoutMs, pollMs, clock }: Waiting,
  signal: AbortSignal | undefined,
  context: ErrorContext,
): Promise<T> {
  const started = clock.now();
  for (;;) {
    checkAborted(signal, context);
    try {
      return await run();
    } catch (error) {
      if (!isBusy(error) || clock.now() - started >= timeoutMs) throw error;
    }
    await pause(clock, pollMs, signal, context);
  }
}
