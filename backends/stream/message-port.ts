/** Message ports as a transport: to a worker, or to another part of this process. */
import { StorageError } from "../../src/core/errors.ts";
import type { Connection, ConnectionEvents, StreamTransport } from "./transport.ts";

/** The part of a `MessagePort` that is used; ports of Node and of browsers have it. */
export interface PortLike {
  /** Sends a copy of a value, but for the memory that is handed over with it. */
  postMessage(value: unknown, transfer?: ArrayBuffer[]): void;
  /** Listens to `"message"` and `"close"`. */
  addEventListener(type: string, listener: (event: object) => void): void;
  /** Listens no more. */
  removeEventListener(type: string, listener: (event: object) => void): void;
  /** Begins to deliver. */
  start(): void;
  /** Ends it at both ends. */
  close(): void;
}

/**
 * Connects to a viewer by a message port.
 *
 * A message that goes to no other viewer is handed over with its memory, and copied otherwise.
 *
 * @param port - Belongs to the transport from now on, and is closed with the backend. A port that has ended does not
 * come back: there is no second connection.
 * @param name - Name in messages and reports. Default `"port"`.
 */
export function messagePortTransport(port: PortLike, name = "port"): StreamTransport {
  let isUsed = false;
  return {
    name,
    connect: async (events) => {
      if (isUsed) throw new StorageError("NOT_OPEN", `The port to viewer ${name} has ended and cannot be opened again`);
      isUsed = true;
      return connectPort(port, events);
    },
  };
}

/** Makes a connection of a port, for either side. */
export function connectPort(port: PortLike, events: ConnectionEvents): Connection {
  let isOpen = true;
  const end = (cause?: unknown) => {
    if (!isOpen) return;
    isOpen = false;
    port.removeEventListener("message", onMessage);
    port.removeEventListener("close", onClose);
    port.close();
    events.onClose(cause);
  };
  const onClose = () => end();
  const onMessage = (event: object) => {
    const bytes = bytesOf((event as { readonly data?: unknown }).data);
    if (bytes !== undefined) events.onMessage(bytes);
    else end(new StorageError("CORRUPT", "Stream: a port delivered something that is no bytes"));
  };
  port.addEventListener("message", onMessage);
  port.addEventListener("close", onClose);
  port.start();
  return {
    send: async (message, isLast = false) => {
      if (!isOpen) throw new StorageError("NOT_OPEN", "The port has ended");
      if (isLast) port.postMessage(message, [message.buffer]);
      else port.postMessage(message);
    },
    close: () => end(),
  };
}

function bytesOf(data: unknown): Uint8Array | undefined {
  if (data instanceof Uint8Array) return data;
  return data instanceof ArrayBuffer ? new Uint8Array(data) : undefined;
}
