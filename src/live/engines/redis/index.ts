/** The live engine `redis`. Nothing of the package is loaded before {@link openRedisEngine} is called. */
import { StorageError } from "../../../core/errors.ts";
import type { LiveEngine } from "../../engine.ts";

/** Options of {@link openRedisEngine}. */
export interface RedisEngineOptions {
  /** `redis://[[user]:password@]host[:port][/database]`, or `rediss://` over TLS. Default `redis://127.0.0.1:6379`. */
  readonly url?: string | undefined;
  /** For `rediss://`: the certificate, as PEM, that the server's must be signed by. Default: those that Node trusts. */
  readonly certificateAuthority?: string | undefined;
  /** Begins the keys of the engine's own: two stores with different ones share a database. Default `"sluice:"`. */
  readonly prefix?: string | undefined;
  /** How long a call waits for a server that is away, before it fails with `TIMED_OUT`. Default 30,000 milliseconds. */
  readonly patienceMs?: number | undefined;
  /** Time between attempts to reach a server that is away, or is still loading its data. Default 50 milliseconds. */
  readonly retryDelayMs?: number | undefined;
  /**
   * How often the connections show that they are alive. One is given up, and made anew, if nothing came for three times as
   * long. Default 5,000 milliseconds.
   */
  readonly heartbeatMs?: number | undefined;
  /** Scans that the history remembers. Default: as many as there are. */
  readonly historyLimit?: number | undefined;
  /**
   * How the atomic steps reach the server: as a library of functions, or as scripts, which older and some hosted servers
   * take only. Default `"functions"`, and scripts where those are refused.
   */
  readonly scripts?: "functions" | "scripts" | undefined;
  /**
   * `"blissdata"`: scans that are created here are also written as blissdata 2.4 does, so that its Python clients find and
   * follow them. Needs RedisJSON and RediSearch in the server, and database 0. Default: the engine's own form only; streams
   * have the bytes of blissdata's in any case.
   */
  readonly dialect?: "blissdata" | undefined;
}

/**
 * Opens live streams in Redis 7 or newer: a plain server, without modules. Streams have the bytes of blissdata's. Not for
 * a cluster of several nodes: one atomic step touches keys of all kinds.
 *
 * One connection sends; a second one is opened by the first call that waits, and waits for all of them. Both come back by
 * themselves: calls go on where they were, appends are neither lost nor doubled. What the server itself loses when it is
 * killed follows from its `appendfsync`.
 *
 * @throws A `StorageError`: `MISSING_DEPENDENCY` without the package redis; `CONFIG_INVALID` for a server that
 * removes keys by itself when it is full, or lacks what the dialect needs; `UNAUTHENTICATED`, `TIMED_OUT`.
 */
export async function openRedisEngine(options: RedisEngineOptions = {}): Promise<LiveEngine> {
  const { open } = await import("./open.ts").catch((cause: unknown) => {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== "ERR_MODULE_NOT_FOUND" && code !== "MODULE_NOT_FOUND") throw cause;
    const message = "The live engine redis needs the package redis: npm install redis@^6.3";
    throw new StorageError("MISSING_DEPENDENCY", message, { backend: "redis", operation: "open", cause });
  });
  return await open(options);
}
