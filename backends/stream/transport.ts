/** What carries messages: a WebSocket, a message port, anything that keeps their order and their borders. */

/** Told by a connection, in the order of things. */
export interface ConnectionEvents {
  /** A whole message came. Its memory is the listener's. */
  onMessage(bytes: Uint8Array): void;
  /** The connection has ended, by whichever side; called once, and nothing comes after it. */
  onClose(cause?: unknown): void;
}

/** An open connection. */
export interface Connection {
  /**
   * Hands over a message. Messages arrive whole and in order, or the connection ends. Resolves when the transport has
   * taken it; the memory must not change before that.
   *
   * @param isLast - Nobody else gets this message. A transport that connects only once may take its memory away, as
   * nothing is left to send again when it ends. Default false.
   */
  send(message: Uint8Array<ArrayBuffer>, isLast?: boolean): Promise<void>;
  /** Ends the connection. Safe to repeat. */
  close(): void;
}

/** A connection of a receiver, which may ask its sender to wait. */
export interface PausableConnection extends Connection {
  /** Takes no more messages until {@link PausableConnection.resume}; absent where the transport cannot. */
  pause?(): void;
  /** Takes messages again. */
  resume?(): void;
}

/** A way to one viewer. */
export interface StreamTransport {
  /** Name in messages and reports; never holds a secret. */
  readonly name: string;
  /**
   * Connects, or rejects. Called again after a connection has ended.
   *
   * @param events - Hears of nothing after a rejection.
   * @param signal - Gives up.
   */
  connect(events: ConnectionEvents, signal: AbortSignal): Promise<Connection>;
}
