/** One connection to a viewer, from the greeting to its end. */

import { toWireError, type WireError } from "../../src/codecs/wire-error.ts";
import { StorageError } from "../../src/core/errors.ts";
import type { Clock } from "../../src/layers/clock.ts";
import { decodeMessage, encodeMessage, type Message } from "./message.ts";
import type { Connection, StreamTransport } from "./transport.ts";

type Hello = Extract<Message, { readonly type: "hello" }>;

/** What a {@link Link} tells. */
export interface LinkEvents {
  /** A viewer has answered an item. */
  onAnswer(id: number, error: WireError | undefined): void;
  /** The connection has ended, after it was open; called once, and not after {@link Link.close}. */
  onEnd(cause: unknown): void;
}

/** A connection that speaks the format: greets, sends, and hears answers. */
export class Link {
  readonly #events: LinkEvents;
  #connection: Connection | undefined;
  #isOpen = false;
  #isClosed = false;
  #greet: { readonly hello: (hello: Hello) => void; readonly fail: (error: unknown) => void } | undefined;

  constructor(events: LinkEvents) {
    this.#events = events;
  }

  /** True after the greetings, until the end. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /**
   * Connects and exchanges greetings.
   *
   * @returns What the viewer said.
   * @throws What the transport threw; a {@link StorageError} `TIMED_OUT`, or what the viewer said instead of a greeting.
   */
  async open(transport: StreamTransport, sender: string, timeoutMs: number, clock: Clock): Promise<Hello> {
    const controller = new AbortController();
    let cancel = (): void => {};
    const greeting = new Promise<Hello>((hello, fail) => {
      this.#greet = { hello, fail };
      cancel = clock.after(timeoutMs, () => {
        const message = `Viewer ${transport.name} has not answered for ${timeoutMs} ms`;
        fail(new StorageError("TIMED_OUT", message, { retryable: true }));
      });
    });
    const connecting = transport.connect(
      { onMessage: (bytes) => this.#onMessage(bytes), onClose: (cause) => this.#end(cause) },
      controller.signal,
    );
    connecting.then(
      (connection) => {
        this.#connection = connection;
        if (this.#isClosed) connection.close();
      },
      () => {},
    );
    try {
      // Both: the greeting may be there before the transport says that it is open.
      const [hello] = await Promise.all([greeting, connecting]);
      this.#isOpen = true;
      this.send(encodeMessage({ type: "hello", sender }));
      return hello;
    } catch (error) {
      controller.abort();
      this.close();
      throw error;
    } finally {
      this.#greet = undefined;
      cancel();
    }
  }

  /** Hands a message over, with its memory if it is the last one of its kind. A failure ends the connection. */
  send(message: Uint8Array<ArrayBuffer>, isLast = false): void {
    this.#connection?.send(message, isLast).catch((error: unknown) => this.#end(error));
  }

  /** Ends the connection without a word. */
  close(): void {
    this.#isClosed = true;
    this.#isOpen = false;
    this.#greet?.fail(new StorageError("NOT_OPEN", "The viewer is closed"));
    this.#connection?.close();
  }

  #onMessage(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    let message: Message;
    try {
      message = decodeMessage(bytes);
    } catch (error) {
      this.send(encodeMessage({ type: "error", error: toWireError(error) }));
      this.#end(error);
      return;
    }
    if (message.type === "hello") this.#greet?.hello(message);
    else if (message.type === "ack") this.#events.onAnswer(message.id, message.error);
    else if (message.type === "error") this.#end(viewerError(message.error));
    // A receiver sends no items; one that does is passed over.
  }

  #end(cause: unknown): void {
    if (this.#isClosed) return;
    const wasOpen = this.#isOpen;
    this.#greet?.fail(cause ?? new Error("it ended the connection"));
    this.close();
    if (wasOpen) this.#events.onEnd(cause);
  }
}

function viewerError({ code, message, retryable }: WireError): StorageError {
  return new StorageError(code, `The viewer ended the connection: ${message}`, { retryable });
}
