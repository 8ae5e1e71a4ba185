/** WebSockets as a transport: the side that connects. */
import type { Socket } from "node:net";
import { checkInteger } from "../../src/core/checks.ts";
import { StorageError } from "../../src/core/errors.ts";
import { type Clock, systemClock } from "../../src/layers/clock.ts";
import { DEFAULT_PING_MS, keepAlive } from "./keep-alive.ts";
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
  /**
   * Certificates that a `wss:` viewer's may be signed by, as PEM, instead of those that Node trusts: that of a laboratory,
   * or the viewer's own. A certificate that is not trusted is refused in any case.
   */
  readonly ca?: string | readonly string[] | undefined;
  /** How often the viewer is asked whether it is there. Silent for two intervals, it is given up. Default 10 000. */
  readonly pingMs?: number | undefined;
  /** Default: that of this machine. */
  readonly clock?: Clock | undefined;
}

/** Answers to the handshake, code, and whether another try may help. */
const refusals: Readonly<Record<number, readonly ["UNAUTHENTICATED" | "PERMISSION_DENIED", string]>> = {
  401: ["UNAUTHENTICATED", "wants another token"],
  403: ["PERMISSION_DENIED", "refuses programs of this origin"],
};

/**
 * Connects to a viewer by WebSocket.
 *
 * @throws A {@link StorageError} `CONFIG_INVALID` for what is no such URL, or one with a password in it, or a token that
 * no header can hold.
 */
export function webSocketTransport(options: WebSocketOptions): StreamTransport {
  const { url, token, name, ca, pingMs = DEFAULT_PING_MS, clock = systemClock } = options;
  checkInteger(pingMs, "pingMs", 1);
  const target = URL.canParse(url) ? new URL(url) : undefined;
  if (target === undefined || !/^wss?:$/.test(target.protocol)) {
    // Not the text itself: it may hold a token.
    throw new StorageError("CONFIG_INVALID", "The address of a viewer begins with ws:// or wss://");
  }
  if (target.username !== "" || target.password !== "") {
    throw new StorageError("CONFIG_INVALID", `The address of ${target.host} has a password; give it as the token`);
  }
  const shown = name ?? target.host;
  if (token !== undefined && !/^[\x20-\x7e]+$/.test(token)) {
    throw new StorageError("CONFIG_INVALID", `The token for ${shown} has signs that no header can hold`);
  }
  const trust = ca === undefined ? {} : { ca: typeof ca === "string" ? ca : [...ca] };
  return {
    name: shown,
    connect: async (events, signal) => {
      const { WebSocket } = await loadWs();
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      // Pixels hardly shrink, and deflating them costs more than the way of a local network.
      const socket = new WebSocket(target, {
        headers,
        perMessageDeflate: false,
        followRedirects: false,
        ...trust,
        // Said aloud: an environment that switches the check off does not hand the token to whoever answers.
        rejectUnauthorized: true,
      });
      return opened(socket, shown, events, signal, { pingMs, clock });
    },
  };
}

function opened(
  socket: import("ws").WebSocket,
  name: string,
  events: ConnectionEvents,
  signal: AbortSignal,
  { pingMs, clock }: { readonly pingMs: number; readonly clock: Clock },
): Promise<Connection> {
  return new Promise((resolve, reject) => {
    let isOpen = false;
    let failure: unknown;
    let way: Socket | undefined;
    const giveUp = () => socket.terminate();
    signal.addEventListener("abort", giveUp);
    socket.on("upgrade", (response) => {
      way = response.socket;
    });
    socket.on("open", () => {
      isOpen = true;
      keepAlive(socket, {
        pingMs,
        clock,
        bytesRead: () => way?.bytesRead ?? 0,
        onDead: (silentMs) => {
          const message = `Viewer ${name} has been silent for ${silentMs} ms`;
          failure ??= new StorageError("TIMED_OUT", message, { retryable: true });
          socket.terminate();
        },
      });
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
      failure ??= distrust(error, name) ?? error;
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

/** The error of a certificate that is not trusted, which no other try makes better. */
function distrust(error: NodeJS.ErrnoException, name: string): StorageError | undefined {
  const { code = "" } = error;
  if (!/CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS|ERR_SSL|ERR_OSSL/.test(code)) return undefined;
  return new StorageError("UNEXPECTED", `Viewer ${name} has a certificate that is not trusted here: ${error.message}`, {
    cause: error,
  });
}

/** How long a viewer may take to say good-bye. */
const FAREWELL_MS = 1000;

/** Ends politely, and without politeness where the other side does not answer: a stuck viewer must not keep us here. */
function closeSoon(socket: import("ws").WebSocket): void {
  socket.close(1000);
  setTimeout(() => socket.terminate(), FAREWELL_MS).unref();
}
