/** The other side of a stream: what a viewer is built on. */

import { toWireError, type WireError } from "../../src/codecs/wire-error.ts";
import { checkInteger } from "../../src/core/checks.ts";
import { runAll, StorageError } from "../../src/core/errors.ts";
import { type Answer, Answers } from "./answers.ts";
import type { StreamItem } from "./item.ts";
import { DEFAULT_MESSAGE_BYTES } from "./message.ts";
import { connectPort, type PortLike } from "./message-port.ts";
import { Peer } from "./peer.ts";
import { Slots } from "./slots.ts";
import type { ConnectionEvents, PausableConnection } from "./transport.ts";
import type { Listener, ListenOptions } from "./websocket-listener.ts";

/** A value that came, to be answered once. */
export interface ReceivedItem extends StreamItem {
  /** Who sent it: one name for each sending backend. */
  readonly sender: string;
  /** Says that it was processed. Does nothing after the first answer. */
  acknowledge(): void;
  /** Says that it was not, and why; a {@link StorageError} arrives with its code. Does nothing after the first answer. */
  refuse(error: unknown): void;
}

/** Options of a {@link Receiver}. */
export interface ReceiverOptions {
  /** Longest message that is taken. Default 256 MiB. */
  readonly maxMessageBytes?: number | undefined;
  /**
   * Bytes that may be here without an answer. Above, senders are made to wait, those whose transport can: TCP does the
   * rest. Default 64 MiB.
   */
  readonly bufferBytes?: number | undefined;
}

/** Options of {@link Receiver.serve}. */
export interface ServeOptions {
  /** Items that may be processed at once. Default 1: in order. */
  readonly concurrency?: number | undefined;
  /** Stops before the next item. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Takes values from senders, over WebSockets and message ports, one after another.
 *
 * An item is answered when it was processed: a loop over the receiver acknowledges each item when it asks for the next,
 * and refuses the one in hand when it is left. A value that is sent again after a broken connection is not seen twice.
 * Of two producers that send to one path the second is refused with `CONFLICT`, until the first has gone.
 *
 * @example
 * ```ts
 * import { Receiver } from "sluice/backends/stream";
 * const receiver = new Receiver();
 * console.log(await receiver.listen({ port: 7590 }));
 * for await (const { path, data } of receiver) console.log(path, data);
 * ```
 */
export class Receiver implements AsyncIterable<ReceivedItem>, AsyncDisposable {
  readonly #maxMessageBytes: number;
  readonly #bufferBytes: number;
  readonly #peers = new Set<Peer>();
  readonly #listeners: Listener[] = [];
  readonly #answers = new Answers();
  readonly #slots = new Slots();
  readonly #queue: ReceivedItem[] = [];
  readonly #takers: ((item: ReceivedItem | undefined) => void)[] = [];
  /** Bytes of items without an answer. */
  #heldBytes = 0;
  #isPaused = false;
  #isOpen = true;

  constructor({ maxMessageBytes = DEFAULT_MESSAGE_BYTES, bufferBytes = 64 * 2 ** 20 }: ReceiverOptions = {}) {
    checkInteger(maxMessageBytes, "maxMessageBytes", 1);
    checkInteger(bufferBytes, "bufferBytes", 1);
    this.#maxMessageBytes = maxMessageBytes;
    this.#bufferBytes = bufferBytes;
  }

  /** Items that are here and that nobody has taken. */
  get waiting(): number {
    return this.#queue.length;
  }

  /**
   * Listens for WebSockets, on this machine alone unless told otherwise.
   *
   * @returns Where.
   * @throws A {@link StorageError}: `CONFIG_INVALID` for another host than loopback without a token;
   * `MISSING_DEPENDENCY`; `CONFLICT` if the port is taken; `NOT_OPEN` once closed.
   */
  async listen(options: ListenOptions = {}): Promise<{ readonly url: string; readonly port: number }> {
    this.#checkOpen();
    const { listen } = await import("./websocket-listener.ts");
    const listener = await listen(options, this.#maxMessageBytes, () => this.#newPeer());
    this.#listeners.push(listener);
    if (!this.#isOpen) await listener.close();
    return { url: listener.url, port: listener.port };
  }

  /** Takes values from a message port, which belongs to the receiver from now on. */
  attach(port: PortLike): void {
    this.accept((events) => connectPort(port, events));
  }

  /**
   * Takes values from a transport of your own.
   *
   * @param connect - Makes the connection, which tells the events what happens.
   * @throws A {@link StorageError} `NOT_OPEN` once closed.
   */
  accept(connect: (events: ConnectionEvents) => PausableConnection): void {
    this.#checkOpen();
    const peer = this.#newPeer();
    peer.start(connect(peer));
  }

  /**
   * Processes every item until the receiver is closed or the signal fires. What the handler throws refuses its item and
   * ends nothing.
   */
  async serve(handler: (item: ReceivedItem) => unknown, options: ServeOptions = {}): Promise<void> {
    const { concurrency = 1, signal } = options;
    checkInteger(concurrency, "concurrency", 1);
    const work = async () => {
      for (let item = await this.#take(signal); item !== undefined; item = await this.#take(signal)) {
        try {
          await handler(item);
          item.acknowledge();
        } catch (error) {
          item.refuse(error);
        }
      }
    };
    await Promise.all(Array.from({ length: concurrency }, work));
  }

  async *[Symbol.asyncIterator](): AsyncIterator<ReceivedItem, void, undefined> {
    for (let item = await this.#take(); item !== undefined; item = await this.#take()) {
      let isDone = false;
      try {
        yield item;
        isDone = true;
      } finally {
        if (isDone) item.acknowledge();
        // The loop was left with the item in hand, by an error for all that can be seen from here.
        else item.refuse(new StorageError("ABORTED", `The receiver stopped before it was done with "${item.path}"`));
      }
    }
  }

  /**
   * Stops listening and ends all connections. Senders hear that they may try again: the values without an answer are
   * theirs still. Loops end. Idempotent.
   */
  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#queue.length = 0;
    for (const take of this.#takers.splice(0)) take(undefined);
    for (const peer of this.#peers) {
      peer.end(new StorageError("NOT_OPEN", "The receiver is closed", { retryable: true }));
    }
    await runAll(
      this.#listeners.map((listener) => () => listener.close()),
      "Closing the receiver failed",
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #newPeer(): Peer {
    const peer: Peer = new Peer(this.#maxMessageBytes, {
      onItem: (sender, item, byteLength, reply) => this.#receive(sender, item, byteLength, reply),
      onEnd: () => {
        this.#peers.delete(peer);
        const { sender } = peer;
        const isElsewhere = [...this.#peers].some((other) => other.sender === sender);
        if (sender !== undefined && !isElsewhere) this.#slots.release(sender);
      },
    });
    this.#peers.add(peer);
    return peer;
  }

  #receive(sender: string, item: StreamItem, byteLength: number, reply: Answer["reply"]): void {
    if (!this.#isOpen) return;
    const known = this.#answers.find(sender, item.id);
    if (known !== undefined) {
      known.reply = reply;
      if (known.isDone) reply(known.error);
      return;
    }
    const answer = this.#answers.add(sender, item.id, reply);
    this.#hold(byteLength);
    const settle = (error?: WireError) => {
      if (answer.isDone) return;
      answer.isDone = true;
      answer.error = error;
      this.#hold(-byteLength);
      answer.reply(error);
    };
    try {
      this.#slots.claim(item.path, item.producer, sender);
    } catch (error) {
      settle(toWireError(error));
      return;
    }
    const received = {
      ...item,
      sender,
      acknowledge: () => settle(),
      refuse: (error: unknown) => settle(toWireError(error)),
    };
    const take = this.#takers.shift();
    if (take === undefined) this.#queue.push(received);
    else take(received);
  }

  #hold(byteLength: number): void {
    this.#heldBytes += byteLength;
    const isFull = this.#heldBytes > this.#bufferBytes;
    const wasPaused = this.#isPaused;
    this.#isPaused = isFull;
    // Every time while it is full: one that has just come knows nothing of it.
    if (isFull) for (const peer of this.#peers) peer.pause();
    else if (wasPaused) for (const peer of this.#peers) peer.resume();
  }

  /** The next item; `undefined` once closed, or when the signal fires. */
  #take(signal?: AbortSignal): Promise<ReceivedItem | undefined> {
    if (!this.#isOpen || signal?.aborted) return Promise.resolve(undefined);
    const next = this.#queue.shift();
    if (next !== undefined) return Promise.resolve(next);
    return new Promise((resolve) => {
      const take = (item: ReceivedItem | undefined) => {
        signal?.removeEventListener("abort", stop);
        resolve(item);
      };
      const stop = () => {
        this.#takers.splice(this.#takers.indexOf(take), 1);
        take(undefined);
      };
      signal?.addEventListener("abort", stop);
      this.#takers.push(take);
    });
  }

  #checkOpen(): void {
    if (!this.#isOpen) throw new StorageError("NOT_OPEN", "The receiver is closed");
  }
}
