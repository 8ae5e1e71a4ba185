/** What scans there are: the history, and what they are found by. */
import { StorageError } from "../../../core/errors.ts";
import type { CallOptions, HistoryEntry, HistoryPage, HistoryTag, WaitOptions } from "../../engine.ts";
import type { JsonObject } from "../../json.ts";
import { matchesQuery, type ScanQuery } from "../../scan-query.ts";
import { searchedFields } from "../stored-json.ts";
import type { BlockingReader } from "./blocking-reader.ts";
import { Deadline } from "./deadline.ts";
import type { About, RedisCalls } from "./redis-calls.ts";
import { decodeFound, searchRanges } from "./scan-reply.ts";
import { isBefore, listOf } from "./wire.ts";

/** Scans of which info is asked for with one command. */
const INFO_BATCH = 64;

/** The history of one engine; see `LiveEngine` for what each call promises. */
export class RedisHistory {
  readonly #calls: RedisCalls;
  readonly #reader: BlockingReader;

  constructor(calls: RedisCalls, reader: BlockingReader) {
    this.#calls = calls;
    this.#reader = reader;
  }

  async after(
    after: HistoryTag | "oldest" | "now",
    options: WaitOptions & { readonly limit?: number | undefined } = {},
  ): Promise<HistoryPage> {
    const about = this.#calls.check("scansAfter", undefined, options);
    const deadline = new Deadline(options.timeoutMs);
    let place = after === "oldest" ? "0-0" : after;
    if (after === "now") place = (await this.last(options)).tag;
    if (!/^\d+-\d+$/.test(place)) {
      throw new StorageError("INVALID_DATA", `${JSON.stringify(after)} is no place in the history`, about);
    }
    for (;;) {
      const page = await this.#historyPage(place, options.limit ?? 100, after === "oldest", about, options);
      if (page.scans.length > 0 || page.hasGap || deadline.isOver) return page;
      place = page.tag;
      const position = new Map([[`${this.#calls.prefix}scans`, place]]);
      await this.#reader.next(position, {
        operation: "scansAfter",
        timeoutMs: deadline.leftMs,
        signal: options.signal,
      });
    }
  }

  async last(options: CallOptions = {}): Promise<{ readonly tag: HistoryTag; readonly key?: string }> {
    const about = this.#calls.check("lastScan", undefined, options);
    const [tag, key] = listOf(await this.#calls.read("last", about, options, []));
    return { tag: String(tag), ...(key === undefined ? {} : { key: String(key) }) };
  }

  async search(
    query: ScanQuery,
    options: CallOptions = {},
  ): Promise<{ readonly tag: HistoryTag; readonly keys: readonly string[] }> {
    const about = this.#calls.check("search", undefined, options);
    const { createdFrom, createdBefore } = query;
    const reply = await this.#calls.write("search", about, options, [
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

  async #historyPage(
    place: string,
    limit: number,
    isFromOldest: boolean,
    about: About,
    options: CallOptions,
  ): Promise<HistoryPage> {
    const [tag, gap, flat] = listOf(await this.#calls.write("after", about, options, [place, String(limit)]));
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
      const values = listOf(await this.#calls.read("member", about, options, ["info", ...batch]));
      batch.forEach((key, j) => {
        const text = values[j];
        if (text !== null && text !== undefined) infos.set(key, searchedFields(String(text)));
      });
    }
    return infos;
  }
}
