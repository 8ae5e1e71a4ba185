/** One viewer as the sender sees it: a queue of limited size, a connection, and what has not been answered. */

import type { WireError } from "../../src/codecs/wire-error.ts";
import { isStorageError, StorageError } from "../../src/core/errors.ts";
import type { Clock } from "../../src/layers/clock.ts";
import { Link } from "./link.ts";
import { DEFAULT_MESSAGE_BYTES } from "./message.ts";
import type { StreamTransport } from "./transport.ts";
import type { ViewerLoss, ViewerReport, ViewerSettings } from "./viewer-settings.ts";

/** A message on its way to a viewer. */
export interface Outgoing {
  readonly id: number;
  readonly path: string;
  readonly message: Uint8Array<ArrayBuffer>;
  /** Length of the message, also once its memory has been handed over. */
  readonly byteLength: number;
  /** True if no other viewer gets this message. */
  readonly isLast: boolean;
}

interface Entry extends Outgoing {
  /** Called once; a failure that nobody waits for is reported instead. */
  settle(error?: StorageError): void;
}

/** Everything that a viewer is made of. */
export interface ViewerOptions extends ViewerSettings {
  readonly transport: StreamTransport;
  /** Who sends. */
  readonly sender: string;
  readonly clock: Clock;
  /** Hears of values that are lost and that no `save` waits for. */
  readonly onLoss: (loss: ViewerLoss) => void;
}

/**
 * Sends messages to one viewer, in order, and to no other: what happens here slows and fails nobody else.
 *
 * At most `bufferBytes` wait and `windowBytes` are under way, or one message where one is longer than that. A connection
 * is made when there is something to send. When it ends, what was not answered goes to the front of the queue and is
 * sent again; after `reconnect.attempts` failures in a row, with no answer between them, everything that waits fails.
 */
export class Viewer {
  readonly #options: ViewerOptions;
  readonly #queue: Entry[] = [];
  readonly #underWay = new Map<number, Entry>();
  /** What waits for room in the queue; only with `block`. */
  readonly #waiters: Entry[] = [];
  readonly #idle: (() => void)[] = [];
  #queueBytes = 0;
  #underWayBytes = 0;
  #link: Link | undefined;
  #opening: Link | undefined;
  #isPausing = false;
  #isClosing = false;
  #failures = 0;
  #maxMessageBytes = DEFAULT_MESSAGE_BYTES;
  #cancelTimer: (() => void) | undefined;
  #cancelPause: (() => void) | undefined;
  readonly #counts = { sent: 0, acknowledged: 0, refused: 0, dropped: 0, droppedBytes: 0, lost: 0, resent: 0 };

  constructor(options: ViewerOptions) {
    this.#options = options;
  }

  /** What became of everything so far. */
  get report(): ViewerReport {
    return {
      name: this.#options.transport.name,
      isConnected: this.#link !== undefined,
      ...this.#counts,
      waiting: this.#queue.length + this.#waiters.length,
      waitingBytes: this.#queueBytes,
      underWay: this.#underWay.size,
    };
  }

  /**
   * Takes a message. With the policy `block` it resolves when the viewer has answered; otherwise at once, and what
   * happens to the message later is reported.
   *
   * @throws A {@link StorageError}: with `block`, what the viewer answered, `TIMED_OUT`, `ABORTED`, `NOT_OPEN`, or
   * `UNEXPECTED` without a connection; with `error`, `RATE_LIMITED` when there is no room.
   */
  async offer(outgoing: Outgoing, signal: AbortSignal | undefined): Promise<void> {
    const { policy } = this.#options;
    if (this.#isClosing) throw this.#error("NOT_OPEN", "is closed");
    if (policy === "block") return this.#deliver(outgoing, signal);
    const { byteLength } = outgoing;
    if (policy === "dropOldest") while (!this.#fits(byteLength)) this.#dropOldest();
    else if (!this.#fits(byteLength)) {
      this.#counts.dropped++;
      this.#counts.droppedBytes += byteLength;
      throw this.#error("RATE_LIMITED", `is ${this.#queueBytes} bytes behind and takes no more`, { retryable: true });
    }
    const { path } = outgoing;
    this.#push({
      ...outgoing,
      settle: (error) => {
        if (error !== undefined) this.#options.onLoss({ viewer: this.#options.transport.name, path, error });
      },
    });
    this.#advance();
  }

  /** Resolves when nothing waits and nothing is under way. */
  drained(): Promise<void> {
    return this.#isIdle ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  /**
   * Waits for answers to what is under way, as long as they come, then ends the connection. What could not be sent is
   * lost and counted.
   */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#cancelPause?.();
    this.#opening?.close();
    if (this.#link === undefined) this.#failAll(this.#error("NOT_OPEN", "was closed before it was connected"));
    await this.drained();
    this.#link?.close();
    this.#link = undefined;
  }

  get #isIdle(): boolean {
    return this.#queue.length + this.#underWay.size + this.#waiters.length === 0;
  }

  #deliver(outgoing: Outgoing, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const entry: Entry = {
        ...outgoing,
        settle: (error) => {
          signal?.removeEventListener("abort", abort);
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      const abort = () => {
        // What is under way cannot be called back; its answer finds nobody.
        if (remove(this.#queue, entry)) this.#queueBytes -= entry.byteLength;
        remove(this.#waiters, entry);
        const { path: identifier } = entry;
        entry.settle(this.#error("ABORTED", `was not waited for`, { cause: signal?.reason, identifier }));
        this.#advance();
      };
      signal?.addEventListener("abort", abort);
      this.#waiters.push(entry);
      this.#advance();
    });
  }

  #fits(byteLength: number): boolean {
    return this.#queue.length === 0 || this.#queueBytes + byteLength <= this.#options.bufferBytes;
  }

  #push(entry: Entry): void {
    this.#queue.push(entry);
    this.#queueBytes += entry.byteLength;
  }

  #takeFirst(): Entry {
    const entry = this.#queue.shift() as Entry;
    this.#queueBytes -= entry.byteLength;
    return entry;
  }

  #dropOldest(): void {
    const entry = this.#takeFirst();
    this.#counts.dropped++;
    this.#counts.droppedBytes += entry.byteLength;
    entry.settle(this.#error("RATE_LIMITED", `fell behind, and "${entry.path}" made room for newer values`));
  }

  /** Does whatever can be done now: sends, admits who waits for room, connects, tells who waits for the end. */
  #advance(): void {
    for (let hasMoved = true; hasMoved; ) {
      hasMoved = false;
      while (this.#waiters.length > 0 && this.#fits((this.#waiters[0] as Entry).byteLength)) {
        this.#push(this.#waiters.shift() as Entry);
        hasMoved = true;
      }
      while (this.#link !== undefined && this.#queue.length > 0 && this.#hasWindow()) {
        this.#sendFirst(this.#link);
        hasMoved = true;
      }
    }
    const mayConnect = this.#link === undefined && this.#opening === undefined && !this.#isPausing;
    if (mayConnect && this.#queue.length > 0) void this.#connect();
    if (this.#isIdle) for (const resolve of this.#idle.splice(0)) resolve();
  }

  #hasWindow(): boolean {
    const next = (this.#queue[0] as Entry).byteLength;
    return this.#underWay.size === 0 || this.#underWayBytes + next <= this.#options.windowBytes;
  }

  #sendFirst(link: Link): void {
    const entry = this.#takeFirst();
    if (entry.byteLength > this.#maxMessageBytes) {
      this.#counts.refused++;
      const size = `${entry.byteLength} bytes; viewer takes ${this.#maxMessageBytes}`;
      entry.settle(this.#error("INVALID_DATA", `cannot take "${entry.path}": ${size}`));
      return;
    }
    this.#underWay.set(entry.id, entry);
    this.#underWayBytes += entry.byteLength;
    this.#counts.sent++;
    if (this.#cancelTimer === undefined) this.#restartTimer();
    link.send(entry.message, entry.isLast);
  }

  #answered(id: number, error: WireError | undefined): void {
    const entry = this.#underWay.get(id);
    // An answer to what was given up, or a second one.
    if (entry === undefined) return;
    this.#forget(entry);
    this.#failures = 0;
    this.#restartTimer();
    if (error === undefined) {
      this.#counts.acknowledged++;
      entry.settle();
    } else {
      this.#counts.refused++;
      const { code, message, retryable } = error;
      entry.settle(this.#error(code, `refused "${entry.path}": ${message}`, { retryable, identifier: entry.path }));
    }
    this.#advance();
  }

  #forget(entry: Entry): void {
    this.#underWay.delete(entry.id);
    this.#underWayBytes -= entry.byteLength;
  }

  /** One timer for all: a viewer that answers anything is alive, one that answers nothing for so long is not. */
  #restartTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#underWay.size === 0) return;
    const { ackTimeoutMs, clock } = this.#options;
    this.#cancelTimer = clock.after(ackTimeoutMs, () => {
      this.#cancelTimer = undefined;
      const [oldest] = this.#underWay.values();
      const error = this.#error("TIMED_OUT", `has not answered for ${ackTimeoutMs} ms`, { retryable: true });
      if (oldest !== undefined) {
        this.#forget(oldest);
        this.#lose(oldest, error);
      }
      this.#disconnected(error);
    });
  }

  async #connect(): Promise<void> {
    const { transport, sender, connectTimeoutMs, clock } = this.#options;
    const link = new Link({
      onAnswer: (id, error) => this.#answered(id, error),
      onEnd: (cause) => this.#disconnected(cause),
    });
    this.#opening = link;
    try {
      const { maxMessageBytes } = await link.open(transport, sender, connectTimeoutMs, clock);
      this.#opening = undefined;
      this.#maxMessageBytes = maxMessageBytes ?? DEFAULT_MESSAGE_BYTES;
      // It may have ended in the meantime, and then nobody was told.
      if (!link.isOpen) throw new Error("it ended the connection");
      this.#link = link;
      this.#advance();
    } catch (error) {
      this.#opening = undefined;
      this.#retry(error);
    }
  }

  #disconnected(cause: unknown): void {
    if (this.#link === undefined) return;
    this.#link.close();
    this.#link = undefined;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const again = [...this.#underWay.values()];
    this.#counts.resent += again.length;
    for (const entry of again) {
      this.#forget(entry);
      this.#queueBytes += entry.byteLength;
    }
    this.#queue.unshift(...again);
    this.#retry(cause);
  }

  /** After a failure: connects anew a little later, or gives up. */
  #retry(cause: unknown): void {
    const { reconnect, clock } = this.#options;
    const isHopeless = isStorageError(cause) && !cause.retryable && cause.code !== "CORRUPT";
    if (this.#isClosing || isHopeless || this.#failures >= reconnect.attempts) {
      this.#failures = 0;
      this.#failAll(this.#lostConnection(cause));
      return;
    }
    const delay = Math.min(reconnect.delayMs * 2 ** this.#failures++, reconnect.maxDelayMs);
    this.#isPausing = true;
    this.#cancelPause = clock.after(delay, () => {
      this.#isPausing = false;
      this.#advance();
    });
  }

  #failAll(error: StorageError): void {
    const entries = this.#queue.splice(0);
    this.#queueBytes = 0;
    for (const entry of entries) this.#lose(entry, error);
    for (const entry of this.#waiters.splice(0)) this.#lose(entry, error);
    this.#advance();
  }

  #lose(entry: Entry, error: StorageError): void {
    this.#counts.lost++;
    entry.settle(error);
  }

  #lostConnection(cause: unknown): StorageError {
    if (isStorageError(cause)) return cause;
    const why = cause instanceof Error ? `: ${cause.message}` : "";
    return this.#error("UNEXPECTED", `cannot be reached${why}`, { cause, retryable: true });
  }

  #error(code: StorageError["code"], what: string, more: Partial<StorageError> = {}): StorageError {
    const { retryable = false, identifier, cause } = more;
    const options = { retryable, identifier, ...(cause === undefined ? {} : { cause }) };
    return new StorageError(code, `Viewer ${this.#options.transport.name} ${what}`, options);
  }
}

function remove<T>(list: T[], item: T): boolean {
  const index = list.indexOf(item);
  if (index < 0) return false;
  list.splice(index, 1);
  return true;
}
