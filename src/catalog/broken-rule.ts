/** Which rule of the schema a row breaks, as the engines say it. */
import { isStorageError, StorageError, type StorageErrorCode } from "../core/errors.ts";

/** `duplicate`: a name is taken. `reference`: what the row belongs to is not there. `value`: a column does not take it. */
export type BrokenRule = "duplicate" | "reference" | "value";

/**
 * By the number that Node's SQLite gives, the name that better-sqlite3 gives, and the condition of PostgreSQL.
 *
 * @see https://www.sqlite.org/rescode.html and PostgreSQL, "Error Codes"
 */
const rules: ReadonlyMap<unknown, BrokenRule> = new Map<unknown, BrokenRule>([
  ...[1555, "SQLITE_CONSTRAINT_PRIMARYKEY"].map((code) => [code, "duplicate"] as const),
  ...[2067, "SQLITE_CONSTRAINT_UNIQUE", "23505"].map((code) => [code, "duplicate"] as const),
  ...[787, "SQLITE_CONSTRAINT_FOREIGNKEY", "23503"].map((code) => [code, "reference"] as const),
  ...[1299, "SQLITE_CONSTRAINT_NOTNULL", "23502"].map((code) => [code, "value"] as const),
  ...[275, "SQLITE_CONSTRAINT_CHECK", "23514"].map((code) => [code, "value"] as const),
]);

/** The rule; `undefined` for any other error. */
export function brokenRule(error: unknown): BrokenRule | undefined {
  if (!isStorageError(error)) return undefined;
  const { code, errcode } = (error.cause ?? {}) as { readonly code?: unknown; readonly errcode?: unknown };
  return rules.get(errcode) ?? rules.get(code);
}

const answers: Readonly<Record<BrokenRule, readonly [code: StorageErrorCode, says: string]>> = {
  duplicate: ["ALREADY_EXISTS", "is there already"],
  reference: ["NOT_FOUND", "belongs to something that is no longer there"],
  value: ["INVALID_DATA", "is refused: the table has a rule against it"],
};

/**
 * What to tell of a row that was not taken: `ALREADY_EXISTS`, `NOT_FOUND` or `INVALID_DATA` where the schema has a rule
 * against it, and any other error as it is.
 *
 * @param what - The row, for the message.
 */
export function refusal(error: unknown, what: string, location: string, operation: string): unknown {
  const rule = brokenRule(error);
  if (rule === undefined) return error;
  const [code, says] = answers[rule];
  return new StorageError(code, `${what} ${says}, in "${location}"`, { operation, identifier: location, cause: error });
}
