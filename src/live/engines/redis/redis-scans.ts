/** Scans in Redis: their states, their leases, their end. */
import { randomUUID } from "node:crypto";
import { StorageError } from "../../../core/errors.ts";
import type { CallOptions, HistoryEntry, NewScan, Transition, WaitOptions } from "../../engine.ts";
import { ScanNotFoundError, StateConflictError, WriterLostError } from "../../errors.ts";
import type { ScanHeader } from "../../header.ts";
import type { ScanState } from "../../scan-state.ts";
import { scanDocument, streamDocuments } from "./blissdata-dialect.ts";
import type { BlockingReader } from "./blocking-reader.ts";
import type { RedisReply } from "./connection.ts";
import { Deadline } from "./deadline.ts";
import type { About, RedisCalls } from "./redis-calls.ts";
import { decodeScan, indexedFields, type ScanReply } from "./scan-reply.ts";
import { listOf } from "./wire.ts";

/** How long the streams of a deleted scan stay, sealed and empty, so that their readers see the end. */
const GRACE_MS = 15_000;

/** How scans are kept. */
export interface RedisScansOptions {
  /** Scans that the history remembers. */
  readonly historyLimit: number | undefined;
  /** True: scans are also written as blissdata writes them. */
  readonly isMirrored: boolean;
}

/** The scans of one engine; see `LiveEngine` for what each call promises. */
export class RedisScans {
  readonly #calls: RedisCalls;
  readonly #reader: BlockingReader;
  readonly #options: RedisScansOptions;

  constructor(calls: RedisCalls, reader: BlockingReader, options: RedisScansOptions) {
    this.#calls = calls;
    this.#reader = reader;
    this.#options = options;
  }

  async create(scan: NewScan, options: CallOptions = {}): Promise<HistoryEntry> {
    const { key, lease } = scan;
    const about = this.#calls.check("create", key, options);
    const { historyLimit: limit, isMirrored } = this.#options;
    const reply = await this.#calls.write("create", about, options, [
      key,
      randomUUID(),
      JSON.stringify(scan.identity),
      JSON.stringify(scan.info),
      limit === undefined ? "" : String(limit),
      lease?.owner ?? "",
      String(lease?.ms ?? 0),
      isMirrored ? scanDocument(scan) : "",
      ...indexedFields(scan.identity),
    ]);
    if (reply === null) throw new StorageError("ALREADY_EXISTS", `There is a scan ${key} already`, about);
    return { tag: String(reply), key };
  }

  async transition(key: string, change: Transition, options: CallOptions = {}): Promise<ScanHeader> {
    const about = this.#calls.check("transition", key, options);
    const { info, streams, endReason = "" } = change;
    const reply = await this.#calls.write("change", about, options, [
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
      streams === undefined ? "" : streamDocuments(streams),
    ]);
    const [status, found] = listOf(reply);
    if (String(status) === "gone") throw new ScanNotFoundError(key, about);
    if (String(status) === "state") throw new StateConflictError(change.to, Number(String(found)) as ScanState, about);
    return headerOf(key, found).header;
  }

  async get(key: string, options: CallOptions = {}): Promise<ScanHeader | undefined> {
    return (await this.#scan(key, this.#calls.check("getScan", key, options), options))?.header;
  }

  async states(keys: readonly string[], options: CallOptions = {}): Promise<(ScanState | undefined)[]> {
    const about = this.#calls.check("getStates", undefined, options);
    if (keys.length === 0) return [];
    const states = listOf(await this.#calls.read("member", about, options, ["state", ...keys]));
    return states.map((state) => (state === null ? undefined : (Number(String(state)) as ScanState)));
  }

  async delete(key: string, options: CallOptions = {}): Promise<boolean> {
    const about = this.#calls.check("deleteScan", key, options);
    return (await this.#calls.write("remove", about, options, [key, randomUUID(), String(GRACE_MS)])) === 1;
  }

  async expire(key: string, ms: number, options: CallOptions = {}): Promise<void> {
    const about = this.#calls.check("expire", key, options);
    // Redis takes whole milliseconds; sooner than asked would be wrong.
    const reply = await this.#calls.write("expire", about, options, [key, String(Math.max(1, Math.ceil(ms)))]);
    if (reply !== 1) throw new ScanNotFoundError(key, about);
  }

  async wait(key: string, revision: number, options: WaitOptions = {}): Promise<ScanHeader | undefined> {
    const about = this.#calls.check("waitScan", key, options);
    const deadline = new Deadline(options.timeoutMs);
    for (;;) {
      const scan = await this.#scan(key, about, options);
      if (scan === undefined) throw new ScanNotFoundError(key, about);
      if (scan.header.revision > revision) return scan.header;
      if (deadline.isOver) return undefined;
      const position = new Map([[`${this.#calls.prefix}state:${key}`, scan.news]]);
      // A key that goes by itself wakes nobody.
      const timeoutMs = deadline.sooner(scan.leavesInMs === undefined ? undefined : scan.leavesInMs + 1);
      await this.#reader.next(position, { operation: "waitScan", timeoutMs, signal: options.signal });
    }
  }

  async renewLease(key: string, owner: string, ms: number, options: CallOptions = {}): Promise<void> {
    const about = this.#calls.check("renewLease", key, options);
    const status = String(await this.#calls.write("renew", about, options, [key, owner, String(ms)]));
    if (status === "gone") throw new ScanNotFoundError(key, about);
    if (status === "lost") throw new WriterLostError(key, about);
    if (status === "closed") throw new StorageError("CONFLICT", `Scan ${key} is CLOSED and has no lease`, about);
    if (status === "taken") throw new StorageError("CONFLICT", `Somebody else has the lease of ${key}`, about);
  }

  async closeLost(options: CallOptions = {}): Promise<readonly string[]> {
    const about = this.#calls.check("closeLost", undefined, options);
    return listOf(await this.#calls.write("lost", about, options, [])).map(String);
  }

  async #scan(key: string, about: About, options: CallOptions): Promise<ScanReply | undefined> {
    return decodeScan(key, await this.#calls.read("read", about, options, [key]));
  }
}

function headerOf(key: string, reply: RedisReply | undefined): ScanReply {
  const scan = decodeScan(key, reply);
  if (scan === undefined) throw new ScanNotFoundError(key, { backend: "redis" });
  return scan;
}
