/** The catalogue's database as a schema in PostgreSQL. */
import type { OperationOptions } from "../core/byte-store.ts";
import { checkAborted } from "../core/checks.ts";
import { type Clock, pause, systemClock } from "../core/clock.ts";
import { type ErrorContext, isStorageError, StorageError } from "../core/errors.ts";
import type { CatalogDatabase, CatalogTransaction, OpenDatabaseOptions, SqlValue } from "./database.ts";
import { dialects } from "./dialect.ts";
import { type PostgresLocation, parsePostgresUrl, publicLocation } from "./location.ts";
import { loadPostgres, PostgresConnection, type PostgresLibrary } from "./postgres-connection.ts";
import { isCollision } from "./postgres-errors.ts";
import { Turns } from "./turns.ts";

/** So often is a transaction run that another one stands in the way of. */
const MAX_TRIES = 5;

/** The table that says which schemas of the catalogue are here, and of which version. */
const VERSIONS = "sluice_schemas";

/** Opens a database; see `openDatabase`. Makes a schema that is not there, and no tables. */
export async function openPostgresDatabase(url: string, options: OpenDatabaseOptions = {}): Promise<CatalogDatabase> {
  const at = parsePostgresUrl(url);
  const database = new PostgresDatabase(await loadPostgres(), at, publicLocation(url), options);
  try {
    await database.prepare();
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

class PostgresDatabase implements CatalogDatabase {
  readonly dialect = "postgres";
  readonly location: string;
  readonly readOnly: boolean;
  readonly #schema: string;
  readonly #connect: () => PostgresConnection;
  readonly #busyTimeoutMs: number;
  readonly #busyPollMs: number;
  readonly #clock: Clock;
  #connection: PostgresConnection | undefined;
  readonly #turns = new Turns();
  #isClosed = false;

  constructor(library: PostgresLibrary, at: PostgresLocation, location: string, options: OpenDatabaseOptions) {
    const { readOnly = false, busyTimeoutMs = 5000, busyPollMs = 3, clock = systemClock, password } = options;
    this.location = location;
    this.readOnly = readOnly;
    this.#schema = at.schema;
    this.#busyTimeoutMs = busyTimeoutMs;
    this.#busyPollMs = busyPollMs;
    this.#clock = clock;
    this.#connect = () => new PostgresConnection(library, { at, location, readOnly, password });
  }

  /** Connects, and sees to the schema. */
  async prepare(): Promise<void> {
    if (await this.#hasSchema(this)) return;
    if (this.readOnly) {
      const message = `"${this.location}" is not there: the database has no schema "${this.#schema}"`;
      throw new StorageError("NOT_FOUND", message, { operation: "openDatabase", identifier: this.location });
    }
    await this.transaction(async (transaction) => {
      // Asked before it is made: "if not exists" would want the right to make one in any case.
      if (await this.#hasSchema(transaction)) return;
      await transaction.run(`CREATE SCHEMA "${this.#schema.replaceAll('"', '""')}"`);
    });
  }

  async all<Row>(sql: string, params: readonly SqlValue[] = [], { signal }: OperationOptions = {}): Promise<Row[]> {
    while (this.#turns.taken !== undefined) await this.#turns.taken;
    const context = { operation: "all", identifier: this.location };
    checkAborted(signal, context);
    const { rows } = await this.#open().run(sql, params);
    checkAborted(signal, context);
    return rows as Row[];
  }

  async transaction<T>(
    run: (transaction: CatalogTransaction) => Promise<T>,
    { signal }: OperationOptions = {},
  ): Promise<T> {
    const context = { operation: "transaction", identifier: this.location };
    if (this.readOnly) {
      throw new StorageError("READ_ONLY", `"${this.location}" was opened for reading only`, context);
    }
    return this.#turns.take(() => this.#try(run, signal, context));
  }

  version(schema: string): Promise<number> {
    return readVersion(this, schema);
  }

  async watchToken(options: OperationOptions = {}): Promise<string> {
    // Which transactions have ended: it changes with each commit, here or elsewhere in the server, and nothing is locked.
    const sql = "SELECT CAST(pg_current_snapshot() AS TEXT) AS token";
    const [row] = await this.all<{ token: string }>(sql, [], options);
    return row?.token ?? "";
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    while (this.#turns.taken !== undefined) await this.#turns.taken;
    await this.#connection?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The connection; a new one if the last was lost. */
  #open(): PostgresConnection {
    if (this.#isClosed && this.#turns.taken === undefined) {
      throw new StorageError("NOT_OPEN", `"${this.location}" is closed`, { identifier: this.location });
    }
    if (this.#connection === undefined || this.#connection.isLost) this.#connection = this.#connect();
    return this.#connection;
  }

  async #hasSchema(source: Pick<CatalogTransaction, "all">): Promise<boolean> {
    return (await source.all("SELECT 1 FROM pg_namespace WHERE nspname = ?", [this.#schema])).length > 0;
  }

  /** Runs a transaction, again if another one stood in its way. */
  async #try<T>(
    run: (transaction: CatalogTransaction) => Promise<T>,
    signal: AbortSignal | undefined,
    context: ErrorContext,
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      checkAborted(signal, context);
      try {
        return await this.#transact(run, signal, context);
      } catch (error) {
        if (!isCollision(error) || attempt === MAX_TRIES) throw error;
      }
      await pause(this.#clock, this.#busyPollMs * 2 ** attempt, signal, context);
    }
  }

  async #transact<T>(
    run: (transaction: CatalogTransaction) => Promise<T>,
    signal: AbortSignal | undefined,
    context: ErrorContext,
  ): Promise<T> {
    const connection = this.#open();
    const transaction = new PostgresTransaction(connection);
    try {
      const id = await this.#begin(connection, signal, context);
      const result = await run(transaction);
      await this.#commit(connection, id, context);
      return result;
    } catch (error) {
      // A connection that does not roll back is dropped, and then the server does.
      if (!connection.isLost) await connection.run("ROLLBACK").catch(() => connection.drop());
      throw error;
    } finally {
      transaction.end();
    }
  }

  /** Begins when no other writer of this schema is in a transaction. Answers the number of the transaction. */
  async #begin(
    connection: PostgresConnection,
    signal: AbortSignal | undefined,
    context: ErrorContext,
  ): Promise<string> {
    // A statement of its own sees what those that waited before have committed: each has its own view of the tables.
    await connection.run(`BEGIN; SET LOCAL lock_timeout = ${Math.max(1, Math.trunc(this.#busyTimeoutMs))}`);
    try {
      const sql =
        "SELECT CAST(pg_current_xact_id() AS TEXT) AS id, pg_advisory_xact_lock(hashtextextended(?, 0)) AS locked";
      const { rows } = await connection.run(sql, [`sluice catalogue ${this.#schema}`], signal);
      return String((rows[0] as { id: unknown } | undefined)?.id);
    } catch (error) {
      checkAborted(signal, context);
      throw error;
    }
  }

  /** Commits; if the connection is lost meanwhile, finds out whether it did. */
  async #commit(connection: PostgresConnection, id: string, context: ErrorContext): Promise<void> {
    try {
      const { command } = await connection.run("COMMIT");
      if (command === "COMMIT") return;
      throw new StorageError("CONFLICT", "A statement failed, and so the transaction was not committed", context);
    } catch (error) {
      if (!connection.isLost) throw error;
      if (!(await this.#isCommitted(id, context))) throw error;
    }
  }

  /** Asks, on another connection, what became of a transaction. */
  async #isCommitted(id: string, context: ErrorContext): Promise<boolean> {
    const started = this.#clock.now();
    for (;;) {
      try {
        const sql = "SELECT pg_xact_status(CAST(? AS xid8)) AS status";
        const { rows } = await this.#open().run(sql, [id]);
        const { status } = rows[0] as { status: string | null };
        if (status !== "in progress") return status === "committed";
      } catch (error) {
        if (!isStorageError(error) || !error.retryable) throw error;
        if (this.#clock.now() - started >= this.#busyTimeoutMs) throw error;
      }
      await pause(this.#clock, Math.max(this.#busyPollMs, 1) * 10, undefined, context);
    }
  }
}

class PostgresTransaction implements CatalogTransaction {
  #connection: PostgresConnection | undefined;

  constructor(connection: PostgresConnection) {
    this.#connection = connection;
  }

  end(): void {
    this.#connection = undefined;
  }

  async all<Row>(sql: string, params: readonly SqlValue[] = []): Promise<Row[]> {
    return (await this.#open().run(sql, params)).rows as Row[];
  }

  async run(sql: string, params: readonly SqlValue[] = []): Promise<number> {
    return (await this.#open().run(sql, params)).changes;
  }

  async runMany(sql: string, rows: readonly (readonly SqlValue[])[]): Promise<number> {
    const connection = this.#open();
    // All are on their way before the first answer comes: that is one journey, not one for each.
    const answers = await Promise.allSettled(rows.map((row) => connection.run(sql, row)));
    let changes = 0;
    for (const answer of answers) {
      // The first that failed says why; those after it only say that one has failed.
      if (answer.status === "rejected") throw answer.reason;
      changes += answer.value.changes;
    }
    return changes;
  }

  version(schema: string): Promise<number> {
    return readVersion(this, schema);
  }

  async setVersion(schema: string, version: number): Promise<void> {
    const { text, integer } = dialects.postgres;
    await this.run(`CREATE TABLE IF NOT EXISTS ${VERSIONS} (name ${text} PRIMARY KEY, version ${integer} NOT NULL)`);
    await this.run(
      `INSERT INTO ${VERSIONS} (name, version) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET version = excluded.version`,
      [schema, version],
    );
  }

  #open(): PostgresConnection {
    if (this.#connection !== undefined) return this.#connection;
    throw new StorageError("NOT_OPEN", "The transaction has ended", { operation: "transaction" });
  }
}

async function readVersion(source: Pick<CatalogTransaction, "all">, schema: string): Promise<number> {
  if (!(await dialects.postgres.hasTable(source, VERSIONS))) return 0;
  const [row] = await source.all<{ version: number }>(`SELECT version FROM ${VERSIONS} WHERE name = ?`, [schema]);
  return row?.version ?? 0;
}
