/** SQLite behind five methods. */
export type {
  SqliteChanges,
  SqliteDriver,
  SqliteLibrary,
  SqliteRow,
  SqliteStatement,
  SqliteValue,
} from "./driver.ts";
export { isBusy, isConstraint } from "./errors.ts";
export { type OpenSqliteOptions, openSqlite } from "./open.ts";
