/**
 * What the catalogue needs of a database: SQL that both engines read, transactions of one writer at a time, and a sign
 * that another connection has committed.
 */
import type { OperationOptions } from "../core/byte-store.ts";
import type { Clock } from "../core/clock.ts";
import { StorageError } from "../core/errors.ts";
import type { SqliteLibrary } from "../sqlite/driver.ts";
import type { DialectName, SqlSource, SqlValue } from "./dialect.ts";
import { schemeOf } from "./location.ts";

export type { DialectName, SqlSource, SqlValue } from "./dialect.ts";

/** A transaction under way. Good only inside the function that got it. */
export interface CatalogTransaction extends SqlSource {
  /** Runs a statement. Answers how many rows it changed. */
  run(sql: string, params?: readonly SqlValue[]): Promise<number>;
  /** Runs a statement once for each list of parameters, in order. Answers how many rows changed in all. */
  runMany(sql: string, rows: readonly (readonly SqlValue[])[]): Promise<number>;
  /** Version of a schema in this database; 0 before it was made. */
  version(schema: string): Promise<number>;
  /** Says which version of a schema is there from this transaction on. */
  setVersion(schema: string, version: number): Promise<void>;
}

/**
 * A connection of the catalogue to its database. SQL takes `?` for parameters in both engines; what differs between them
 * is in `dialects`.
 */
export interface CatalogDatabase extends AsyncDisposable {
  /** Which engine it is. */
  readonly dialect: DialectName;
  /** Path of the file, or the URL without its password. */
  readonly location: string;
  /** True if nothing may be written. */
  readonly readOnly: boolean;
  /**
   * All rows of a query, as they are committed. Waits for a transaction of this connection that is under way; inside
   * one, ask the transaction.
   *
   * @param options - `signal` cancels before the query starts.
   * @throws A {@link StorageError}: `CORRUPT`, `CONFLICT` (retryable), `NOT_OPEN`, `ABORTED`, `UNEXPECTED` (retryable if a
   * connection to a server was lost: the next call makes another).
   */
  all<Row = Record<string, unknown>>(
    sql: string,
    params?: readonly SqlValue[],
    options?: OperationOptions,
  ): Promise<Row[]>;
  /**
   * Runs a function while nobody else writes, and commits what it did; nothing of it if it throws. Transactions of one
   * connection run one after the other. Waiting for another connection does not stop the event loop. In PostgreSQL the
   * function is called again, a few times, if a program that is not Sluice stood in its way.
   *
   * @throws What the function threw, or a {@link StorageError}: `CONFLICT` (retryable: another connection wrote for longer
   * than `busyTimeoutMs`; or a rule of the schema does not hold), `NO_SPACE`, `READ_ONLY`, `NOT_OPEN`, `ABORTED`.
   */
  transaction<T>(run: (transaction: CatalogTransaction) => Promise<T>, options?: OperationOptions): Promise<T>;
  /** Version of a schema in this database; 0 before it was made. */
  version(schema: string): Promise<number>;
  /** A text that is another one after another connection has committed something. Costs microseconds. */
  watchToken(options?: OperationOptions): Promise<string>;
  /** Closes the connection, after what is under way. Harmless when repeated. */
  close(): Promise<void>;
}

/** Options of {@link openDatabase}. */
export interface OpenDatabaseOptions {
  /** True: nothing is written, and a file that is not there is an error. Default `false`. */
  readonly readOnly?: boolean | undefined;
  /** How long to try while another connection writes. Default 5000 milliseconds. */
  readonly busyTimeoutMs?: number | undefined;
  /** How long to wait between two tries. Default 3 milliseconds. */
  readonly busyPollMs?: number | undefined;
  /** Where waiting takes the time from. Default: the machine. */
  readonly clock?: Clock | undefined;
  /** Which library reads SQLite files. Default: that of Node, where it has one, else better-sqlite3. */
  readonly driver?: SqliteLibrary | undefined;
  /**
   * Password for PostgreSQL, or what gives it each time that a connection is made. Default: that of the URL, or the
   * variable `PGPASSWORD`.
   */
  readonly password?: string | (() => string | Promise<string>) | undefined;
}

/**
 * Opens the database of a catalogue. Makes a file that is not there, and no tables.
 *
 * @param location - Path of a SQLite file; or a URL `postgres://user@host:port/database?schema=name`, of PostgreSQL 13
 * or newer. The schema is made if it is not there; its name is "sluice" unless another is given.
 * @throws A {@link StorageError}: `CORRUPT`, `NOT_FOUND`, `IS_A_DIRECTORY`, `PERMISSION_DENIED`, `READ_ONLY`,
 * `MISSING_DEPENDENCY`, `UNSUPPORTED` for other URLs; of PostgreSQL `CONFIG_INVALID`, `UNAUTHENTICATED`, and retryable
 * `UNEXPECTED` or `TIMED_OUT` if it cannot be reached.
 */
export async function openDatabase(location: string, options: OpenDatabaseOptions = {}): Promise<CatalogDatabase> {
  const scheme = schemeOf(location);
  if (scheme === "postgres" || scheme === "postgresql") {
    const { openPostgresDatabase } = await import("./postgres-database.ts");
    return openPostgresDatabase(location, options);
  }
  if (scheme !== undefined) {
    const message = `A catalogue is the path of a file or a URL postgres://…, not a URL of "${scheme}"`;
    throw new StorageError("UNSUPPORTED", message, { operation: "openDatabase", identifier: scheme });
  }
  const { openSqliteDatabase } = await import("./sqlite-database.ts");
  return openSqliteDatabase(location, options);
}
