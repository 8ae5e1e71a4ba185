/**
 * The one connection of an engine that waits: a single `XREAD BLOCK` over everything that anybody in this process waits
 * for. What comes is handed to all who want it; who comes to wait for something else makes the server let go of the
 * connection, and it waits anew for the union.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { StorageError } from "../../../core/errors.ts";
import { aborted, type RedisConnection, type RedisReply } from "./connection.ts";
import { LinkLostError, redisError } from "./errors.ts";
import { StreamReply } from "./stream-reply.ts";
import { isBefore, listOf } from "./wire.ts";

/** What came of streams, some of it maybe from before the places that were asked for. */
export type StreamNews = ReadonlyMap<string, StreamReply>;

/** Options of {@link BlockingReader.next}. */
export interface NextOptions {
  /** For the error. */
  readonly operation: string;
  /** Left out: for ever. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What {@link BlockingReader.next} answers. */
export type NextResult =
  | { readonly kind: "news"; readonly news: StreamNews }
  /** The connection was lost: what is known of the streams is to be asked anew. */
  | { readonly kind: "lost" }
  | { readonly kind: "late" };

interface Waiter {
  readonly positions: ReadonlyMap<string, string>;
  readonly operation: string;
  readonly settle: (result: NextResult | StorageError) => void;
}

/** The connections that a reader uses. */
export interface ReaderConnections {
  /** For everything but waiting. */
  readonly calls: RedisConnection;
  /** Makes the one that waits. */
  readonly open: () => RedisConnection;
}

/** Entries of one stream that one answer may have. */
const MAX_COUNT = 512;
/** Bytes that one answer should have at most, as far as the sizes of earlier entries tell. */
const ANSWER_BYTES = 1 << 20;
/** What an entry is thought to take before one was seen. */
const UNSEEN_BYTES = 1 << 16;
/** The longest time that a timer of Node takes. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Waits for entries of streams. */
export class BlockingReader {
  readonly #connections: ReaderConnections;
  readonly #heartbeatMs: number;
  readonly #waiters = new Set<Waiter>();
  #connection: RedisConnection | undefined;
  #clientId: Promise<string> | undefined;
  #running: Promise<void> | undefined;
  /** What the connection waits for at this moment. */
  #asked: ReadonlyMap<string, string> | undefined;
  #isInterrupting = false;
  #largest = UNSEEN_BYTES;
  #isClosed = false;

  constructor(connections: ReaderConnections, heartbeatMs: number) {
    this.#connections = connections;
    this.#heartbeatMs = heartbeatMs;
  }

  /** Entries that one answer may have of each stream; a stream with so many may have more. */
  get count(): number {
    return Math.max(1, Math.min(MAX_COUNT, Math.floor(ANSWER_BYTES / this.#largest)));
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiters.size;
  }

  /**
   * Waits until one of the streams has an entry after its place.
   *
   * @param positions - Ids of entries by key of the stream.
   */
  async next(positions: ReadonlyMap<string, string>, options: NextOptions): Promise<NextResult> {
    const { signal, timeoutMs, operation } = options;
    if (this.#isClosed) throw closedError(operation);
    if (signal?.aborted) throw aborted({ operation }, signal);
    return await new Promise<NextResult>((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const waiter: Waiter = {
        positions,
        operation,
        settle: (result) => {
          clearTimeout(timer);
          signal?.removeEventListener("abort", onAbort);
          this.#waiters.delete(waiter);
          if (result instanceof StorageError) reject(result);
          else resolve(result);
          if (this.#waiters.size === 0) this.#interrupt();
        },
      };
      const onAbort = () => waiter.settle(aborted({ operation }, signal as AbortSignal));
      const wait = (leftMs: number) => {
        const part = Math.min(leftMs, LONGEST_TIMER_MS);
        timer = setTimeout(() => (leftMs > part ? wait(leftMs - part) : waiter.settle({ kind: "late" })), part);
      };
      if (timeoutMs !== undefined && timeoutMs !== Number.POSITIVE_INFINITY) wait(timeoutMs);
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiters.add(waiter);
      this.#running ??= this.#run();
      if (!this.#covers(positions)) this.#interrupt();
    });
  }

  /** Rejects all who wait, and closes the connection. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const waiter of [...this.#waiters]) waiter.settle(closedError(waiter.operation));
    this.#connection?.close();
    await this.#running;
  }

  /** True if the connection waits for all of this already. */
  #covers(positions: ReadonlyMap<string, string>): boolean {
    if (this.#asked === undefined) return true;
    for (const [stream, id] of positions) {
      const asked = this.#asked.get(stream);
      if (asked === undefined || isBefore(id, asked)) return false;
    }
    return true;
  }

  async #run(): Promise<void> {
    try {
      // Those that were just served come back first, and are then among those for whom is waited.
      for (;;) {
        await microtasks();
        if (this.#waiters.size === 0 || this.#isClosed) return;
        await this.#wait();
      }
    } catch (error) {
      this.#settleAll((operation) => redisError(error, { operation }));
    } finally {
      this.#running = undefined;
      // Who came while the last answer failed.
      if (this.#waiters.size > 0 && !this.#isClosed) this.#running = this.#run();
    }
  }

  async #wait(): Promise<void> {
    const connection = await this.#connect();
    if (connection === undefined) return;
    const asked = this.#union();
    if (asked.size === 0) return;
    this.#asked = asked;
    try {
      const limits = ["COUNT", String(this.count), "BLOCK", String(this.#heartbeatMs)];
      const reply = await connection.send(["XREAD", ...limits, "STREAMS", ...asked.keys(), ...asked.values()]);
      this.#asked = undefined;
      this.#handOut(reply, asked);
    } catch (error) {
      this.#asked = undefined;
      if (!(error instanceof LinkLostError)) throw error;
      this.#clientId = undefined;
      if (this.#isClosed) return;
      await connection.ready({ operation: "wait" });
      this.#settleAll(() => ({ kind: "lost" }));
    }
  }

  /** The connection that waits; nothing if the reader was closed meanwhile. */
  async #connect(): Promise<RedisConnection | undefined> {
    this.#connection ??= this.#connections.open();
    const connection = this.#connection;
    this.#clientId ??= connection.call(["CLIENT", "ID"], { operation: "wait" }).then(String);
    try {
      await this.#clientId;
    } catch (error) {
      this.#clientId = undefined;
      throw error;
    }
    return this.#isClosed ? undefined : connection;
  }

  /** For each stream the earliest place that somebody waits at. */
  #union(): ReadonlyMap<string, string> {
    const union = new Map<string, string>();
    for (const { positions } of this.#waiters) {
      for (const [stream, id] of positions) {
        const known = union.get(stream);
        if (known === undefined || isBefore(id, known)) union.set(stream, id);
      }
    }
    return union;
  }

  /** @param asked - What was waited for: who came since and waits at an earlier place is not served by this answer. */
  #handOut(reply: RedisReply, asked: ReadonlyMap<string, string>): void {
    const streams = new Map<string, StreamReply>();
    let largest = 0;
    for (const pair of listOf(reply)) {
      const [name, entries] = listOf(pair);
      const stream = new StreamReply(String(name), listOf(entries));
      streams.set(stream.name, stream);
      largest = Math.max(largest, stream.largest);
    }
    // Grown at once, shrunk by and by: a small entry does not say that the next is small.
    if (largest > 0) this.#largest = Math.max(largest, Math.floor(this.#largest / 2), 1);
    for (const waiter of [...this.#waiters]) {
      const news = new Map<string, StreamReply>();
      for (const [name, id] of waiter.positions) {
        const stream = streams.get(name);
        const isWhole = !isBefore(id, asked.get(name) ?? id);
        if (stream !== undefined && isWhole && isBefore(id, stream.lastId)) news.set(name, stream);
      }
      if (news.size > 0) waiter.settle({ kind: "news", news });
    }
  }

  #settleAll(result: (operation: string) => NextResult | StorageError): void {
    for (const waiter of [...this.#waiters]) waiter.settle(result(waiter.operation));
  }

  /**
   * Makes the server answer the command that waits now. The order to do so may overtake the command, on its other
   * connection: then there is nobody to let go of, and the order is given again.
   */
  #interrupt(): void {
    if (this.#isInterrupting || this.#asked === undefined || this.#isClosed) return;
    this.#isInterrupting = true;
    const asked = this.#asked;
    const give = async () => {
      while (this.#asked === asked && !this.#isClosed) {
        const id = await this.#clientId;
        if (id === undefined) return;
        await this.#connections.calls.call(["CLIENT", "UNBLOCK", id], { operation: "wait" });
        await nextTurn();
      }
    };
    give()
      // Without it the connection answers with its next heartbeat.
      .catch(() => {})
      .finally(() => {
        this.#isInterrupting = false;
        if (this.#asked !== undefined && !this.#isSatisfied()) this.#interrupt();
      });
  }

  /** True if what the connection waits for is what somebody waits for. */
  #isSatisfied(): boolean {
    if (this.#waiters.size === 0) return false;
    for (const { positions } of this.#waiters) if (!this.#covers(positions)) return false;
    return true;
  }
}

/** Resolves once everything that only waits for promises has gone on. */
function microtasks(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

function closedError(operation: string): StorageError {
  return new StorageError("NOT_OPEN", "The engine is closed", { backend: "redis", operation });
}
