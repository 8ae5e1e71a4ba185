/** A web server as a byte store. */
import { groupRanges, type ResolvedRange, resolveRange } from "../../src/core/byte-range.ts";
import type {
  ByteRange,
  ListEntry,
  ListOptions,
  ObjectStat,
  OperationOptions,
  ReadOptions,
  StatOptions,
} from "../../src/core/byte-store.ts";
import type { StoreCapabilities } from "../../src/core/capabilities.ts";
import { type ErrorContext, isStorageError, StorageError } from "../../src/core/errors.ts";
import { normalizeKey } from "../../src/core/key.ts";
import { type WalkedEntry, walkTree } from "../../src/core/listing.ts";
import { pieceStream } from "../../src/core/piece-stream.ts";
import { ReadableStore, readOnlyCapabilities } from "../../src/core/readable-store.ts";
import { directoryInTheWay, directoryStat, otherVersion } from "../../src/core/store-answers.ts";
import { etagOf, ifMatchHeader, partOf, statOf, totalOfRefusal } from "./answer.ts";
import type { HttpBase } from "./base.ts";
import { collectBody, countBody, sliceBody } from "./body.ts";
import type { HttpClient } from "./client.ts";
import { type IndexEntry, parseHtmlIndex, parseJsonIndex } from "./index-page.ts";

/** Ranges this near to each other are fetched as one: about what a round trip costs. */
const MAX_GAP = 1 << 16;
const MAX_GROUP = 1 << 24;
const CONCURRENCY = 6;

/** What an {@link HttpStore} is made of. */
export interface HttpStoreParts {
  readonly name: string;
  readonly base: HttpBase;
  readonly client: HttpClient;
  /** What the server shows of folders. */
  readonly index: "none" | "html" | "json" | "auto";
  /** False: ranges are not even asked for. */
  readonly ranges: boolean;
}

/** A part of a value on its way. */
interface Part {
  readonly pieces: AsyncGenerator<Uint8Array>;
  /** What the part is of the value; its length is `undefined` as long as the server does not say. */
  readonly offset: number;
  readonly byteLength: number | undefined;
  /** Length of the value. */
  readonly total: number | undefined;
}

/**
 * Keys as addresses below one base, read by `GET` and `HEAD`.
 *
 * - Every answer is checked: part and length against what was asked, the etag against `ifMatch`. A server that ignores
 *   ranges gives the whole value, of which the part is taken.
 * - The parts of one `readRanges` are of one version. Where the server names none, they come in one answer.
 * - Without an index there is no listing, and a directory is known only where the server sends on to it.
 */
export class HttpStore extends ReadableStore {
  readonly capabilities: StoreCapabilities;
  readonly #base: HttpBase;
  readonly #client: HttpClient;
  readonly #index: HttpStoreParts["index"];
  readonly #ranges: boolean;

  constructor({ name, base, client, index, ranges }: HttpStoreParts) {
    super(name);
    this.capabilities = { ...readOnlyCapabilities, list: index !== "none", ranges: ranges ? "native" : "emulated" };
    this.#base = base;
    this.#client = client;
    this.#index = index;
    this.#ranges = ranges;
  }

  /** Without user, password and query, which may be secrets. */
  uri(key: string): string {
    return this.#base.shown(normalizeKey(key));
  }

  protected override async doStat(key: string, options: StatOptions, context: ErrorContext): Promise<ObjectStat> {
    if (key === "") return directoryStat(key);
    const { signal } = options;
    try {
      const head = await this.#client.send({ method: "HEAD", key, signal }, context);
      if (head.status === 200) {
        const { total } = partOf(head) ?? {};
        return total === undefined
          ? await this.#statByReading(key, options, context)
          : statOf(key, head.headers, total);
      }
      // 403 too: what is signed for GET, as the addresses of S3 are, is not for HEAD.
      if ([403, 405, 501].includes(head.status)) return await this.#statByReading(key, options, context);
      throw await this.#failure(head, key, options, context);
    } catch (error) {
      if (isStorageError(error, "IS_A_DIRECTORY")) return directoryStat(key);
      throw error;
    }
  }

  protected override async doRead(key: string, options: ReadOptions, context: ErrorContext): Promise<Uint8Array> {
    const part = await this.#get(key, options.range, options, context);
    return collectBody(part.pieces, part.byteLength, context);
  }

  protected override async doReadRanges(
    key: string,
    ranges: readonly ByteRange[],
    options: ReadOptions,
    context: ErrorContext,
  ): Promise<Uint8Array[]> {
    const limits = { maxGap: MAX_GAP, maxLength: MAX_GROUP };
    const bounded = ranges.flatMap((range) =>
      "suffix" in range || range.length === undefined || range.length === 0
        ? []
        : { offset: range.offset, length: range.length },
    );
    // One answer says the length of the value as well, so that nothing needs to be asked before.
    const [only, ...others] = bounded.length === ranges.length ? groupRanges(bounded, limits) : [];
    if (only !== undefined && others.length === 0) {
      const part = await this.#get(key, only, options, context);
      const bytes = await collectBody(part.pieces, part.byteLength, context);
      const total = part.total ?? part.offset + bytes.byteLength;
      return bounded.map((range) => cut(bytes, part.offset, resolveRange(range, total, context)));
    }
    const stat = await this.doStat(key, options, context);
    if (stat.kind === "directory") throw directoryInTheWay(key, context);
    this.#checkVersion(stat.etag, options.ifMatch, context);
    const resolved = ranges.map((range) => resolveRange(range, stat.byteLength, context));
    // Several answers may be mixed only if all say which version they are of.
    const inOne = stat.etag === undefined || !this.#ranges;
    const groups = groupRanges(resolved, inOne ? { maxGap: Infinity, maxLength: Infinity } : limits);
    const results: Uint8Array[] = resolved.map(() => new Uint8Array(0));
    const wanted = groups.filter((group) => group.length > 0);
    for (let i = 0; i < wanted.length; i += CONCURRENCY) {
      const gets = wanted.slice(i, i + CONCURRENCY).map(async ({ offset, length, parts }) => {
        const part = await this.#get(key, { offset, length }, { ...options, ifMatch: stat.etag }, context);
        const bytes = await collectBody(part.pieces, part.byteLength, context);
        for (const each of parts) results[each.index] = cut(bytes, offset, each);
      });
      await Promise.all(gets);
    }
    return results;
  }

  protected override async doReadStream(
    key: string,
    options: ReadOptions,
    context: ErrorContext,
  ): Promise<ReadableStream<Uint8Array>> {
    const open = async (signal: AbortSignal) => {
      return (await this.#get(key, options.range, { ...options, signal }, context)).pieces;
    };
    return pieceStream(open, options.signal);
  }

  protected override async *doList(options: ListOptions, context: ErrorContext): AsyncGenerator<ListEntry> {
    const walk = walkTree(options, (directory) => this.#readIndex(directory, options, context));
    // An index may know no lengths; each entry is then asked for, a few ahead of the caller.
    const ahead: Promise<ListEntry | undefined>[] = [];
    for await (const entry of walk) {
      const stat = this.#statOfListed(entry, options, context);
      stat.catch(() => undefined);
      ahead.push(stat);
      if (ahead.length < CONCURRENCY) continue;
      const first = await ahead.shift();
      if (first !== undefined) yield first;
    }
    for (const stat of ahead) {
      const next = await stat;
      if (next !== undefined) yield next;
    }
  }

  protected override async doClose(): Promise<void> {
    this.#client.close();
  }

  /** Begins to read a part, and checks all that the headers of the answer say of it. */
  async #get(key: string, range: ByteRange | undefined, options: ReadOptions, context: ErrorContext): Promise<Part> {
    if (key === "") throw directoryInTheWay(key, context);
    if (range !== undefined && isEmptyRange(range)) return this.#emptyPart(key, range, options, context);
    const headers = { ...ifMatchHeader(options.ifMatch), ...(this.#ranges ? rangeHeader(range) : {}) };
    const response = await this.#client.send({ method: "GET", key, headers, signal: options.signal }, context);
    if (response.status === 416 && range !== undefined) {
      await response.body?.cancel();
      const total = totalOfRefusal(response.headers) ?? (await this.doStat(key, options, context)).byteLength;
      const { length } = resolveRange(range, total, context);
      if (length === 0) return this.#emptyPart(key, range, options, context);
      // Some servers refuse a suffix that is longer than the value.
      return this.#get(key, { offset: total - length, length }, options, context);
    }
    if (response.status !== 200 && response.status !== 206) throw await this.#failure(response, key, options, context);
    try {
      return await this.#partOf(response, key, range, options, context);
    } catch (error) {
      await response.body?.cancel();
      throw error;
    }
  }

  async #partOf(
    response: Response,
    key: string,
    range: ByteRange | undefined,
    options: ReadOptions,
    context: ErrorContext,
  ): Promise<Part> {
    const answer = partOf(response);
    if (answer === undefined || (response.status === 206 && range === undefined)) throw wrongPart(key, context);
    this.#checkVersion(etagOf(response.headers, answer.total), options.ifMatch, context);
    const body = { response, key, client: this.#client, signal: options.signal, context };
    if (response.status === 206) {
      const { offset, byteLength = 0, total } = answer;
      if (!isAsked(range as ByteRange, offset, byteLength, total)) throw wrongPart(key, context);
      return { offset, byteLength, total, pieces: sliceBody(body, { offset: 0, length: byteLength }, byteLength) };
    }
    if (range === undefined) {
      const { byteLength, total } = answer;
      const whole = { offset: 0, length: byteLength ?? Number.POSITIVE_INFINITY };
      return { offset: 0, byteLength, total, pieces: sliceBody(body, whole, byteLength) };
    }
    // The server has ignored the range.
    const total = answer.total ?? (await this.#statByReading(key, options, context)).byteLength;
    const { offset, length } = resolveRange(range, total, context);
    return { offset, byteLength: length, total, pieces: sliceBody(body, { offset, length }, total) };
  }

  /** No part of a value that must be there all the same. */
  async #emptyPart(key: string, range: ByteRange, options: ReadOptions, context: ErrorContext): Promise<Part> {
    const stat = await this.doStat(key, options, context);
    if (stat.kind === "directory") throw directoryInTheWay(key, context);
    this.#checkVersion(stat.etag, options.ifMatch, context);
    const { offset } = resolveRange(range, stat.byteLength, context);
    return { offset, byteLength: 0, total: stat.byteLength, pieces: nothing() };
  }

  /** For servers that answer no `HEAD`, or without a length: asks for the first byte, or at worst counts all of them. */
  async #statByReading(key: string, options: OperationOptions, context: ErrorContext): Promise<ObjectStat> {
    const headers = this.#ranges ? { range: "bytes=0-0" } : {};
    const response = await this.#client.send({ method: "GET", key, headers, signal: options.signal }, context);
    const refused = response.status === 416 ? totalOfRefusal(response.headers) : undefined;
    if (response.status !== 200 && response.status !== 206 && refused === undefined) {
      throw await this.#failure(response, key, options, context);
    }
    const known = refused ?? partOf(response)?.total;
    if (known === undefined && response.status === 206) {
      await response.body?.cancel();
      throw wrongPart(key, context);
    }
    if (known !== undefined) await response.body?.cancel();
    const body = { response, key, client: this.#client, signal: options.signal, context };
    return statOf(key, response.headers, known ?? (await countBody(body)));
  }

  /** The error of an answer; a key that is missing may be a directory. */
  async #failure(
    response: Response,
    key: string,
    { signal }: OperationOptions,
    context: ErrorContext,
  ): Promise<StorageError> {
    const failure = await this.#client.failure(response, { key }, context);
    if (failure.code !== "NOT_FOUND" || this.#index === "none") return failure;
    const folder = await this.#client.send({ method: "HEAD", key, isDirectory: true, signal }, context);
    await folder.body?.cancel();
    return folder.status === 200 ? directoryInTheWay(key, context) : failure;
  }

  async #readIndex(key: string, { signal }: OperationOptions, outer: ErrorContext): Promise<readonly IndexEntry[]> {
    const context = { ...outer, identifier: key };
    const request = { method: "GET", key, isDirectory: true, signal } as const;
    const response = await this.#client.send(request, context);
    if (response.status !== 200) {
      const failure = await this.#client.failure(response, request, context);
      if (failure.code === "NOT_FOUND") return [];
      throw failure;
    }
    const contentType = response.headers.get("content-type") ?? "";
    try {
      const page = await response.text();
      const isJson = this.#index === "auto" ? /json/.test(contentType) : this.#index === "json";
      return isJson ? parseJsonIndex(page, context) : parseHtmlIndex(page, this.#base.url(key, true), context);
    } catch (error) {
      if (this.#index !== "auto" || !isStorageError(error, "CORRUPT")) {
        throw this.#client.wayError(error, request, context);
      }
      throw new StorageError("UNSUPPORTED", error.message, { ...context, cause: error });
    }
  }

  /** `undefined` for what has gone since, or is in the index and cannot be read, as a link to nowhere. */
  async #statOfListed(
    { key, kind, byteLength, modifiedMs }: WalkedEntry<IndexEntry>,
    options: OperationOptions,
    context: ErrorContext,
  ): Promise<ListEntry | undefined> {
    if (kind === "directory") return directoryStat(key);
    if (byteLength !== undefined) return { key, kind, byteLength, modifiedMs, etag: undefined };
    try {
      return await this.doStat(key, options, { ...context, identifier: key });
    } catch (error) {
      if (isStorageError(error, "NOT_FOUND")) return undefined;
      throw error;
    }
  }

  #checkVersion(etag: string | undefined, ifMatch: string | undefined, context: ErrorContext): void {
    if (ifMatch === undefined || etag === ifMatch) return;
    throw otherVersion(String(context.identifier), context);
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function isEmptyRange(range: ByteRange): boolean {
  return "suffix" in range ? range.suffix === 0 : range.length === 0;
}

function rangeHeader(range: ByteRange | undefined): Readonly<Record<string, string>> {
  if (range === undefined) return {};
  if ("suffix" in range) return { range: `bytes=-${range.suffix}` };
  const { offset, length } = range;
  return { range: `bytes=${offset}-${length === undefined ? "" : offset + length - 1}` };
}

/** True if a part is what the range stands for in a value of this length. */
function isAsked(range: ByteRange, offset: number, byteLength: number, total: number | undefined): boolean {
  if (total !== undefined && (!("offset" in range) || range.offset <= total)) {
    const asked = resolveRange(range, total);
    return asked.offset === offset && asked.length === byteLength;
  }
  if ("suffix" in range) return byteLength === range.suffix;
  return range.offset === offset && (range.length === undefined || range.length === byteLength);
}

/** A copy of one range from the bytes that begin at `start` of the value. */
function cut(bytes: Uint8Array, start: number, { offset, length }: ResolvedRange): Uint8Array {
  return bytes.slice(offset - start, offset - start + length);
}

function wrongPart(key: string, context: ErrorContext): StorageError {
  return new StorageError(
    "CORRUPT",
    `The server of "${context.backend}" gives another part of "${key}" than it was asked for; ranges: false asks for none`,
    context,
  );
}
