/** One connection to a Redis server, which comes back by itself. Loaded by `import()` only: the package is optional. */
import { createClient, ErrorReply, RESP_TYPES } from "redis";
import { systemClock } from "../../../core/clock.ts";
import { StorageError } from "../../../core/errors.ts";
import { LinkLostError, redisError } from "./errors.ts";

/** What Redis answers: strings come as bytes. */
export type RedisReply = null | number | string | Buffer | readonly RedisReply[];

/** What a command takes. */
export type RedisArgument = string | Buffer;

/** Options of a connection. */
export interface ConnectionOptions {
  readonly url: string;
  /** For TLS: what the certificate of the server must be signed by. */
  readonly certificateAuthority?: string | undefined;
  /** How long a call waits for a server that is away. */
  readonly patienceMs: number;
  /** Time between attempts to reach a server that is away, or is still loading its data. */
  readonly retryDelayMs: number;
  /** A connection on which nothing came for three times as long is given up, and made anew. */
  readonly heartbeatMs: number;
  /** True: it asks for a sign of life by itself. False: what waits on it has one. */
  readonly pings: boolean;
}

/** Options of {@link RedisConnection.call}. */
export interface RedisCallOptions {
  /** For the error. */
  readonly operation: string;
  readonly identifier?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** True: the signal ends the call at any time. False: only before the command was sent. */
  readonly isRead?: boolean | undefined;
}

const asBytes = { [RESP_TYPES.BLOB_STRING]: Buffer };

function newClient(options: ConnectionOptions, isOpened: () => boolean) {
  const { url, retryDelayMs, heartbeatMs, pings, certificateAuthority } = options;
  checkUrl(url);
  return createClient({
    url,
    RESP: 2,
    // What waits here would overtake, after a reconnection, commands that were lost with the connection.
    disableOfflineQueue: true,
    // Otherwise each command has a timer of its own, for the moment until it is written: a fifth of what a small one costs.
    commandOptions: { timeout: 0 },
    maintNotifications: "disabled",
    ...(pings ? { pingInterval: heartbeatMs } : {}),
    socket: {
      reconnectStrategy: (_retries, cause) => (isOpened() ? retryDelayMs : cause),
      socketTimeout: 3 * heartbeatMs,
      ...(certificateAuthority === undefined ? {} : { tls: true as const, ca: certificateAuthority }),
    },
  });
}

/** A connection. Everything sent on it takes effect in order. */
export class RedisConnection {
  readonly #client: ReturnType<typeof newClient>;
  readonly #options: ConnectionOptions;
  readonly #awaitReady = new Set<() => void>();
  #isOpened = false;
  #isClosed = false;
  #lastError: unknown;

  private constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#client = newClient(options, () => this.#isOpened);
    this.#client.on("error", (error) => {
      this.#lastError = error;
    });
    this.#client.on("ready", () => this.#wake());
  }

  /**
   * Connects.
   *
   * @throws A {@link StorageError} if the server is not there or refuses.
   */
  static async open(options: ConnectionOptions): Promise<RedisConnection> {
    const connection = new RedisConnection(options);
    try {
      await connection.#client.connect();
    } catch (cause) {
      connection.close();
      throw redisError(cause, { operation: "open", identifier: hostOf(options.url) });
    }
    connection.#isOpened = true;
    return connection;
  }

  /** A connection that is made when the server can be reached; calls wait for that as they do for one that was lost. */
  static openLater(options: ConnectionOptions): RedisConnection {
    const connection = new RedisConnection(options);
    connection.#isOpened = true;
    // Ends with an error only once the connection is closed.
    connection.#client.connect().catch(() => {});
    return connection;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Sends a command at once.
   *
   * @throws A {@link LinkLostError} if there is no connection, or it broke before the answer: whether the command took
   * effect is not known then. Otherwise what the server says, as it says it.
   */
  send(args: readonly RedisArgument[]): Promise<RedisReply> {
    return (this.#client.sendCommand(args, { typeMapping: asBytes }) as Promise<unknown>).catch(
      asLost,
    ) as Promise<RedisReply>;
  }

  /**
   * Sends a command, and sends it again after a lost connection, until it is answered. So it must do no harm twice.
   *
   * @throws A {@link StorageError}: `TIMED_OUT` if the server was away for too long, `NOT_OPEN`, `ABORTED`, or what the
   * server's answer means.
   */
  async call(args: readonly RedisArgument[], options: RedisCallOptions): Promise<RedisReply> {
    const { signal, isRead = false } = options;
    let wasSent = false;
    let lostAt: number | undefined;
    for (;;) {
      const heeded = isRead || !wasSent ? signal : undefined;
      await this.ready(options, heeded);
      try {
        wasSent = true;
        return await (isRead ? untilAborted(this.send(args), signal, options) : this.send(args));
      } catch (error) {
        if (!(error instanceof LinkLostError)) throw redisError(error, options);
        lostAt ??= performance.now();
        if (performance.now() - lostAt > this.#options.patienceMs) throw this.#away(options);
        await this.pause(error);
      }
    }
  }

  /** Resolves once the server can be reached. */
  async ready(about: Omit<RedisCallOptions, "signal">, signal?: AbortSignal): Promise<void> {
    if (this.#isClosed) throw closed(about);
    if (signal?.aborted) throw aborted(about, signal);
    if (this.#client.isReady) return;
    await new Promise<void>((resolve, reject) => {
      const end = (act: () => void) => {
        giveUp();
        signal?.removeEventListener("abort", onAbort);
        this.#awaitReady.delete(wake);
        act();
      };
      const giveUp = systemClock.after(this.#options.patienceMs, () => end(() => reject(this.#away(about))));
      const onAbort = () => end(() => reject(aborted(about, signal as AbortSignal)));
      const wake = () => end(() => (this.#isClosed ? reject(closed(about)) : resolve()));
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#awaitReady.add(wake);
    });
  }

  /** Ends the connection; calls that wait on it are rejected. Harmless when repeated. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#client.destroy();
    this.#wake();
  }

  /** Time between attempts. A server that loads its data answers at once; a connection that is lost has its own timer. */
  async pause(lost: LinkLostError): Promise<void> {
    this.#lastError = lost.cause;
    if (this.#isClosed || !this.#client.isReady) return;
    await new Promise<void>((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#awaitReady.delete(end);
        resolve();
      };
      const timer = setTimeout(end, this.#options.retryDelayMs);
      this.#awaitReady.add(end);
    });
  }

  #wake(): void {
    for (const wake of [...this.#awaitReady]) wake();
  }

  #away({ operation, identifier }: Omit<RedisCallOptions, "signal">): StorageError {
    const { url, patienceMs } = this.#options;
    const message = `Redis at ${hostOf(url)} could not be reached for ${patienceMs} ms`;
    return new StorageError("TIMED_OUT", message, {
      backend: "redis",
      operation,
      identifier,
      retryable: true,
      cause: this.#lastError,
    });
  }
}

/** What the server says goes on as it is; everything else means that the connection, or the server behind it, was away. */
function asLost(cause: unknown): never {
  if (cause instanceof ErrorReply && !/^(?:LOADING|BUSY|MASTERDOWN|TRYAGAIN) /.test(cause.message)) throw cause;
  throw new LinkLostError(cause);
}

/** What the client would say of an address that it cannot take may have the address in it, with its password. */
function checkUrl(text: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isRedis = url !== undefined && /^rediss?:\/\//i.test(text);
  if (isRedis && /^(?:\/\d*)?$/.test(url.pathname) && isDecodable(url.username) && isDecodable(url.password)) return;
  const isShort = /^rediss?:(?!\/\/)/i.test(text);
  const message =
    (isShort ? "The address of a Redis server has two slashes before the host. " : "") +
    "The address of a Redis server is redis://[[user]:password@]host[:port][/database], or rediss://… over TLS; the " +
    "database is a number, and of what means something in a URL a password has %40 and the like";
  throw new StorageError("CONFIG_INVALID", message, { backend: "redis", operation: "open" });
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/** The address without user and password. */
export function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host || "localhost" : "an address that is no URL";
}

/** Settles with the promise, or rejects once the signal fires. */
async function untilAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  about: Omit<RedisCallOptions, "signal">,
): Promise<T> {
  if (signal === undefined) return promise;
  let onAbort: (() => void) | undefined;
  const fired = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(aborted(about, signal));
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, fired]);
  } finally {
    signal.removeEventListener("abort", onAbort as () => void);
  }
}

function closed({ operation, identifier }: Omit<RedisCallOptions, "signal">): StorageError {
  return new StorageError("NOT_OPEN", "The engine is closed", { backend: "redis", operation, identifier });
}

/** What a fired signal rejects with. */
export function aborted(
  { operation, identifier }: Omit<RedisCallOptions, "signal">,
  signal: AbortSignal,
): StorageError {
  return new StorageError("ABORTED", `${operation} was aborted`, {
    backend: "redis",
    operation,
    identifier,
    cause: signal.reason,
  });
}
