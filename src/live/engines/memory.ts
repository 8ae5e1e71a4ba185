/** The engine of one process: nothing to install, nothing that stays. */
import { checkAborted, checkOpen } from "../../core/checks.ts";
import type { ErrorContext } from "../../core/errors.ts";
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
} from "../engine.ts";
import type { ScanHeader } from "../header.ts";
import type { ScanQuery } from "../scan-query.ts";
import type { ScanState } from "../scan-state.ts";
import { HISTORY, MemoryLiveStore } from "./memory-store.ts";

/** Keeps scans and streams in the memory of this process. */
export class MemoryEngine implements LiveEngine {
  readonly name = "memory";
  readonly capabilities: LiveCapabilities;
  readonly #store: MemoryLiveStore;
  #isOpen = true;

  /** @param store - What it works on; two engines of one store see the same. Default: a new one. */
  constructor(store: MemoryLiveStore = new MemoryLiveStore()) {
    this.#store = store;
    this.capabilities = {
      processes: "one",
      isPersistent: false,
      limitsMemory: store.limitBytes !== undefined,
      trimsExactly: true,
      ...(store.historyLimit !== undefined && { historyLimit: store.historyLimit }),
      maxInfoBytes: 1_000_000,
    };
  }

  async createScan(scan: NewScan, options: CallOptions = {}): Promise<HistoryEntry> {
    this.#check("createScan", scan.key, options);
    return this.#store.createScan(scan);
  }

  async transition(key: string, change: Transition, options: CallOptions = {}): Promise<ScanHeader> {
    this.#check("transition", key, options);
    return this.#store.transition(key, change);
  }

  async getScan(key: string, options: CallOptions = {}): Promise<ScanHeader | undefined> {
    this.#check("getScan", key, options);
    return this.#store.getScan(key);
  }

  async getStates(keys: readonly string[], options: CallOptions = {}): Promise<(ScanState | undefined)[]> {
    this.#check("getStates", undefined, options);
    return keys.map((key) => this.#store.getState(key));
  }

  async deleteScan(key: string, options: CallOptions = {}): Promise<boolean> {
    this.#check("deleteScan", key, options);
    return this.#store.deleteScan(key);
  }

  async expire(key: string, ms: number, options: CallOptions = {}): Promise<void> {
    this.#check("expire", key, options);
    this.#store.expire(key, ms);
  }

  async waitScan(key: string, revision: number, options: WaitOptions = {}): Promise<ScanHeader | undefined> {
    return await this.#wait([key], "waitScan", key, options, () => this.#store.newerScan(key, revision));
  }

  async scansAfter(
    after: HistoryTag | "oldest" | "now",
    options: WaitOptions & { readonly limit?: number | undefined } = {},
  ): Promise<HistoryPage> {
    this.#check("scansAfter", undefined, options);
    const { number, hasGap } = this.#store.position(after);
    const read = () => this.#store.scansAfter(number, options.limit ?? 100, hasGap);
    const look = () => {
      const page = read();
      return page.scans.length > 0 || hasGap ? page : undefined;
    };
    return (await this.#wait([HISTORY], "scansAfter", undefined, options, look)) ?? read();
  }

  async lastScan(options: CallOptions = {}): Promise<{ readonly tag: HistoryTag; readonly key?: string }> {
    this.#check("lastScan", undefined, options);
    return this.#store.lastScan();
  }

  async search(
    query: ScanQuery,
    options: CallOptions = {},
  ): Promise<{ readonly tag: HistoryTag; readonly keys: readonly string[] }> {
    this.#check("search", undefined, options);
    return this.#store.search(query);
  }

  async append(
    stream: string,
    entries: readonly Entry[],
    options: CallOptions & { readonly writer?: string | undefined } = {},
  ): Promise<void> {
    this.#check("append", stream, options);
    this.#store.append(stream, entries, options.writer);
  }

  async claim(streams: readonly string[], writer: string, options: CallOptions = {}): Promise<Bounds[]> {
    this.#check("claim", undefined, options);
    return streams.map((stream) => this.#store.claim(stream, writer));
  }

  async seal(stream: string, options: CallOptions = {}): Promise<number> {
    this.#check("seal", stream, options);
    return this.#store.seal(stream);
  }

  async bounds(streams: readonly string[], options: CallOptions = {}): Promise<Bounds[]> {
    this.#check("bounds", undefined, options);
    return streams.map((stream) => this.#store.bounds(stream));
  }

  async range(
    stream: string,
    from: number | "last",
    to: number,
    options: CallOptions & { readonly maxBytes?: number | undefined } = {},
  ): Promise<Page> {
    this.#check("range", stream, options);
    return this.#store.range(stream, from, to, options.maxBytes ?? Number.POSITIVE_INFINITY);
  }

  async wait(positions: ReadonlyMap<string, number>, options: WaitOptions = {}): Promise<Map<string, Page>> {
    const look = () => {
      const pages = new Map<string, Page>();
      for (const [stream, index] of positions) {
        const bounds = this.#store.bounds(stream);
        if (bounds.length > index || bounds.sealed) pages.set(stream, { entries: [], bounds });
      }
      return pages.size > 0 || positions.size === 0 ? pages : undefined;
    };
    return (await this.#wait(positions.keys(), "wait", undefined, options, look)) ?? new Map();
  }

  async trim(stream: string, beforeIndex: number, options: CallOptions = {}): Promise<number> {
    this.#check("trim", stream, options);
    return this.#store.trim(stream, beforeIndex);
  }

  async setDurable(stream: string, index: number, options: CallOptions = {}): Promise<void> {
    this.#check("setDurable", stream, options);
    this.#store.setDurable(stream, index);
  }

  async renewLease(key: string, owner: string, ms: number, options: CallOptions = {}): Promise<void> {
    this.#check("renewLease", key, options);
    this.#store.renewLease(key, owner, ms);
  }

  async closeLost(options: CallOptions = {}): Promise<string[]> {
    this.#check("closeLost", undefined, options);
    return this.#store.closeLost();
  }

  async usage(options: CallOptions = {}): Promise<LiveUsage> {
    this.#check("usage", undefined, options);
    return this.#store.usage();
  }

  /** Frees those who wait through this engine. What the store holds stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOpen = false;
    // They look again, and find that the engine is closed.
    this.#store.waiters.wakeAll();
  }

  #wait<T>(
    topics: Iterable<string>,
    operation: string,
    identifier: string | undefined,
    options: WaitOptions,
    look: () => T | undefined,
  ): Promise<T | undefined> {
    const context = this.#context(operation, identifier);
    const lookWhileOpen = () => {
      checkOpen(this.#isOpen, "The engine", context);
      return look();
    };
    return this.#store.waiters.until(topics, lookWhileOpen, options, context);
  }

  #check(operation: string, identifier: string | undefined, options: CallOptions): void {
    const context = this.#context(operation, identifier);
    checkOpen(this.#isOpen, "The engine", context);
    checkAborted(options.signal, context);
  }

  #context(operation: string, identifier: string | undefined): ErrorContext {
    return { backend: this.name, operation, identifier };
  }
}
