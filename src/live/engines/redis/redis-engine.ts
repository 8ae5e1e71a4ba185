/** The engine of many machines: a plain Redis server, without modules. Loaded by `import()` only. */
import { checkEntries } from "../../check-entries.ts";
import type {
  Bounds,
  CallOptions,
  Entry,
  HistoryEntry,
  HistoryPage,
  HistoryTag,
  LiveCapabilities,
  LiveEngine,
  LiveUsage,
  NewScan,
  Page,
  Transition,
  WaitOptions,
} from "../../engine.ts";
import type { ScanHeader } from "../../header.ts";
import type { ScanQuery } from "../../scan-query.ts";
import type { ScanState } from "../../scan-state.ts";
import { Appender } from "./appender.ts";
import type { BlockingReader } from "./blocking-reader.ts";
import type { RedisConnection } from "./connection.ts";
import type { RedisFunctions } from "./functions.ts";
import { memoryOf } from "./memory-info.ts";
import { RedisCalls } from "./redis-calls.ts";
import { RedisHistory } from "./redis-history.ts";
import { RedisScans } from "./redis-scans.ts";
import { decodeBounds, decodePage } from "./scan-reply.ts";
import { StreamWaiter } from "./stream-waiter.ts";
import { listOf } from "./wire.ts";

/** What an engine is made of. */
export interface RedisEngineParts {
  readonly connection: RedisConnection;
  readonly functions: RedisFunctions;
  readonly reader: BlockingReader;
  readonly prefix: string;
  /** True: scans are also written as blissdata writes them. */
  readonly isMirrored: boolean;
  readonly capabilities: LiveCapabilities;
}

const UNLIMITED = String(Number.MAX_SAFE_INTEGER);
/** Before the entry that ends a stream, and after every other. */
const BEFORE_SEAL = "18446744073709551615-18446744073709551614";

/** Keeps scans and streams in Redis. */
export class RedisEngine implements LiveEngine {
  readonly name = "redis";
  readonly capabilities: LiveCapabilities;
  readonly #parts: RedisEngineParts;
  readonly #appender: Appender;
  readonly #waiter: StreamWaiter;
  readonly #calls: RedisCalls;
  readonly #scans: RedisScans;
  readonly #history: RedisHistory;

  constructor(parts: RedisEngineParts) {
    this.#parts = parts;
    this.capabilities = parts.capabilities;
    const { historyLimit } = parts.capabilities;
    this.#calls = new RedisCalls(parts.functions, parts.prefix);
    this.#scans = new RedisScans(this.#calls, parts.reader, { historyLimit, isMirrored: parts.isMirrored });
    this.#history = new RedisHistory(this.#calls, parts.reader);
    this.#appender = new Appender(parts.connection, parts.functions, parts.prefix);
    this.#waiter = new StreamWaiter(parts.reader, (positions, maxBytes, options) =>
      this.#peek(positions, maxBytes, options),
    );
  }

  createScan(scan: NewScan, options: CallOptions = {}): Promise<HistoryEntry> {
    return this.#scans.create(scan, options);
  }

  transition(key: string, change: Transition, options: CallOptions = {}): Promise<ScanHeader> {
    return this.#scans.transition(key, change, options);
  }

  getScan(key: string, options: CallOptions = {}): Promise<ScanHeader | undefined> {
    return this.#scans.get(key, options);
  }

  getStates(keys: readonly string[], options: CallOptions = {}): Promise<(ScanState | undefined)[]> {
    return this.#scans.states(keys, options);
  }

  deleteScan(key: string, options: CallOptions = {}): Promise<boolean> {
    return this.#scans.delete(key, options);
  }

  expire(key: string, ms: number, options: CallOptions = {}): Promise<void> {
    return this.#scans.expire(key, ms, options);
  }

  waitScan(key: string, revision: number, options: WaitOptions = {}): Promise<ScanHeader | undefined> {
    return this.#scans.wait(key, revision, options);
  }

  scansAfter(
    after: HistoryTag | "oldest" | "now",
    options: WaitOptions & { readonly limit?: number | undefined } = {},
  ): Promise<HistoryPage> {
    return this.#history.after(after, options);
  }

  lastScan(options: CallOptions = {}): Promise<{ readonly tag: HistoryTag; readonly key?: string }> {
    return this.#history.last(options);
  }

  search(
    query: ScanQuery,
    options: CallOptions = {},
  ): Promise<{ readonly tag: HistoryTag; readonly keys: readonly string[] }> {
    return this.#history.search(query, options);
  }

  async append(
    stream: string,
    entries: readonly Entry[],
    options: CallOptions & { readonly writer?: string | undefined } = {},
  ): Promise<void> {
    this.#calls.check("append", stream, options);
    checkEntries(entries);
    await this.#appender.append(stream, entries, options);
  }

  async claim(streams: readonly string[], writer: string, options: CallOptions = {}): Promise<Bounds[]> {
    const about = this.#calls.check("claim", undefined, options);
    if (streams.length === 0) return [];
    return listOf(await this.#calls.write("claim", about, options, [writer, ...streams])).map(decodeBounds);
  }

  async seal(stream: string, options: CallOptions = {}): Promise<number> {
    const about = this.#calls.check("seal", stream, options);
    await this.#appender.idle(stream);
    return Number(String(await this.#calls.change("seal", about, options, [stream])));
  }

  async bounds(streams: readonly string[], options: CallOptions = {}): Promise<Bounds[]> {
    const about = this.#calls.check("bounds", undefined, options);
    if (streams.length === 0) return [];
    return listOf(await this.#calls.read("bounds", about, options, streams)).map(decodeBounds);
  }

  async range(
    stream: string,
    from: number | "last",
    to: number,
    options: CallOptions & { readonly maxBytes?: number | undefined } = {},
  ): Promise<Page> {
    const about = this.#calls.check("range", stream, options);
    if (from !== "last" && to <= from)
      return { entries: [], bounds: (await this.bounds([stream], options))[0] as Bounds };
    const stop = to > Number.MAX_SAFE_INTEGER ? BEFORE_SEAL : `(${to}-0`;
    const reply = await this.#calls.read("range", about, options, [
      stream,
      String(from),
      stop,
      bytesLimit(options.maxBytes),
    ]);
    return decodePage(stream, reply);
  }

  async wait(
    positions: ReadonlyMap<string, number>,
    options: WaitOptions & { readonly maxBytes?: number | undefined } = {},
  ): Promise<ReadonlyMap<string, Page>> {
    this.#calls.check("wait", undefined, options);
    return positions.size === 0 ? new Map() : await this.#waiter.wait(positions, options);
  }

  async trim(stream: string, beforeIndex: number, options: CallOptions = {}): Promise<number> {
    const about = this.#calls.check("trim", stream, options);
    return Number(String(await this.#calls.change("trim", about, options, [stream, String(Math.max(0, beforeIndex))])));
  }

  async setDurable(stream: string, index: number, options: CallOptions = {}): Promise<void> {
    const about = this.#calls.check("setDurable", stream, options);
    await this.#calls.write("durable", about, options, [stream, String(index)]);
  }

  renewLease(key: string, owner: string, ms: number, options: CallOptions = {}): Promise<void> {
    return this.#scans.renewLease(key, owner, ms, options);
  }

  closeLost(options: CallOptions = {}): Promise<readonly string[]> {
    return this.#scans.closeLost(options);
  }

  async usage(options: CallOptions = {}): Promise<LiveUsage> {
    const about = this.#calls.check("usage", undefined, options);
    const said = await this.#parts.connection.call(["INFO", "memory"], {
      ...about,
      signal: options.signal,
      isRead: true,
    });
    const { used, limit } = memoryOf(String(said));
    return { bytes: used, ...(limit === undefined ? {} : { limit }) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#calls.isOpen) return;
    this.#calls.close();
    const closing = this.#parts.reader.close();
    this.#parts.connection.close();
    await closing;
  }

  async #peek(
    positions: ReadonlyMap<string, number>,
    maxBytes: number,
    options: CallOptions,
  ): Promise<Map<string, Page>> {
    const args = [...positions].flatMap(([stream, index]) => [stream, String(index)]);
    const replies = listOf(
      await this.#calls.read("peek", { backend: "redis", operation: "wait" }, options, [bytesLimit(maxBytes), ...args]),
    );
    return new Map([...positions.keys()].map((stream, i) => [stream, decodePage(stream, replies[i])]));
  }
}

function bytesLimit(maxBytes: number | undefined): string {
  return maxBytes === undefined || maxBytes > Number.MAX_SAFE_INTEGER ? UNLIMITED : String(maxBytes);
}
