/** The two libraries behind one shape, and how they are found. */
import { StorageError } from "../core/errors.ts";
import type { SqliteChanges, SqliteLibrary, SqliteRow, SqliteValue } from "./driver.ts";

/** A statement of either library. */
export interface NativeStatement {
  run(params: readonly SqliteValue[]): SqliteChanges;
  all(params: readonly SqliteValue[]): SqliteRow[];
  iterate(params: readonly SqliteValue[]): IterableIterator<SqliteRow>;
}

/** A connection of either library. */
export interface NativeConnection {
  exec(sql: string): void;
  prepare(sql: string): NativeStatement;
  close(): void;
}

/** What opens connections. */
export interface NativeLibrary {
  readonly name: SqliteLibrary;
  /** Opens a file; makes it if it may be written and is not there. */
  open(path: string, readOnly: boolean): NativeConnection;
  /** Opens a file that nobody can change, on a medium that cannot be written: without its lock and shared memory. */
  openImmutable(path: string): Promise<NativeConnection>;
}

/**
 * Loads a library: the one that is named, else the one in Node, else better-sqlite3.
 *
 * @throws A {@link StorageError} `MISSING_DEPENDENCY` with the command that installs it.
 */
export async function loadSqlite(library?: SqliteLibrary): Promise<NativeLibrary> {
  if (library !== "better-sqlite3") {
    const found = await import("./node-sqlite.ts").then(({ nodeSqlite }) => nodeSqlite());
    if (found !== undefined) return found;
    if (library !== undefined) throw missing("This Node has no node:sqlite; Node 22.13 and newer have it");
  }
  try {
    const { betterSqlite } = await import("./better-sqlite.ts");
    return betterSqlite;
  } catch (error) {
    throw missing(
      "SQLite needs Node 22.13 or newer, which has it, or the package better-sqlite3. " +
        "Install it with: npm install better-sqlite3@12",
      error,
    );
  }
}

function missing(message: string, cause?: unknown): StorageError {
  return new StorageError("MISSING_DEPENDENCY", message, { operation: "openSqlite", cause });
}
