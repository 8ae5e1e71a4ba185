/**
 * Reads live scans through a bridge: in browsers, and wherever there is a WebSocket.
 *
 * @module sluice/live/client
 */
import { npyCodec } from "../../codecs/npy.ts";
import { fromWireError, readWireError } from "../../codecs/wire-error.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { StorageError } from "../../core/errors.ts";
import { arrayFromBytes, type NdArray } from "../../core/nd-array.ts";
import type { JsonValue } from "../json.ts";
import { ClientSubscription, type SubscriptionRequest } from "./client-subscription.ts";
import {
  BRIDGE_VERSION,
  closeCodes,
  decodeServerMessage,
  type PointsPlace,
  type ScanDocument,
  type ScansRequest,
  type ServerMessage,
  SOCKET_PATH,
  type StreamDocument,
  type StreamPlace,
  type StreamRequest,
  type SubscriptionMessage,
} from "./protocol.ts";

export type {
  PointsPlace,
  ScanDocument,
  ScansRequest,
  ScansSince,
  StreamDocument,
  StreamPlace,
  StreamRequest,
} from "./protocol.ts";

/** Time to the first attempt to connect again; each that fails doubles it, up to the longest. */
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 10_000;

/** Heartbeats that may be missing before a connection is given up. */
const SILENT_BEATS = 3;

/** The part of a WebSocket that is used. */
export interface SocketLike {
  /** Set to `"arraybuffer"`. */
  binaryType: string;
  /** Called once it is open. */
  onopen: ((event: never) => void) | null;
  /** Called with `{ data }` for each message. */
  onmessage: ((event: never) => void) | null;
  /** Called with `{ code }` once it is closed. */
  onclose: ((event: never) => void) | null;
  /** Called before a close that is no good one. */
  onerror: ((event: never) => void) | null;
  /** Sends a message of text. */
  send(text: string): void;
  /** Closes it. */
  close(code?: number): void;
}

/** Options of a {@link LiveClient}. */
export interface LiveClientOptions {
  /** What the bridge wants to know. Sent in the first message, and as a header of requests; never in an address. */
  readonly token?: string | undefined;
  /** Default: that of the browser, or of Node 22 and newer. In Node 20 that of the package ws. */
  readonly WebSocket?: (new (url: string) => SocketLike) | undefined;
  /** Told whether there is a connection. */
  readonly onConnection?: ((isOpen: boolean) => void) | undefined;
  /** What measures the time between attempts. */
  readonly clock?: Clock | undefined;
}

/** Options of a subscription. */
export interface SubscribeOptions {
  /** Ends the subscription, as if it had come to its end. */
  readonly signal?: AbortSignal | undefined;
}

/** A scan that was created, or a gap: the history has forgotten scans before the next one. */
export type ScanNews = { readonly type: "scan"; readonly scan: ScanDocument } | { readonly type: "gap" };

/** What comes of a stream. */
export type StreamNews =
  /** First: what the stream is. */
  | { readonly type: "stream"; readonly name: string; readonly stream: StreamDocument & StreamPlace }
  | ({
      readonly type: "points";
      /** An array whose first axis counts points, or a list; absent for points that are fetched by their `url`. */
      readonly data?: NdArray | readonly JsonValue[] | undefined;
      /** For {@link LiveClient.points}. */
      readonly url?: string | undefined;
    } & PointsPlace)
  /** Points from `from` up to `to` do not come: they have left, or were passed over because of `maxLag`. */
  | { readonly type: "gap"; readonly reason: "expired" | "lag"; readonly from: number; readonly to: number };

/**
 * A client of a `LiveBridge`. Connects when it is first needed, and again by itself: subscriptions go on after the last
 * message that came, without loss and without doubles. What is not taken from an iteration is not sent either, beyond
 * the window of its subscription.
 *
 * @example
 * ```ts
 * import { LiveClient } from "sluice/live/client";
 * const client = new LiveClient("http://127.0.0.1:7591");
 * for await (const news of client.scans({ since: "latest" })) if (news.type === "scan") console.log(news.scan.key);
 * ```
 */
export class LiveClient implements AsyncDisposable {
  readonly #url: URL;
  readonly #options: LiveClientOptions;
  readonly #clock: Clock;
  readonly #subscriptions = new Set<ClientSubscription>();
  #socket: SocketLike | undefined;
  #isGreeted = false;
  #isClosed = false;
  #lastId = 0;
  #retryMs = FIRST_RETRY_MS;
  #heartbeatMs = 0;
  #cancelRetry: () => void = () => {};
  #cancelWatch: () => void = () => {};

  /**
   * @param url - Of the bridge: `http://127.0.0.1:7591`.
   * @throws A {@link StorageError}: `CONFIG_INVALID` for no such URL, `MISSING_DEPENDENCY` where there is no WebSocket.
   */
  constructor(url: string, options: LiveClientOptions = {}) {
    if (!URL.canParse(url) || !/^https?:/.test(url)) {
      // Not the text itself: it may hold a secret.
      throw new StorageError("CONFIG_INVALID", "The address of a bridge begins with http:// or https://");
    }
    this.#url = new URL(url);
    const known = options.WebSocket ?? (globalThis as { WebSocket?: LiveClientOptions["WebSocket"] }).WebSocket;
    if (known === undefined) {
      const message = "There is no WebSocket here: pass that of the package ws, as the option WebSocket";
      throw new StorageError("MISSING_DEPENDENCY", message);
    }
    this.#options = { ...options, WebSocket: known };
    this.#clock = options.clock ?? systemClock;
  }

  /** Scans as they are created, from now on unless the request says otherwise. Ends with the client, or the signal. */
  async *scans(request: ScansRequest = {}, options: SubscribeOptions = {}): AsyncGenerator<ScanNews, void, undefined> {
    for await (const message of this.#subscribe({ type: "scans", ...request }, options)) {
      if (message.type === "scan") yield { type: "scan", scan: message.scan };
      if (message.type === "gap") yield { type: "gap" };
    }
  }

  /**
   * A scan, and again each time that it changes, until it is CLOSED.
   *
   * @throws A {@link StorageError} `NOT_FOUND` if it is not there, or is deleted.
   */
  async *scan(key: string, options: SubscribeOptions = {}): AsyncGenerator<ScanDocument, void, undefined> {
    for await (const message of this.#subscribe({ type: "scan", key }, options)) {
      if (message.type === "scan") yield message.scan;
    }
  }

  /**
   * What comes of a stream, until it is sealed.
   *
   * @throws A {@link StorageError}: `WRITER_LOST` at the end if the writer went away; `NOT_FOUND`.
   */
  async *stream(request: StreamRequest, options: SubscribeOptions = {}): AsyncGenerator<StreamNews, void, undefined> {
    for await (const message of this.#subscribe({ type: "stream", ...request }, options)) {
      const news = newsOf(message);
      if (news !== undefined) yield news;
    }
  }

  /**
   * Points by their URL: one as an index, several as `start:stop:step`.
   *
   * @param url - From points that came without data.
   * @returns An array, or JSON.
   * @throws A {@link StorageError} with the code that the bridge gave.
   */
  async points(url: string, selection: number | string, options: SubscribeOptions = {}): Promise<NdArray | JsonValue> {
    const address = new URL(`${url}/${encodeURIComponent(selection).replaceAll("%3A", ":")}`, this.#url);
    if (address.origin !== this.#url.origin) {
      throw new StorageError("INVALID_DATA", "Points are fetched from their own bridge alone");
    }
    const { token } = this.#options;
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const answer = await fetch(address, { headers, redirect: "error", signal: options.signal ?? null });
    if (!answer.ok) throw await failureOf(answer);
    const isJson = answer.headers.get("content-type") === "application/json";
    if (isJson) return (await answer.json()) as JsonValue;
    const bytes = new Uint8Array(await answer.arrayBuffer());
    return npyCodec.decode(bytes, { identifier: address.pathname, options: {} }) as NdArray;
  }

  /** Ends all subscriptions and the connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const subscription of this.#subscriptions) subscription.finish();
    this.#subscriptions.clear();
    this.#disconnect();
  }

  async *#subscribe(request: SubscriptionRequest, { signal }: SubscribeOptions): AsyncGenerator<SubscriptionMessage> {
    if (this.#isClosed) throw new StorageError("NOT_OPEN", "The client is closed");
    if (signal?.aborted) return;
    const subscription = new ClientSubscription(request);
    const stop = () => subscription.finish();
    signal?.addEventListener("abort", stop, { once: true });
    this.#subscriptions.add(subscription);
    this.#connect();
    if (this.#isGreeted) this.#ask(subscription);
    try {
      for await (const message of subscription.messages()) {
        if (signal?.aborted) return;
        yield message;
      }
    } finally {
      signal?.removeEventListener("abort", stop);
      this.#subscriptions.delete(subscription);
      if (subscription.id !== undefined) this.#say({ type: "unsubscribe", id: subscription.id });
      subscription.id = undefined;
      if (this.#subscriptions.size === 0) this.#disconnect();
    }
  }

  #connect(): void {
    if (this.#socket !== undefined || this.#isClosed) return;
    this.#cancelRetry();
    const address = new URL(SOCKET_PATH, this.#url);
    address.protocol = address.protocol.replace("http", "ws");
    const Socket = this.#options.WebSocket as new (url: string) => SocketLike;
    const socket = new Socket(address.href);
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    const bytes = new Map<number, number>();
    socket.onopen = () => this.#say({ type: "hello", version: BRIDGE_VERSION, token: this.#options.token });
    socket.onmessage = ({ data }: { data: ArrayBuffer }) => {
      if (socket === this.#socket) this.#receive(socket, new Uint8Array(data), bytes);
    };
    socket.onerror = () => {};
    socket.onclose = ({ code }: { code: number }) => {
      if (socket === this.#socket) this.#lost(code);
    };
  }

  #receive(socket: SocketLike, data: Uint8Array, bytes: Map<number, number>): void {
    let message: ServerMessage | undefined;
    try {
      message = decodeServerMessage(data);
    } catch (error) {
      this.#failAll(error);
      return;
    }
    this.#watch();
    if (message?.type === "hello") this.#greeted(message.heartbeatMs);
    if (message === undefined || !("id" in message) || message.id === undefined) return;
    const { id } = message;
    const subscription = [...this.#subscriptions].find((each) => each.id === id);
    if (subscription === undefined) return;
    if (message.type === "error") {
      this.#refused(subscription, message.error);
      return;
    }
    const upTo = (bytes.get(id) ?? 0) + data.byteLength;
    bytes.set(id, upTo);
    if (message.type === "end") subscription.id = undefined;
    subscription.take(message, () => {
      // On another connection these bytes mean nothing.
      if (socket === this.#socket && subscription.id === id) this.#say({ type: "ack", id, bytes: upTo });
    });
  }

  #greeted(heartbeatMs: number): void {
    this.#isGreeted = true;
    this.#retryMs = FIRST_RETRY_MS;
    this.#heartbeatMs = heartbeatMs;
    this.#watch();
    this.#options.onConnection?.(true);
    for (const subscription of this.#subscriptions) this.#ask(subscription);
  }

  #ask(subscription: ClientSubscription): void {
    subscription.id = ++this.#lastId;
    this.#say({ ...subscription.request, id: subscription.id });
  }

  /** The bridge could not serve a subscription: for a while, or for good. */
  #refused(subscription: ClientSubscription, error: Parameters<typeof fromWireError>[0]): void {
    subscription.id = undefined;
    if (!error.retryable) {
      subscription.finish(fromWireError(error));
      return;
    }
    this.#clock.after(FIRST_RETRY_MS, () => {
      const isWaiting = this.#subscriptions.has(subscription) && subscription.id === undefined;
      if (isWaiting && this.#isGreeted) this.#ask(subscription);
    });
  }

  #lost(code: number): void {
    const wasOpen = this.#isGreeted;
    this.#disconnect();
    if (wasOpen) this.#options.onConnection?.(false);
    if (code === closeCodes.unauthenticated) {
      this.#failAll(new StorageError("UNAUTHENTICATED", "The bridge wants another token"));
    } else if (code === closeCodes.badRequest) {
      this.#failAll(new StorageError("INVALID_DATA", "The bridge does not know what was asked for"));
    } else if (this.#subscriptions.size > 0) {
      this.#cancelRetry = this.#clock.after(this.#retryMs, () => this.#connect());
      this.#retryMs = Math.min(this.#retryMs * 2, LONGEST_RETRY_MS);
    }
  }

  /** Gives the connection up if nothing comes for too long: a socket may hang for minutes without a close. */
  #watch(): void {
    this.#cancelWatch();
    if (this.#heartbeatMs === 0) return;
    const socket = this.#socket;
    this.#cancelWatch = this.#clock.after(this.#heartbeatMs * SILENT_BEATS, () => {
      if (socket !== this.#socket) return;
      socket?.close();
      this.#lost(1006);
    });
  }

  #disconnect(): void {
    this.#cancelWatch();
    this.#cancelRetry();
    const socket = this.#socket;
    this.#socket = undefined;
    this.#isGreeted = false;
    for (const subscription of this.#subscriptions) subscription.id = undefined;
    socket?.close();
  }

  #failAll(error: unknown): void {
    for (const subscription of this.#subscriptions) subscription.finish(error);
    this.#disconnect();
  }

  #say(message: object): void {
    this.#socket?.send(JSON.stringify(message));
  }
}

function newsOf(message: SubscriptionMessage): StreamNews | undefined {
  if (message.type === "stream") return message;
  if (message.type === "gap" && message.reason !== "history") {
    const { type, reason, from, to } = message;
    return { type, reason, from, to };
  }
  if (message.type !== "points") return undefined;
  const { type, index, step, count, next } = message;
  const place = { type, index, step, count, next } as const;
  if (message.value === "url") return { ...place, url: message.url };
  if (message.value === "array") {
    return { ...place, data: arrayFromBytes(message.payload, message.dtype, message.shape, "little") };
  }
  return { ...place, data: JSON.parse(new TextDecoder().decode(message.payload)) as JsonValue[] };
}

async function failureOf(answer: Response): Promise<StorageError> {
  const body: unknown = await answer.json().catch((): undefined => undefined);
  const error = (body as { error?: unknown } | undefined)?.error;
  if (error === undefined) return new StorageError("UNEXPECTED", `The bridge answers ${answer.status}`);
  return fromWireError(readWireError(error));
}
