/** WebSockets as a transport: the side that connects. */
import { StorageError } from "../../src/core/errors.ts";
import { loadWs } from "./load-ws.ts";
import type { Connection, ConnectionEvents, StreamTransport } from "./transport.ts";

/** Options of {@link webSocketTransport}. */
export interface WebSocketOptions {
  /** Where the viewer listens: `ws://127.0.0.1:7590` or `wss://…`. */
  readonly url: string;
  /** What the viewer wants to see before it listens. Sent as `Authorization: Bearer …`, never shown. */
  readonly token?: string | undefined;
  /** Name in messages and reports. Default: host and port of the URL. */
  readonly name?: string | undefined;
}

/** Answers to the handshake, code, and whether another try may help. */
const refusals: Readonly<Record<number, readonly ["UNAUTHENTICATED" | "PERMISSION_DENIED", string]>> = {
  401: ["UNAUTHENTICATED", "wants another token"],
  403: ["PERMISSION_DENIED", "refuses programs of this origin"],
};

/**
 * Connects to a viewer by WebSocket.
 *
 * @throws A {@link StorageError} `CONFIG_INVALID` for what is no such URL, or one with a password in it.
 */
export function webSocketTransport({ url, token, name }: WebSocketOptions): StreamTransport {
  const target = URL.canParse(url) ? new URL(url) : undefined;
  if (target === undefined || !/^wss?:$/.test(target.protocol)) {
    // Not the text itself: it may hold a token.
    throw new StorageError("CONFIG_INVALID", "The address of a viewer begins with ws:// or wss://");
  }
  if (target.username !== "" || target.password !== "") {
    throw new StorageError("CONFIG_INVALID", `The address of ${target.host} has a password; give it as the token`);
  }
  const shown = name ?? target.host;
  return {
    name: shown,
    connect: async (events, signal) => {
      const { WebSocket } = await loadWs();
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      // Pixels hardly shrink, and deflating them costs more than the way of a local network.
      const socket = new WebSocket(target, { headers, perMessageDeflate: false, followRedirects: false });
      return opened(socket, shown, events, signal);
    },
  };
}

function opened(
  socket: import("ws").WebSocket,
  name: string,
  events: ConnectionEvents,
  signal: AbortSignal,
): Promise<Connection> {
  return new Promise((resolve, reject) => {
    let isOpen = false;
    let failure: unknown;
    const giveUp = () => socket.terminate();
    signal.addEventListener("abort", giveUp);
    socket.on("open", () => {
      isOpen = true;
      resolve({
        send: (message) =>
          new Promise((sent, failed) => socket.send(message, (error) => (error ? failed(error) : sent()))),
        close: () => closeSoon(socket),
      });
    });
    socket.on("message", (data) => events.onMessage(data as Buffer));
    socket.on("unexpected-response", (_request, { statusCode = 0 }) => {
      const [code, what] = refusals[statusCode] ?? ["UNEXPECTED", `answers ${statusCode} to the handshake`];
      failure = new StorageError(code, `Viewer ${name} ${what}`, { retryable: code === "UNEXPECTED" });
      socket.terminate();
    });
    socket.on("error", (error) => {
      failure ??= error;
    });
    socket.on("close", (code) => {
      signal.removeEventListener("abort", giveUp);
      const cause = failure ?? (code === 1009 ? new Error("a message was too long for it") : undefined);
      if (isOpen) events.onClose(cause);
      else reject(cause ?? new Error(`closed with ${code}`));
    });
    if (signal.aborted) giveUp();
  });
}

/** How long a viewer may take to say good-bye. */
const FAREWELL_MS = 1000;

/** Ends politely, and without politeness where the other side does not answer: a stuck viewer must not keep us here. */
function closeSoon(socket: import("ws").WebSocket): void {
  socket.close(1000);
  setTimeout(() => socket.terminate(), FAREWELL_MS).unref();
}
