/** One connection to PostgreSQL. When it is lost, it is over: whoever needs one makes another. */
import { connect, type Socket } from "node:net";
import type { Row, Sql } from "postgres";
import { StorageError } from "../core/errors.ts";
import type { SqlValue } from "./dialect.ts";
import type { PostgresLocation } from "./location.ts";
import { postgresError } from "./postgres-errors.ts";

/** The package. */
export type PostgresLibrary = typeof import("postgres");

const PACKAGE = "postgres";

/**
 * Loads the package.
 *
 * @throws A {@link StorageError} `MISSING_DEPENDENCY` with the command that installs it.
 */
export async function loadPostgres(
  load: () => Promise<{ readonly default: PostgresLibrary }> = () => import("postgres"),
): Promise<PostgresLibrary> {
  try {
    return (await load()).default;
  } catch (cause) {
    const message = `A catalogue in PostgreSQL needs the package ${PACKAGE}: npm install ${PACKAGE}`;
    throw new StorageError("MISSING_DEPENDENCY", message, { operation: "openDatabase", identifier: PACKAGE, cause });
  }
}

/** Options of a {@link PostgresConnection}. */
export interface ConnectionOptions {
  readonly at: PostgresLocation;
  /** The location without password, for messages. */
  readonly location: string;
  readonly readOnly: boolean;
  readonly password: string | (() => string | Promise<string>) | undefined;
}

/** What a statement answered. */
export interface PostgresResult {
  readonly rows: readonly Row[];
  /** Rows that it changed. */
  readonly changes: number;
  /** What the server says that it did: `COMMIT`, `ROLLBACK`, `INSERT` … */
  readonly command: string;
}

/** What the package says of where to connect to: hosts with their ports, in turn, or a socket in a folder. */
interface SocketOptions {
  readonly host: readonly (string | undefined)[];
  readonly port: readonly number[];
  readonly path?: string | undefined | false;
}

/** Statements that the server keeps ready; each costs it memory as long as the connection lasts. */
const MAX_PREPARED = 200;

/** A statement that takes longer to come back to a transaction than this has lost its program. */
const IDLE_TRANSACTION_MS = 300_000;

/** Made by {@link PostgresConnection}'s constructor, connected by the first statement. */
export class PostgresConnection {
  readonly #sql: Sql;
  readonly #location: string;
  readonly #prepared = new Map<string, string>();
  readonly #sockets = new Set<Socket>();
  /** Rejects when the connection is lost. */
  readonly #lost: Promise<never>;
  #isLost = false;
  #attempts = 0;

  /** Connects with the first statement. */
  constructor(library: PostgresLibrary, { at, location, readOnly, password }: ConnectionOptions) {
    this.#location = location;
    const { promise, reject } = withReject();
    this.#lost = promise;
    const isSocket = at.host?.startsWith("/") ?? false;
    const given = {
      host: isSocket ? undefined : at.host,
      path: isSocket ? `${at.host}/.s.PGSQL.${at.port ?? 5432}` : undefined,
      port: at.port,
      username: at.user,
      password: password ?? at.password,
      database: at.database,
      ssl: at.sslMode === "disable" ? false : at.sslMode,
    };
    this.#sql = library({
      ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
      // Not in the types of the package, and in its documentation.
      ...{ socket: (options: SocketOptions) => this.#openSocket(options) },
      // Statements go out in the order in which they are asked for, so that a transaction is a row of them.
      max: 1,
      idle_timeout: 0,
      max_lifetime: null,
      fetch_types: false,
      onnotice: () => {},
      onclose: () => {
        this.#isLost = true;
        reject(postgresError({ code: "CONNECTION_CLOSED", message: "closed" }, location, "connect"));
      },
      types,
      connection: {
        application_name: "sluice",
        search_path: `"${at.schema.replaceAll('"', '""')}"`,
        default_transaction_isolation: "read committed",
        default_transaction_read_only: readOnly,
        // The server lets go of the locks of a machine that has gone without a word.
        tcp_keepalives_idle: 15,
        tcp_keepalives_interval: 5,
        tcp_keepalives_count: 3,
        idle_in_transaction_session_timeout: IDLE_TRANSACTION_MS,
      },
    }) as unknown as Sql;
  }

  /** True once it is good for nothing more. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /**
   * Runs one statement, or, without parameters, several.
   *
   * @throws A {@link StorageError}; see `postgresError`.
   */
  async run(sql: string, params: readonly SqlValue[] = [], signal?: AbortSignal): Promise<PostgresResult> {
    if (this.#isLost) return this.#lost;
    const [text, prepare] = params.length === 0 ? [sql, false] : this.#numbered(sql);
    const query = this.#sql.unsafe(text, params.map(parameter), { prepare });
    // It takes a connection of its own, which one that is lost does not get: its statements have ended anyway.
    const cancel = () => {
      if (!this.#isLost) void query.cancel();
    };
    signal?.addEventListener("abort", cancel);
    try {
      const result = await Promise.race([query, this.#lost]);
      return { rows: result, changes: result.count ?? 0, command: result.command ?? "" };
    } catch (error) {
      throw postgresError(error, this.#location, "query");
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }

  /** Ends the connection, at once if it hangs. */
  async close(): Promise<void> {
    this.#isLost = true;
    await this.#sql.end({ timeout: 5 });
    this.#closeSockets();
  }

  /** Ends the connection and waits for nothing: the server takes back what is not committed. */
  drop(): void {
    this.#isLost = true;
    void this.#sql.end({ timeout: 0 });
    this.#closeSockets();
  }

  /**
   * A socket for the package. By itself it makes another one when a statement is left, also while it ends, and leaves that
   * one open without a word: the server waits for such clients before it stops.
   */
  #openSocket({ host, port, path }: SocketOptions): Socket {
    if (this.#isLost) throw postgresError({ code: "CONNECTION_ENDED", message: "ended" }, this.#location, "connect");
    const at = this.#attempts++ % port.length;
    const socket = path ? connect(path) : connect({ host: host[at], port: port[at] as number });
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    // The package takes the name for TLS from here.
    return Object.assign(socket, { host: host[at], port: port[at] });
  }

  #closeSockets(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  /** The statement as PostgreSQL takes it, and whether it is kept ready. */
  #numbered(sql: string): [text: string, prepare: boolean] {
    const known = this.#prepared.get(sql);
    if (known !== undefined) return [known, true];
    const text = numbered(sql);
    if (this.#prepared.size >= MAX_PREPARED) return [text, false];
    this.#prepared.set(sql, text);
    return [text, true];
  }
}

/** Numbers the parameters: `?` becomes `$1`, `$2` … outside of texts and quoted names. */
export function numbered(sql: string): string {
  let count = 0;
  return sql.replaceAll(/'(?:[^']|'')*'|"(?:[^"]|"")*"|\?/g, (found) => (found === "?" ? `$${++count}` : found));
}

/** As SQLite has them: booleans are numbers there. */
function parameter(value: SqlValue): null | number | string | Uint8Array {
  return typeof value === "boolean" ? Number(value) : value;
}

/** Whole numbers of 64 bits, and sums of them, come as numbers where these hold them exactly, else as bigint. */
function wholeNumber(text: string): number | bigint {
  const value = Number(text);
  return Number.isSafeInteger(value) || !/^-?\d+$/.test(text) ? value : BigInt(text);
}

const types = {
  integer: { to: 20, from: [20, 1700], serialize: String, parse: wholeNumber },
  // SQLite has no truth but 0 and 1.
  boolean: { to: 16, from: [16], serialize: String, parse: (text: string) => (text === "t" ? 1 : 0) },
};

function withReject(): { promise: Promise<never>; reject: (reason: unknown) => void } {
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<never>((_resolve, rejectIt) => {
    reject = rejectIt;
  });
  // Nobody need be waiting when it happens.
  promise.catch(() => {});
  return { promise, reject };
}
