/** The tables of the index, and which files have them. */
import { StorageError } from "../../../core/errors.ts";
import type { SqliteDriver } from "../../../sqlite/driver.ts";

/** Name of the index in the folder of a store. */
export const INDEX_FILE = "index.db";

/** The version of the tables. */
const VERSION = 1;

/** `SLIV`: says in the file's header whose it is. */
const APPLICATION_ID = 0x534c4956;

const tables = `
  CREATE TABLE scans (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    identity TEXT NOT NULL,
    info TEXT NOT NULL,
    streams TEXT NOT NULL,
    state INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    created REAL NOT NULL,
    end_reason TEXT,
    closed_boot TEXT,
    closed_from REAL,
    closed_wall REAL,
    lease_owner TEXT,
    lease_boot TEXT,
    lease_from REAL,
    lease_until REAL,
    expiry_boot TEXT,
    expiry_from REAL,
    expiry_until REAL,
    expiry_wall REAL
  );
  CREATE INDEX scans_leased ON scans (lease_until) WHERE lease_owner IS NOT NULL;
  CREATE INDEX scans_expiring ON scans (expiry_until) WHERE expiry_until IS NOT NULL;
  CREATE TABLE streams (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    floor INTEGER NOT NULL DEFAULT 0,
    length INTEGER NOT NULL DEFAULT 0,
    sealed INTEGER NOT NULL DEFAULT 0,
    durable INTEGER NOT NULL DEFAULT 0,
    writer TEXT,
    forget_boot TEXT,
    forget_from REAL,
    forget_until REAL,
    forget_wall REAL
  );
  CREATE INDEX streams_leaving ON streams (forget_until) WHERE forget_until IS NOT NULL;
  CREATE TABLE entries (
    stream INTEGER NOT NULL,
    first INTEGER NOT NULL,
    points INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    payload BLOB,
    segment INTEGER,
    offset INTEGER,
    size INTEGER NOT NULL,
    crc32 INTEGER,
    PRIMARY KEY (stream, first)
  ) WITHOUT ROWID;
  CREATE TABLE segments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stream INTEGER NOT NULL,
    bytes INTEGER NOT NULL DEFAULT 0
  );
  CREATE INDEX segments_of_streams ON segments (stream);
`;

/**
 * True if the tables are there, in the version that is known here.
 *
 * @throws A {@link StorageError}: `UNSUPPORTED` for a newer version, `INVALID_DATA` for a file of something else.
 */
export function hasTables(driver: SqliteDriver, location: string): boolean {
  const version = pragma(driver, "user_version");
  const isOurs = pragma(driver, "application_id") === APPLICATION_ID;
  const context = { backend: "file", operation: "open", identifier: location };
  if (!isOurs) {
    const [{ n } = { n: 0 }] = driver.all<{ n: number }>("SELECT count(*) AS n FROM sqlite_schema");
    if (n === 0 && version === 0) return false;
    throw new StorageError(
      "INVALID_DATA",
      `"${location}" is a database of something else, not of live streams`,
      context,
    );
  }
  if (version <= VERSION) return version === VERSION;
  const message =
    `"${location}" is version ${version} of live streams, and this Sluice knows version ${VERSION}: ` +
    "read it with the Sluice that wrote it, or a newer one";
  throw new StorageError("UNSUPPORTED", message, context);
}

/** Makes the tables; runs in a transaction. */
export function createTables(driver: SqliteDriver): void {
  driver.exec(tables);
  driver.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
  driver.exec(`PRAGMA user_version = ${VERSION}`);
}

/** The value of a pragma that is a number. */
export function pragma(driver: SqliteDriver, name: string): number {
  const [row] = driver.all<Record<string, number>>(`PRAGMA ${name}`);
  return row?.[name] ?? 0;
}
