/** The engine of many machines: a plain Redis server, without modules. Loaded by `import()` only. */
import { randomUUID } from "node:crypto";
import { checkAborted, checkOpen } from "../../../core/checks.ts";
import { StorageError } from "../../../core/errors.ts";
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
import { ScanNotFoundError, StateConflictError, WriterLostError } from "../../errors.ts";
import type { ScanHeader } from "../../header.ts";
import type { JsonObject } from "../../json.ts";
import { matchesQuery, type ScanQuery } from "../../scan-query.ts";
import type { ScanState } from "../../scan-state.ts";
import { Appender } from "./appender.ts";
import type { BlockingReader } from "./blocking-reader.ts";
import type { RedisArgument, RedisConnection, RedisReply } from "./connection.ts";
import { Deadline } from "./deadline.ts";
import type { RedisFunctions, ScriptName } from "./functions.ts";
import { memoryOf } from "./memory-info.ts";
import {
  decodeBounds,
  decodeFound,
  decodePage,
  decodeScan,
  indexedFields,
  type ScanReply,
  searchRanges,
} from "./scan-reply.ts";
import { StreamWaiter } from "./stream-waiter.ts";
import { isBefore, listOf } from "./wire.ts";

/** What an engine is made of. */
export interface RedisEngineParts {
  readonly connection: RedisConnection;
  readonly functions: RedisFunctions;
  readonly reader: BlockingReader;
  readonly prefix: string;
  readonly capabilities: LiveCapabilities;
}

/** The call, for errors. */
interface About {
  readonly backend?: string;
  readonly operation: string;
  readonly identifier?: string;
}

/** How long the streams of a deleted scan stay, sealed and empty, so that their readers see the end. */
const GRACE_MS = 15_000;
/** Scans of which info is asked for with one command. */
const INFO_BATCH = 64;
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
  #isOpen = true;

  constructor(parts: RedisEngineParts) {
    this.#parts = parts;
    this.capabilities = parts.capabilities;
    this.#appender = new Appender(parts.connection, parts.functions);
    this.#waiter = new StreamWaiter(parts.reader, (positions, maxBytes, options) =>
      this.#peek(positions, maxBytes, options),
    );
  }

  async createScan(scan: NewScan, options: CallOptions = {}): Promise<HistoryEntry> {
    const { key, lease } = scan;
    const about = this.#check("createScan", key, options);
    const limit = this.capabilities.historyLimit;
    const reply = await this.#write("create", about, options, [
      key,
      randomUUID(),
      JSON.stringify(scan.identity),
      JSON.stringify(scan.info),
      limit === undefined ? "" : String(limit),
      lease?.owner ?? "",
      String(lease?.ms ?? 0),
      ...indexedFields(scan.identity),
    ]);
    if (reply === null) throw new StorageError("ALREADY_EXISTS", `There is a scan ${key} already`, about);
    return { tag: String(reply), key };
  }

  async transition(key: string, change: Transition, options: CallOptions = {}): Promise<ScanHeader> {
    const about = this.#check("transition", key, options);
    const { info, streams, endReason = "" } = change;
    const reply = await this.#write("change", about, options, [
      key,
      randomUUID(),
      change.from.join(),
      String(change.to),
      info === undefined ? "" : JSON.stringify(info),
      streams === undefined ? "" : JSON.stringify(streams),
      Object.values(streams ?? {})
        .map((stream) => stream.key)
        .join("\n"),
      endReason,
    ]);
    const [status, found] = listOf(reply);
    if (String(status) === "gone") throw new ScanNotFoundError(key, about);
    if (String(status) === "state") throw new StateConflictError(change.to, Number(String(found)) as ScanState, about);
    return this.#header(key, found).header;
  }

  async getScan(key: string, options: CallOptions = {}): Promise<ScanHeader | undefined> {
    return (await this.#scan(key, this.#check("getScan", key, options), options))?.header;
  }

  async getStates(keys: readonly string[], options: CallOptions = {}): Promise<(ScanState | undefined)[]> {
    const about = this.#check("getStates", undefined, options);
    if (keys.length === 0) return [];
    const states = listOf(await this.#read("member", about, options, ["state", ...keys]));
    return states.map((state) => (state === null ? undefined : (Number(String(state)) as ScanState)));
  }

  async deleteScan(key: string, options: CallOptions = {}): Promise<boolean> {
    const about = this.#check("deleteScan", key, options);
    return (await this.#write("remove", about, options, [key, randomUUID(), String(GRACE_MS)])) === 1;
  }

  async expire(key: string, ms: number, options: CallOptions = {}): Promise<void> {
    const about = this.#check("expire", key, options);
    // Redis takes whole milliseconds; sooner than asked would be wrong.
    const reply = await this.#write("expire", about, options, [key, String(Math.max(1, Math.ceil(ms)))]);
    if (reply !== 1) throw new ScanNotFoundError(key, about);
  }

  async waitScan(key: string, revision: number, options: WaitOptions = {}): Promise<ScanHeader | undefined> {
    const about = this.#check("waitScan", key, options);
    const deadline = new Deadline(options.timeoutMs);
    for (;;) {
      const scan = await this.#scan(key, about, options);
      if (scan === undefined) throw new ScanNotFoundError(key, about);
      if (scan.header.revision > revision) return scan.header;
      if (deadline.isOver) return undefined;
      const position = new Map([[`${this.#parts.prefix}state:${key}`, scan.news]]);
      // A key that goes by itself wakes nobody.
      const timeoutMs = deadline.sooner(scan.leavesInMs === undefined ? undefined : scan.leavesInMs + 1);
      await this.#parts.reader.next(position, { operation: "waitScan", timeoutMs, signal: options.signal });
    }
  }

  async scansAfter(
    after: HistoryTag | "oldest" | "now",
    options: WaitOptions & { readonly limit?: number | undefined } = {},
  ): Promise<HistoryPage> {
    const about = this.#check("scansAfter", undefined, options);
    const deadline = new Deadline(options.timeoutMs);
    let place = after === "oldest" ? "0-0" : after;
    if (after === "now") place = (await this.lastScan(options)).tag;
    if (!/^\d+-\d+$/.test(place)) {
      throw new StorageError("INVALID_DATA", `${JSON.stringify(after)} is no place in the history`, about);
    }
    for (;;) {
      const page = await this.#historyPage(place, options.limit ?? 100, after === "oldest", about, options);
      if (page.scans.length > 0 || page.hasGap || deadline.isOver) return page;
      place = page.tag;
      const position = new Map([[`${this.#parts.prefix}scans`, place]]);
      await this.#parts.reader.next(position, {
        operation: "scansAfter",
        timeoutMs: deadline.leftMs,
        signal: options.signal,
      });
    }
  }

  async lastScan(options: CallOptions = {}): Promise<{ readonly tag: HistoryTag; readonly key?: string }> {
    const about = this.#check("lastScan", undefined, options);
    const [tag, key] = listOf(await this.#read("last", about, options, []));
    return { tag: String(tag), ...(key === undefined ? {} : { key: String(key) }) };
  }

  async search(
    query: ScanQuery,
    options: CallOptions = {},
  ): Promise<{ readonly tag: HistoryTag; readonly keys: readonly string[] }> {
    const about = this.#check("search", undefined, options);
    const { createdFrom, createdBefore } = query;
    const reply = await this.#write("search", about, options, [
      createdFrom === undefined ? "-inf" : String(Math.floor(createdFrom * 1000)),
      createdBefore === undefined ? "+inf" : String(Math.ceil(createdBefore * 1000)),
      ...searchRanges(query),
    ]);
    const [tag, found] = listOf(reply);
    // First without the info, so that it is asked for of those only that may match.
    const { info, ...rest } = query;
    let matching = listOf(found)
      .map(decodeFound)
      .filter((scan) => matchesQuery(rest, { ...scan, info: {} }));
    if (info !== undefined) {
      const keys = matching.map(({ key }) => key);
      const infos = await this.#infos(keys, about, options);
      matching = matching.filter((scan) => {
        const known = infos.get(scan.key);
        return known !== undefined && matchesQuery({ info }, { ...scan, info: known });
      });
    }
    matching.sort((a, b) => (isBefore(a.tag, b.tag) ? -1 : 1));
    return { tag: String(tag), keys: matching.map(({ key }) => key) };
  }

  async append(stream: string, entries: readonly Entry[], options: CallOptions = {}): Promise<void> {
    this.#check("append", stream, options);
    checkEntries(entries);
    await this.#appender.append(stream, entries, options);
  }

  async seal(stream: string, options: CallOptions = {}): Promise<number> {
    const about = this.#check("seal", stream, options);
    await this.#appender.idle(stream);
    return Number(String(await this.#call("seal", about, options, false, [stream])));
  }

  async bounds(streams: readonly string[], options: CallOptions = {}): Promise<Bounds[]> {
    const about = this.#check("bounds", undefined, options);
    if (streams.length === 0) return [];
    return listOf(await this.#read("bounds", about, options, streams)).map(decodeBounds);
  }

  async range(
    stream: string,
    from: number | "last",
    to: number,
    options: CallOptions & { readonly maxBytes?: number | undefined } = {},
  ): Promise<Page> {
    const about = this.#check("range", stream, options);
    if (from !== "last" && to <= from)
      return { entries: [], bounds: (await this.bounds([stream], options))[0] as Bounds };
    const stop = to > Number.MAX_SAFE_INTEGER ? BEFORE_SEAL : `(${to}-0`;
    const reply = await this.#read("range", about, options, [stream, String(from), stop, bytesLimit(options.maxBytes)]);
    return decodePage(stream, reply);
  }

  async wait(
    positions: ReadonlyMap<string, number>,
    options: WaitOptions & { readonly maxBytes?: number | undefined } = {},
  ): Promise<ReadonlyMap<string, Page>> {
    this.#check("wait", undefined, options);
    return positions.size === 0 ? new Map() : await this.#waiter.wait(positions, options);
  }

  async trim(stream: string, beforeIndex: number, options: CallOptions = {}): Promise<number> {
    const about = this.#check("trim", stream, options);
    return Number(String(await this.#call("trim", about, options, false, [stream, String(Math.max(0, beforeIndex))])));
  }

  async setDurable(stream: string, index: number, options: CallOptions = {}): Promise<void> {
    const about = this.#check("setDurable", stream, options);
    await this.#write("durable", about, options, [stream, String(index)]);
  }

  async renewLease(key: string, owner: string, ms: number, options: CallOptions = {}): Promise<void> {
    const about = this.#check("renewLease", key, options);
    const status = String(await this.#write("renew", about, options, [key, owner, String(ms)]));
    if (status === "gone") throw new ScanNotFoundError(key, about);
    if (status === "lost") throw new WriterLostError(key, about);
    if (status === "closed") throw new StorageError("CONFLICT", `Scan ${key} is CLOSED and has no lease`, about);
    if (status === "taken") throw new StorageError("CONFLICT", `Somebody else has the lease of ${key}`, about);
  }

  async closeLost(options: CallOptions = {}): Promise<readonly string[]> {
    const about = this.#check("closeLost", undefined, options);
    return listOf(await this.#write("lost", about, options, [])).map(String);
  }

  async usage(options: CallOptions = {}): Promise<LiveUsage> {
    const about = this.#check("usage", undefined, options);
    const said = await this.#parts.connection.call(["INFO", "memory"], {
      ...about,
      signal: options.signal,
      isRead: true,
    });
    const { used, limit } = memoryOf(String(said));
    return { bytes: used, ...(limit === undefined ? {} : { limit }) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const closing = this.#parts.reader.close();
    this.#parts.connection.close();
    await closing;
  }

  #check(operation: string, identifier: string | undefined, { signal }: CallOptions): About {
    const about = { backend: "redis", operation, ...(identifier === undefined ? {} : { identifier }) };
    checkOpen(this.#isOpen, "The engine", about);
    checkAborted(signal, about);
    return about;
  }

  #call(
    name: ScriptName,
    about: About,
    { signal }: CallOptions,
    isRead: boolean,
    args: readonly RedisArgument[],
  ): Promise<RedisReply> {
    return this.#parts.functions.call(name, args, { ...about, signal, isRead });
  }

  #read(name: ScriptName, about: About, options: CallOptions, args: readonly RedisArgument[]): Promise<RedisReply> {
    return this.#call(name, about, options, true, [this.#parts.prefix, ...args]);
  }

  #write(name: ScriptName, about: About, options: CallOptions, args: readonly RedisArgument[]): Promise<RedisReply> {
    return this.#call(name, about, options, false, [this.#parts.prefix, ...args]);
  }

  async #scan(key: string, about: About, options: CallOptions): Promise<ScanReply | undefined> {
    return decodeScan(key, await this.#read("read", about, options, [key]));
  }

  #header(key: string, reply: RedisReply | undefined): ScanReply {
    const scan = decodeScan(key, reply);
    if (scan === undefined) throw new ScanNotFoundError(key, { backend: "redis" });
    return scan;
  }

  async #historyPage(
    place: string,
    limit: number,
    isFromOldest: boolean,
    about: About,
    options: CallOptions,
  ): Promise<HistoryPage> {
    const [tag, gap, flat] = listOf(await this.#write("after", about, options, [place, String(limit)]));
    const found = listOf(flat).map(String);
    const scans: HistoryEntry[] = [];
    for (let i = 0; i + 1 < found.length; i += 2) scans.push({ tag: found[i] as string, key: found[i + 1] as string });
    return { scans, tag: String(tag), hasGap: gap === 1 && !isFromOldest };
  }

  /** Infos of scans, of those that are still there. */
  async #infos(keys: readonly string[], about: About, options: CallOptions): Promise<Map<string, JsonObject>> {
    const infos = new Map<string, JsonObject>();
    for (let i = 0; i < keys.length; i += INFO_BATCH) {
      const batch = keys.slice(i, i + INFO_BATCH);
      const values = listOf(await this.#read("member", about, options, ["info", ...batch]));
      batch.forEach((key, j) => {
        const text = values[j];
        if (text !== null && text !== undefined) infos.set(key, JSON.parse(String(text)) as JsonObject);
      });
    }
    return infos;
  }

  async #peek(
    positions: ReadonlyMap<string, number>,
    maxBytes: number,
    options: CallOptions,
  ): Promise<Map<string, Page>> {
    const args = [...positions].flatMap(([stream, index]) => [stream, String(index)]);
    const replies = listOf(await this.#read("peek", { operation: "wait" }, options, [bytesLimit(maxBytes), ...args]));
    return new Map([...positions.keys()].map((stream, i) => [stream, decodePage(stream, replies[i])]));
  }
}

function bytesLimit(maxBytes: number | undefined): string {
  return maxBytes === undefined || maxBytes > Number.MAX_SAFE_INTEGER ? UNLIMITED : String(maxBytes);
}
