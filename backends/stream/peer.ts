/** One sender as the receiver sees it: the conversation over one connection. */

import { corrupt } from "../../src/codecs/message-frame.ts";
import { toWireError, type WireError } from "../../src/codecs/wire-error.ts";
import { StorageError } from "../../src/core/errors.ts";
import type { StreamItem } from "./item.ts";
import { BadItemError, decodeMessage, encodeMessage, type Message } from "./message.ts";
import type { ConnectionEvents, PausableConnection } from "./transport.ts";

/** What a {@link Peer} tells its receiver. */
export interface PeerEvents {
  /** An item came. `reply` answers it, once, if the connection is still there. */
  onItem(sender: string, item: StreamItem, byteLength: number, reply: (error: WireError | undefined) => void): void;
  /** The connection has ended. */
  onEnd(): void;
}

/** Greets, reads and answers. What cannot be read ends this connection and nothing else. */
export class Peer implements ConnectionEvents {
  readonly #events: PeerEvents;
  readonly #maxMessageBytes: number;
  #connection: PausableConnection | undefined;
  #sender: string | undefined;

  constructor(maxMessageBytes: number, events: PeerEvents) {
    this.#maxMessageBytes = maxMessageBytes;
    this.#events = events;
  }

  /** Who is at the other end, once it has said so. */
  get sender(): string | undefined {
    return this.#sender;
  }

  /** Greets. */
  start(connection: PausableConnection): void {
    this.#connection = connection;
    this.#send({ type: "hello", maxMessageBytes: this.#maxMessageBytes });
  }

  /** Takes no more messages, where the transport can wait. */
  pause(): void {
    this.#connection?.pause?.();
  }

  /** Takes messages again. */
  resume(): void {
    this.#connection?.resume?.();
  }

  /** Says why, and ends the connection. */
  end(error: StorageError): void {
    this.#send({ type: "error", error: toWireError(error) });
    this.#connection?.close();
  }

  onMessage(bytes: Uint8Array): void {
    if (this.#connection === undefined) return;
    try {
      if (bytes.byteLength > this.#maxMessageBytes) {
        throw new StorageError(
          "INVALID_DATA",
          `A message of ${bytes.byteLength} bytes; most is ${this.#maxMessageBytes}`,
        );
      }
      this.#hear(decodeMessage(bytes), bytes.byteLength);
    } catch (error) {
      if (error instanceof BadItemError) this.#send({ type: "ack", id: error.id, error: toWireError(error) });
      else this.end(error as StorageError);
    }
  }

  onClose(): void {
    this.#connection = undefined;
    this.#events.onEnd();
  }

  #hear(message: Message, byteLength: number): void {
    switch (message.type) {
      case "hello":
        if (message.sender === undefined) throw corrupt("a sender does not say who it is");
        if (this.#sender !== undefined) throw corrupt("a sender greets twice");
        this.#sender = message.sender;
        return;
      case "item": {
        const { item } = message;
        if (this.#sender === undefined) throw corrupt("an item came before a greeting");
        this.#events.onItem(this.#sender, item, byteLength, (error) => this.#send({ type: "ack", id: item.id, error }));
        return;
      }
      case "error":
        this.#connection?.close();
        return;
      default:
        throw corrupt(`a sender sent a message of the type "${message.type}"`);
    }
  }

  #send(message: Exclude<Message, { readonly type: "item" }>): void {
    // A sender that is gone asks again when it comes back.
    this.#connection?.send(encodeMessage(message)).catch(() => this.#connection?.close());
  }
}
