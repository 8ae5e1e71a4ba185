/** What a bridge answers to plain requests: scans and streams as JSON, points as arrays, and the page. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { toWireError } from "../../codecs/wire-error.ts";
import { ByteBudget } from "../../core/byte-budget.ts";
import { isStorageError, StorageError, type StorageErrorCode } from "../../core/errors.ts";
import type { DataStore } from "../data-store.ts";
import { scanDocument } from "./feeds.ts";
import type { Gate } from "./gate.ts";
import { type AnswerLimits, isFormat, pointsAnswer } from "./points-answer.ts";
import type { ScanDocument } from "./protocol.ts";

/** Answers under way at once. */
const MOST_ANSWERS = 16;

/** Answers up to so many bytes wait for no others: one that is long, and that nobody reads, stops none of them. */
const SHORT_BYTES = 2 ** 20;

/** A reader that takes nothing for so long is given up. */
const STUCK_MS = 60_000;

/** Most scans of one answer. */
const MOST_SCANS = 1000;

/** Headers that pages of other origins may see. */
const EXPOSED = ["dtype", "shape", "byte-order", "index", "step", "count"].map((name) => `x-sluice-${name}`).join(", ");

/** Status for a failure; 500 for others. */
const statuses: Partial<Record<StorageErrorCode, number>> = {
  ...{ NOT_FOUND: 404, NOT_YET: 404, OUT_OF_RANGE: 404, EXPIRED: 410, INVALID_DATA: 400, INVALID_KEY: 400 },
  ...{ UNSUPPORTED: 406, CAPACITY_EXCEEDED: 413, RATE_LIMITED: 503, TIMED_OUT: 503, NOT_OPEN: 503, ABORTED: 503 },
  ...{ PERMISSION_DENIED: 403, UNAUTHENTICATED: 401 },
};

/** What {@link HttpAnswers} works on. */
export interface HttpAnswersOptions {
  readonly store: DataStore;
  readonly gate: Gate;
  /** The longest answer. */
  readonly maxAnswerBytes: number;
  /** Bytes of long answers that are held at once. */
  readonly answerBytes: number;
  /** The page at `/`; `undefined`: none. */
  readonly page?: { readonly html: string; readonly policy: string } | undefined;
  /** Fires when the bridge is closed. */
  readonly signal: AbortSignal;
}

interface Answer {
  readonly status?: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: readonly Uint8Array[];
}

/** Answers requests of HTTP. */
export class HttpAnswers {
  readonly #options: HttpAnswersOptions;
  readonly #budget: ByteBudget;
  #underWay = 0;

  constructor(options: HttpAnswersOptions) {
    this.#options = options;
    this.#budget = new ByteBudget(options.answerBytes);
  }

  /** Answers one request. Never rejects: what fails is the answer. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { gate } = this.#options;
    response.on("error", () => {});
    response.setTimeout(STUCK_MS, () => response.destroy());
    const allowed = gate.crossOrigin(request.headers);
    response.setHeader("x-content-type-options", "nosniff");
    response.setHeader("vary", "origin");
    if (allowed !== undefined) {
      response.setHeader("access-control-allow-origin", allowed);
      response.setHeader("access-control-expose-headers", EXPOSED);
    }
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    const signal = AbortSignal.any([this.#options.signal, gone.signal]);
    try {
      if (this.#early(request, response)) return;
      if (this.#underWay >= MOST_ANSWERS) {
        throw new StorageError("RATE_LIMITED", "Too much is asked for at once", { retryable: true });
      }
      this.#underWay++;
      response.on("close", () => this.#underWay--);
      const hold = async (bytes: number) => {
        if (bytes <= SHORT_BYTES) return () => {};
        const giveBack = await this.#budget.take(bytes, signal);
        response.on("close", () => giveBack());
        // It may have been closed just now, and will not say so again.
        if (gone.signal.aborted) giveBack();
        return giveBack;
      };
      send(request, response, await this.#route(request, { signal, hold }));
    } catch (error) {
      if (gone.signal.aborted) return;
      const status = (isStorageError(error) && statuses[error.code]) || 500;
      if (status === 503) response.setHeader("retry-after", "1");
      send(request, response, json({ error: toWireError(error) }, status));
    }
  }

  /** What is answered without looking at scans. True if it was. */
  #early(request: IncomingMessage, response: ServerResponse): boolean {
    const { gate, page } = this.#options;
    const { method = "", headers } = request;
    const path = addressOf(request)?.pathname;
    if (method === "OPTIONS" && gate.crossOrigin(headers) !== undefined) {
      response.setHeader("access-control-allow-headers", "authorization, range");
      response.setHeader("access-control-allow-methods", "GET, HEAD");
      response.setHeader("access-control-max-age", "600");
      response.writeHead(204).end();
      return true;
    }
    if (method !== "GET" && method !== "HEAD") {
      response.setHeader("allow", "GET, HEAD");
      send(request, response, json({ error: { code: "UNSUPPORTED", message: "Scans are read here" } }, 405));
      return true;
    }
    // The page itself tells nothing: who follows a link to it is asked for the token by it.
    const isPage = path === "/" && page !== undefined;
    const own = isPage ? { host: headers.host } : headers;
    const refusal = gate.refusalOfPlace(own) ?? (isPage ? undefined : gate.refusalOfToken(headers));
    if (refusal !== undefined) {
      if (refusal.status === 401) response.setHeader("www-authenticate", "Bearer");
      const code = refusal.status === 401 ? "UNAUTHENTICATED" : "PERMISSION_DENIED";
      send(request, response, json({ error: { code, message: refusal.reason } }, refusal.status));
      return true;
    }
    if (!isPage) return false;
    const policy = { "content-security-policy": page.policy, "referrer-policy": "no-referrer" };
    const type = { "content-type": "text/html; charset=utf-8", "cache-control": "no-cache", ...policy };
    send(request, response, { headers: type, body: [new TextEncoder().encode(page.html)] });
    return true;
  }

  async #route(request: IncomingMessage, { signal, hold }: Omit<AnswerLimits, "maxBytes">): Promise<Answer> {
    const { store, maxAnswerBytes } = this.#options;
    const url = addressOf(request);
    if (url === undefined) throw new StorageError("INVALID_DATA", "The address is no address");
    const [version, scans, key, streams, name, points, selection, ...more] = url.pathname
      .slice(1)
      .split("/")
      .map(plain);
    const isKnown = version === "v1" && scans === "scans" && more.length === 0;
    if (!isKnown) throw new StorageError("NOT_FOUND", "There is nothing under this address. See docs/live-bridge.md");
    if (key === undefined) return json(await this.#scans(url.searchParams, signal));
    const scan = await store.loadScan(key === "latest" ? (await store.lastScan({ signal })).key : key, { signal });
    if (streams === undefined) return json(scanDocument(scan));
    if (streams !== "streams" || name === undefined) throw new StorageError("NOT_FOUND", "Scans have streams, by name");
    const stream = scan.stream(name);
    if (points === undefined) {
      const { length, floor, sealed } = await stream.bounds({ signal });
      return json({ name, encoding: stream.encoding, info: stream.info, length, floor, sealed });
    }
    if (points !== "points" || selection === undefined) {
      throw new StorageError("NOT_FOUND", "Streams have points: points/17, points/10:20");
    }
    const format = url.searchParams.get("format") ?? undefined;
    if (format !== undefined && !isFormat(format)) {
      throw new StorageError("UNSUPPORTED", "Formats are npy, raw and json");
    }
    return await pointsAnswer(stream, selection, format, { maxBytes: maxAnswerBytes, signal, hold });
  }

  /** The newest scans that match, newest first. */
  async #scans(parameters: URLSearchParams, signal: AbortSignal): Promise<{ scans: ScanDocument[]; tag: string }> {
    const { store } = this.#options;
    const limit = Number(parameters.get("limit") ?? 20);
    if (!Number.isSafeInteger(limit) || limit < 1 || limit > MOST_SCANS) {
      throw new StorageError("INVALID_DATA", `limit must be a whole number from 1 to ${MOST_SCANS}`);
    }
    const fields = [...parameters].filter(([name]) => name !== "limit");
    const { tag, keys } = await store.search({ identity: Object.fromEntries(fields.map(numbered)) }, { signal });
    const scans: ScanDocument[] = [];
    for (const key of keys.slice(-limit).reverse()) {
      try {
        scans.push(scanDocument(await store.loadScan(key, { signal })));
      } catch (error) {
        // One that is damaged is no reason to hide the others; who asks for it is told.
        if (!isStorageError(error, "NOT_FOUND", "CORRUPT")) throw error;
      }
    }
    return { scans, tag };
  }
}

/** `number=12` means the number; what looks like one is one. */
function numbered([name, text]: [string, string]): [string, string | number] {
  return [name, /^-?\d{1,15}$/.test(text) ? Number(text) : text];
}

/** What a request is about; `undefined` if nobody can say. */
export function addressOf({ url = "/" }: IncomingMessage): URL | undefined {
  return URL.canParse(url, "http://bridge") ? new URL(url, "http://bridge") : undefined;
}

function plain(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw new StorageError("INVALID_DATA", "The address is no address", { cause });
  }
}

function json(value: unknown, status = 200): Answer {
  const headers = { "content-type": "application/json", "cache-control": "no-store" };
  return { status, headers, body: [new TextEncoder().encode(JSON.stringify(value))] };
}

/** Sends an answer, or the part of its bytes that was asked for. */
function send(request: IncomingMessage, response: ServerResponse, { status = 200, headers, body }: Answer): void {
  const length = body.reduce((sum, part) => sum + part.byteLength, 0);
  const range = status === 200 ? byteRange(request.headers.range, length) : undefined;
  if (range === "unsatisfiable") {
    response.writeHead(416, { "content-range": `bytes */${length}` }).end();
    return;
  }
  const { start, end } = range ?? { start: 0, end: length };
  const part = { "accept-ranges": "bytes", "content-length": String(end - start) };
  const place = range && { "content-range": `bytes ${start}-${end - 1}/${length}` };
  response.writeHead(range ? 206 : status, { ...headers, ...part, ...place });
  if (request.method !== "HEAD") {
    let at = 0;
    for (const bytes of body) {
      const piece = bytes.subarray(Math.max(0, start - at), Math.max(0, end - at));
      if (piece.byteLength > 0) response.write(piece);
      at += bytes.byteLength;
    }
  }
  response.end();
}

/** One range of bytes; `undefined` for none, or a form that may be passed over. */
function byteRange(
  header: string | undefined,
  length: number,
): { start: number; end: number } | "unsatisfiable" | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "");
  const [first = "", last = ""] = match?.slice(1) ?? [];
  if (first === "" && last === "") return undefined;
  const start = first === "" ? Math.max(0, length - Number(last)) : Number(first);
  const end = first === "" || last === "" ? length : Math.min(length, Number(last) + 1);
  return start < end ? { start, end } : "unsatisfiable";
}
