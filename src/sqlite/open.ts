/** Opens SQLite files. */
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { StorageError } from "../core/errors.ts";
import type { SqliteDriver, SqliteLibrary, SqliteRow, SqliteStatement, SqliteValue } from "./driver.ts";
import { sqliteError, sqliteResult } from "./errors.ts";
import { loadSqlite, type NativeConnection, type NativeLibrary, type NativeStatement } from "./native.ts";

/** Options of {@link openSqlite}. */
export interface OpenSqliteOptions {
  /** True: nothing is written, and a file that is not there is an error. Default `false`. */
  readonly readOnly?: boolean | undefined;
  /**
   * How long a call waits, and with it the event loop, for another connection that writes. Default 5000 milliseconds.
   */
  readonly busyTimeoutMs?: number | undefined;
  /**
   * True: a file that is made can become smaller, by `PRAGMA incremental_vacuum`. It costs a page in a thousand. Without
   * effect on a file that is there. Default `false`.
   */
  readonly canShrink?: boolean | undefined;
  /** Which library does the work. Default: that of Node, where it has one, else better-sqlite3. */
  readonly driver?: SqliteLibrary | undefined;
}

/** Where a database that is nowhere lies: in memory, for one connection. */
const IN_MEMORY = ":memory:";

/**
 * What SQLite says where it cannot make the files beside a database: one on a file system that cannot be written, the
 * other in a folder that this user may not write to.
 */
const CANNOT_MAKE_LOG: readonly (number | undefined)[] = [14, 8];

/** How many statements `run` and `all` keep. */
const KEPT_STATEMENTS = 100;

/**
 * Opens a database file; makes it if it is not there. Writers keep a write-ahead log beside it (`-wal`, `-shm`), so that
 * others read while one writes. A commit survives the end of the process; after a power cut the last commits may be
 * missing, and the file is whole. Foreign keys are enforced.
 *
 * A file that cannot be opened or is no database is left as it was. On a medium or in a folder that cannot be written, a
 * file that was closed properly can be read; better-sqlite3 reads it into memory for that.
 *
 * @param path - File, absolute or relative to the working directory; `":memory:"` for one of this connection alone.
 * @throws A {@link StorageError}: `CORRUPT`, `NOT_FOUND` (no such file to read, no such folder to write), `IS_A_DIRECTORY`,
 * `PERMISSION_DENIED`, `READ_ONLY`, `MISSING_DEPENDENCY`.
 */
export async function openSqlite(path: string, options: OpenSqliteOptions = {}): Promise<SqliteDriver> {
  const { readOnly = false, busyTimeoutMs = 5000, canShrink = false, driver } = options;
  const library = await loadSqlite(driver);
  const location = path === IN_MEMORY ? path : resolve(path);
  if (location !== IN_MEMORY) await checkPlace(location, readOnly);
  try {
    const connection = await connect(library, location, readOnly);
    return setUp(new Connection(connection, location), { readOnly, busyTimeoutMs, canShrink });
  } catch (error) {
    throw sqliteError(error, location, "openSqlite");
  }
}

/** What SQLite would report as "unable to open" whatever the reason was. */
async function checkPlace(path: string, readOnly: boolean): Promise<void> {
  const found = await stat(path).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw placeError(error, path);
    if (readOnly) throw placeError(error, path);
    await access(dirname(path), constants.W_OK).catch((cause: NodeJS.ErrnoException) => {
      throw placeError(cause, path);
    });
    return undefined;
  });
  if (found === undefined) return;
  if (found.isDirectory()) {
    const message = `"${path}" is a directory, not a database file`;
    throw new StorageError("IS_A_DIRECTORY", message, { operation: "openSqlite", identifier: path });
  }
  const mode = readOnly ? constants.R_OK : constants.R_OK | constants.W_OK;
  await access(path, mode).catch((error: NodeJS.ErrnoException) => {
    throw placeError(error, path);
  });
}

function placeError(cause: NodeJS.ErrnoException, path: string): StorageError {
  const context = { operation: "openSqlite", identifier: path, cause };
  switch (cause.code) {
    case "ENOENT":
      return new StorageError("NOT_FOUND", `No database file "${path}", or no folder for it`, context);
    case "ENOTDIR":
      return new StorageError("NOT_A_DIRECTORY", `"${path}" is below a file`, context);
    case "EROFS":
      return new StorageError("READ_ONLY", `"${path}" lies on a file system that cannot be written`, context);
    case "EACCES":
    case "EPERM":
      return new StorageError("PERMISSION_DENIED", `"${path}" may not be opened`, context);
    default:
      return new StorageError("UNEXPECTED", `"${path}": ${cause.message}`, context);
  }
}

async function connect(library: NativeLibrary, location: string, readOnly: boolean): Promise<NativeConnection> {
  const connection = library.open(location, readOnly);
  if (!readOnly) return connection;
  try {
    // The first look into the file; opening looks at nothing.
    connection.exec("SELECT count(*) FROM sqlite_schema");
    return connection;
  } catch (error) {
    connection.close();
    if (!CANNOT_MAKE_LOG.includes(sqliteResult(error)) || !(await canBeImmutable(location))) throw error;
    return library.openImmutable(location);
  }
}

/** True if a reader cannot make the shared memory beside a file, and needs none: nobody else can write there either. */
async function canBeImmutable(path: string): Promise<boolean> {
  const log = await stat(`${path}-wal`).catch(() => undefined);
  if (log !== undefined && log.size > 0) return false;
  return access(dirname(path), constants.W_OK).then(
    () => false,
    () => true,
  );
}

function setUp(
  driver: Connection,
  { readOnly, busyTimeoutMs, canShrink }: { readOnly: boolean; busyTimeoutMs: number; canShrink: boolean },
): SqliteDriver {
  try {
    driver.exec(`PRAGMA busy_timeout = ${Math.max(0, Math.trunc(busyTimeoutMs))}`);
    driver.exec("PRAGMA foreign_keys = ON");
    // Looks at the file before anything could change it.
    driver.all("SELECT count(*) AS n FROM sqlite_schema");
    if (!readOnly) {
      // Before the log: its setting is the first thing that is written to a new file.
      if (canShrink) driver.exec("PRAGMA auto_vacuum = INCREMENTAL");
      driver.exec("PRAGMA journal_mode = WAL");
      driver.exec("PRAGMA synchronous = NORMAL");
    }
    return driver;
  } catch (error) {
    driver.close();
    throw error;
  }
}

class Connection implements SqliteDriver {
  readonly #location: string;
  readonly #kept = new Map<string, SqliteStatement>();
  #native: NativeConnection | undefined;

  constructor(native: NativeConnection, location: string) {
    this.#native = native;
    this.#location = location;
  }

  exec(sql: string): void {
    this.#perform("exec", () => this.#open("exec").exec(sql));
  }

  prepare(sql: string): SqliteStatement {
    const native = this.#perform("prepare", () => this.#open("prepare").prepare(sql));
    return new Statement(native, (operation, run) => this.#perform(operation, run));
  }

  run(sql: string, params: readonly SqliteValue[] = []): ReturnType<SqliteStatement["run"]> {
    return this.#keep(sql).run(params);
  }

  all<Row = SqliteRow>(sql: string, params: readonly SqliteValue[] = []): Row[] {
    return this.#keep(sql).all<Row>(params);
  }

  close(): void {
    const native = this.#native;
    this.#native = undefined;
    this.#kept.clear();
    if (native !== undefined) this.#translate("close", () => native.close());
  }

  #keep(sql: string): SqliteStatement {
    const known = this.#kept.get(sql);
    if (known !== undefined) return known;
    const statement = this.prepare(sql);
    this.#kept.set(sql, statement);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT_STATEMENTS && oldest !== undefined) this.#kept.delete(oldest);
    return statement;
  }

  #open(operation: string): NativeConnection {
    if (this.#native !== undefined) return this.#native;
    throw new StorageError("NOT_OPEN", `The connection to "${this.#location}" is closed`, {
      operation,
      identifier: this.#location,
    });
  }

  #perform<T>(operation: string, run: () => T): T {
    this.#open(operation);
    return this.#translate(operation, run);
  }

  #translate<T>(operation: string, run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw sqliteError(error, this.#location, operation);
    }
  }
}

class Statement implements SqliteStatement {
  readonly #native: NativeStatement;
  readonly #perform: <T>(operation: string, run: () => T) => T;

  constructor(native: NativeStatement, perform: <T>(operation: string, run: () => T) => T) {
    this.#native = native;
    this.#perform = perform;
  }

  run(params: readonly SqliteValue[] = []): ReturnType<SqliteStatement["run"]> {
    return this.#perform("run", () => this.#native.run(checkTexts(params)));
  }

  all<Row = SqliteRow>(params: readonly SqliteValue[] = []): Row[] {
    return this.#perform("all", () => this.#native.all(checkTexts(params)) as Row[]);
  }

  *iterate<Row = SqliteRow>(params: readonly SqliteValue[] = []): IterableIterator<Row> {
    const rows = this.#perform("iterate", () => this.#native.iterate(checkTexts(params)));
    try {
      for (;;) {
        const { done, value } = this.#perform("iterate", () => rows.next());
        if (done) return;
        yield value as Row;
      }
    } finally {
      rows.return?.();
    }
  }
}

/** Texts with a NUL character: `node:sqlite` and SQLite's own functions would see only what is before it. */
function checkTexts(params: readonly SqliteValue[]): readonly SqliteValue[] {
  for (const value of params) {
    if (typeof value !== "string" || !value.includes("\0")) continue;
    throw new StorageError("INVALID_DATA", `The text ${JSON.stringify(value.slice(0, 100))} has a NUL character`);
  }
  return params;
}
