/**
 * SQLite through five methods: what the catalogue and live streams need of it, whichever library does the work.
 *
 * Both libraries are synchronous: a call has finished when it returns, and while it waits for another process the event
 * loop stands still. Whoever can wait elsewhere opens with a small `busyTimeoutMs` and tries again.
 */

/** A value in a row or a parameter. Booleans are written as 0 and 1; integers beyond 2^53 are not kept exactly. */
export type SqliteValue = null | number | bigint | string | Uint8Array;

/** A row by column name. */
export type SqliteRow = Record<string, SqliteValue>;

/** What a statement changed. */
export interface SqliteChanges {
  /** Rows inserted, updated or deleted by the statement. */
  readonly changes: number;
  /** `rowid` of the row that this connection inserted last. */
  readonly lastInsertRowid: number;
}

/** A prepared statement; good until its driver closes. */
export interface SqliteStatement {
  /** Runs it for its effect. Rows that it returns are dropped. */
  run(params?: readonly SqliteValue[]): SqliteChanges;
  /** All rows that it returns; none for a statement that returns nothing. */
  all<Row = SqliteRow>(params?: readonly SqliteValue[]): Row[];
  /** Rows one by one. Nothing else may run on the connection until the iteration has ended. */
  iterate<Row = SqliteRow>(params?: readonly SqliteValue[]): IterableIterator<Row>;
}

/**
 * One connection to a database file.
 *
 * Every failure is a `StorageError` that names the file: `CORRUPT` (damaged, or no database), `NO_SPACE`, `READ_ONLY`,
 * `PERMISSION_DENIED`, `CONFLICT` (retryable: another connection writes, and `busyTimeoutMs` has passed; otherwise a
 * constraint does not hold), `NOT_OPEN` after {@link SqliteDriver.close}, and `UNEXPECTED` for wrong SQL.
 */
export interface SqliteDriver {
  /** Runs one or several statements without parameters. */
  exec(sql: string): void;
  /** Prepares a statement. The caller keeps it: `run` and `all` keep those they made. */
  prepare(sql: string): SqliteStatement;
  /** Prepares, once for each text, and runs. */
  run(sql: string, params?: readonly SqliteValue[]): SqliteChanges;
  /** Prepares, once for each text, and answers all rows. */
  all<Row = SqliteRow>(sql: string, params?: readonly SqliteValue[]): Row[];
  /** Closes the connection; an open transaction is rolled back. Harmless when repeated. */
  close(): void;
}

/** Which library does the work. */
export type SqliteLibrary = "node:sqlite" | "better-sqlite3";
