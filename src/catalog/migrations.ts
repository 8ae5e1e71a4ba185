/** Schemas with versions, and how a database comes from one version to the next. */
import { StorageError } from "../core/errors.ts";
import type { CatalogDatabase, CatalogTransaction } from "./database.ts";
import { type Dialect, dialects, type SqlSource } from "./dialect.ts";

/** One step from a version to the next. */
export interface Migration {
  /** The version that it leads to. */
  readonly to: number;
  /**
   * Makes the changes. Looks at what is there rather than at the version: another program may have written the number
   * and not the changes.
   */
  apply(transaction: CatalogTransaction, dialect: Dialect): Promise<void>;
}

/** A set of tables that belong together. */
export interface Schema {
  /** Name, for databases that hold several schemas and for messages. */
  readonly name: string;
  /** A table that only this schema has: a file without it is something else, whatever number it carries. */
  readonly marker: string;
  /** All steps from nothing, in order. The last one's version is the version of the schema. */
  readonly migrations: readonly Migration[];
  /**
   * Statements that make an older file look like the newest to one connection, in temporary views and tables. SQLite only.
   */
  asLatest(source: SqlSource): Promise<readonly string[]>;
}

/** The newest version of a schema. */
export function latestVersion(schema: Schema): number {
  return schema.migrations.at(-1)?.to ?? 0;
}

/**
 * Brings a database to the newest version of a schema, in one transaction: all of it or nothing.
 *
 * @returns The version that was there; 0 for a new database.
 * @throws A {@link StorageError}: `UNSUPPORTED` if the database is newer; `INVALID_DATA` if it holds something else;
 * `CORRUPT`, `READ_ONLY`, `NO_SPACE`. The database is as it was.
 */
export async function migrate(database: CatalogDatabase, schema: Schema): Promise<number> {
  const latest = latestVersion(schema);
  const before = await database.version(schema.name);
  if (before === latest) {
    await checkVersion(database, schema, before);
    return before;
  }
  return database.transaction(async (transaction) => {
    const dialect = dialects[database.dialect];
    // Again, now that nobody else can change it: another process may have been faster.
    const version = await transaction.version(schema.name);
    await checkIdentity(database, transaction, schema, version);
    for (const migration of schema.migrations) {
      if (migration.to > version) await migration.apply(transaction, dialect);
    }
    if (version !== latest) await transaction.setVersion(schema.name, latest);
    return version;
  });
}

/**
 * Makes a database that may be older readable as if it were of the newest version, for this connection, and changes
 * nothing in it.
 *
 * @throws A {@link StorageError}: `NOT_FOUND` if the schema was never made; `UNSUPPORTED` if the database is newer, or older
 * in PostgreSQL; `INVALID_DATA` if it holds something else; `CORRUPT`.
 */
export async function readAsLatest(database: CatalogDatabase, schema: Schema): Promise<void> {
  const version = await database.version(schema.name);
  const context = { operation: "open", identifier: database.location };
  const isEmpty = database.dialect === "postgres" || !(await dialects.sqlite.hasTables(database));
  if (version === 0 && isEmpty) {
    throw new StorageError("NOT_FOUND", `"${database.location}" holds no ${schema.name}`, context);
  }
  await checkVersion(database, schema, version);
  if (version === latestVersion(schema)) return;
  if (database.dialect !== "sqlite") {
    const message = `"${database.location}" is version ${version} of ${latestVersion(schema)}; open it once for writing`;
    throw new StorageError("UNSUPPORTED", message, context);
  }
  for (const statement of await schema.asLatest(database)) await database.all(statement);
}

/** Adds a column that is not there. */
export async function addColumn(
  transaction: CatalogTransaction,
  dialect: Dialect,
  table: string,
  column: string,
  type: string,
): Promise<void> {
  if ((await dialect.columns(transaction, table)).includes(column)) return;
  await transaction.run(`ALTER TABLE ${table} ADD COLUMN ${column} ${type}`);
}

function checkVersion(database: CatalogDatabase, schema: Schema, version: number): Promise<void> {
  return checkIdentity(database, database, schema, version);
}

async function checkIdentity(
  { dialect, location }: CatalogDatabase,
  source: SqlSource,
  schema: Schema,
  version: number,
): Promise<void> {
  const latest = latestVersion(schema);
  const context = { operation: "open", identifier: location };
  const hasMarker = await dialects[dialect].hasTable(source, schema.marker);
  // A file has one schema, and its tables say which. A schema of PostgreSQL may have several, and those are listed.
  const isRight =
    dialect === "sqlite" ? hasMarker || !(await dialects.sqlite.hasTables(source)) : hasMarker === version > 0;
  if (!isRight) {
    const message = `"${location}" is a database of something else: it holds no ${schema.name}`;
    throw new StorageError("INVALID_DATA", message, context);
  }
  if (version > latest) {
    const message =
      `"${location}" is version ${version} of the ${schema.name}, and this Sluice knows versions up to ${latest}: ` +
      "read it with the Sluice that wrote it, or a newer one";
    throw new StorageError("UNSUPPORTED", message, context);
  }
}
