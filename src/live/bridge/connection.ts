/** One client of a bridge: what it asks for, and what it gets, at its own pace. */
import type { WebSocket } from "ws";
import { toWireError } from "../../codecs/wire-error.ts";
import { ByteBudget } from "../../core/byte-budget.ts";
import type { Clock } from "../../core/clock.ts";
import { isStorageError, StorageError } from "../../core/errors.ts";
import type { DataStore } from "../data-store.ts";
import { type Feed, scanFeed, scansFeed } from "./feeds.ts";
import { FlowWindow } from "./flow-window.ts";
import {
  BRIDGE_VERSION,
  type BridgeLimits,
  type ClientMessage,
  closeCodes,
  decodeClientMessage,
  encodeServerMessage,
  type ServerMessage,
} from "./protocol.ts";
import { streamFeed } from "./stream-feed.ts";

/** Intervals without a sign of life after which a client is given up. */
const SILENT_INTERVALS = 3;

/** Window of a subscription that names none, unless the bridge allows less. */
const DEFAULT_WINDOW = 2 ** 20;

/** Bytes of messages that nobody waits with, errors mostly, that a client may leave unread before it is given up. */
const MOST_UNASKED = 16 * 2 ** 20;

/** What connections of a bridge share. */
export interface ConnectionContext {
  readonly store: DataStore;
  readonly limits: BridgeLimits;
  /** Bytes that may be under way to one client. */
  readonly clientBytes: number;
  readonly heartbeatMs: number;
  readonly clock: Clock;
  /** True for the token of the bridge. */
  readonly knows: (token: string | undefined) => boolean;
  /** Gives the client a place. False if there is none. */
  readonly sits: () => boolean;
}

interface Subscription {
  readonly window: FlowWindow;
  readonly stop: AbortController;
}

/** Serves one client from its first message to its last. */
export class BridgeConnection {
  readonly #socket: WebSocket;
  readonly #context: ConnectionContext;
  readonly #budget: ByteBudget;
  readonly #subscriptions = new Map<number, Subscription>();
  #isAdmitted: boolean;
  #hasHello = false;
  #silentIntervals = 0;
  #saidNothing = true;
  #cancelBeat: () => void = () => {};

  /** @param isAdmitted - True if a header had the token: the hello needs none then. */
  constructor(socket: WebSocket, context: ConnectionContext, isAdmitted: boolean) {
    this.#socket = socket;
    this.#context = context;
    this.#budget = new ByteBudget(context.clientBytes);
    this.#isAdmitted = isAdmitted;
    socket.on("message", (data, isBinary) => this.#receive(data as Buffer, isBinary));
    socket.on("pong", () => {
      this.#silentIntervals = 0;
    });
    // The close that follows says enough.
    socket.on("error", () => {});
    socket.on("close", () => this.#stop());
    this.#beat();
  }

  #receive(data: Buffer, isBinary: boolean): void {
    this.#silentIntervals = 0;
    try {
      if (isBinary) throw new StorageError("INVALID_DATA", "Live bridge: requests are text");
      this.#take(decodeClientMessage(data.toString("utf8")));
    } catch (error) {
      this.#end(closeCodes.badRequest, error);
    }
  }

  #take(message: ClientMessage): void {
    if (message.type === "hello") {
      this.#greet(message.token);
      return;
    }
    if (!this.#hasHello) throw new StorageError("INVALID_DATA", "Live bridge: a client says hello first");
    if (message.type === "ack") this.#subscriptions.get(message.id)?.window.acknowledge(message.bytes);
    else if (message.type === "unsubscribe") this.#unsubscribe(message.id);
    else this.#subscribe(message);
  }

  #greet(token: string | undefined): void {
    const { store, limits, heartbeatMs } = this.#context;
    if (this.#hasHello) throw new StorageError("INVALID_DATA", "Live bridge: a client says hello once");
    if (!this.#isAdmitted && !this.#context.knows(token)) {
      const error = new StorageError("UNAUTHENTICATED", "The token is missing, or another one");
      this.#end(closeCodes.unauthenticated, error);
      return;
    }
    if (!this.#context.sits()) {
      const error = new StorageError("RATE_LIMITED", "There are too many clients", { retryable: true });
      this.#end(closeCodes.full, error);
      return;
    }
    this.#isAdmitted = true;
    this.#hasHello = true;
    this.#send({ type: "hello", version: BRIDGE_VERSION, engine: store.engine.name, heartbeatMs, limits });
  }

  #subscribe(request: Extract<ClientMessage, { type: "scans" | "scan" | "stream" }>): void {
    const { id } = request;
    const { limits } = this.#context;
    if (this.#subscriptions.has(id)) {
      throw new StorageError("INVALID_DATA", `Live bridge: there is a subscription ${id} already`);
    }
    if (this.#subscriptions.size >= limits.subscriptions) {
      const message = `A client has ${limits.subscriptions} subscriptions at most`;
      this.#send({ type: "error", id, error: toWireError(new StorageError("CAPACITY_EXCEEDED", message)) });
      return;
    }
    const stop = new AbortController();
    const wanted = request.type === "stream" ? request.windowBytes : undefined;
    // Whoever wants the newest point wants it when it is ready for one.
    const isLatest = request.type === "stream" && request.mode === "latest";
    const window = new FlowWindow(isLatest ? 1 : Math.min(wanted ?? DEFAULT_WINDOW, limits.windowBytes));
    this.#subscriptions.set(id, { window, stop });
    void this.#run(id, this.#feed(request, stop.signal), window, stop.signal);
  }

  #feed(request: Extract<ClientMessage, { type: "scans" | "scan" | "stream" }>, signal: AbortSignal): Feed {
    const { store, limits } = this.#context;
    if (request.type === "scans") return scansFeed(store, request, signal);
    if (request.type === "scan") return scanFeed(store, request, signal);
    return streamFeed(store, request, { signal, inlineBytes: limits.inlineBytes });
  }

  /** Sends what a feed gives, each message once there is room for it. Never rejects. */
  async #run(id: number, feed: Feed, window: FlowWindow, signal: AbortSignal): Promise<void> {
    try {
      for (;;) {
        await window.room(signal);
        const next = await feed.next();
        if (next.done) break;
        const bytes = encodeServerMessage({ id, ...next.value });
        const giveBack = await this.#budget.take(bytes.byteLength, signal);
        // Room is given back once the bytes have left the process, and the client is done with them or never will be.
        let holders = 2;
        const letGo = () => {
          if (--holders === 0) giveBack();
        };
        window.sent(bytes.byteLength, letGo);
        this.#sendBytes(bytes, letGo);
      }
    } catch (error) {
      if (!signal.aborted) this.#send({ type: "error", id, error: toWireError(error) });
    } finally {
      if (!signal.aborted) this.#subscriptions.delete(id);
      window.release();
    }
  }

  #unsubscribe(id: number): void {
    const subscription = this.#subscriptions.get(id);
    if (subscription === undefined) return;
    this.#subscriptions.delete(id);
    subscription.stop.abort();
    subscription.window.release();
  }

  #send(message: ServerMessage): void {
    this.#sendBytes(encodeServerMessage(message));
  }

  /** @param onGone - Called once nothing of the message is held here. */
  #sendBytes(bytes: Uint8Array, onGone: () => void = () => {}): void {
    if (this.#socket.bufferedAmount > this.#context.clientBytes + MOST_UNASKED) this.#socket.terminate();
    if (this.#socket.readyState !== this.#socket.OPEN) {
      onGone();
      return;
    }
    this.#saidNothing = false;
    // What goes wrong closes the socket.
    this.#socket.send(bytes, () => onGone());
  }

  /** Says something now and then, since pages see no pings, and gives up a client of whom nothing comes. */
  #beat(): void {
    const { clock, heartbeatMs } = this.#context;
    this.#cancelBeat = clock.after(heartbeatMs, () => {
      if (++this.#silentIntervals > SILENT_INTERVALS || !this.#hasHello) {
        this.#socket.terminate();
        return;
      }
      this.#socket.ping();
      if (this.#saidNothing) this.#send({ type: "heartbeat" });
      this.#saidNothing = true;
      this.#beat();
    });
  }

  #end(code: number, error: unknown): void {
    this.#send({ type: "error", error: toWireError(error) });
    // The reason of a close is short, and must not fail for what a client has sent.
    this.#socket.close(code, isStorageError(error) ? error.code : "UNEXPECTED");
    this.#stop();
  }

  #stop(): void {
    this.#cancelBeat();
    for (const id of [...this.#subscriptions.keys()]) this.#unsubscribe(id);
  }
}
