/** WebSockets as a transport: the side that listens. */
import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { checkInteger } from "../../src/core/checks.ts";
import { StorageError } from "../../src/core/errors.ts";
import { type Clock, systemClock } from "../../src/layers/clock.ts";
import { DEFAULT_PING_MS, keepAlive } from "./keep-alive.ts";
import { loadWs } from "./load-ws.ts";
import type { Peer } from "./peer.ts";

/** Options of `Receiver.listen`. */
export interface ListenOptions {
  /** Address to listen at. Default `"127.0.0.1"`: programs of this machine alone. */
  readonly host?: string | undefined;
  /** Default 0: one that is free. */
  readonly port?: number | undefined;
  /** What senders must know. Must be there for any host but loopback. */
  readonly token?: string | undefined;
  /**
   * Origins of web pages that may connect, for example `"https://viewer.example.org"`. Default: none. Browsers say where
   * a page comes from, other programs do not.
   */
  readonly origins?: readonly string[] | undefined;
  /** Most connections at once. Default 64. */
  readonly maxConnections?: number | undefined;
  /** Listens for `wss:` alone: certificate, with those that it was signed by, and private key, both as PEM. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /**
   * How often a sender is asked whether it is there. Silent for two intervals, its connection is ended, and its paths are
   * free for others. Default 10 000.
   */
  readonly pingMs?: number | undefined;
  /** Default: that of this machine. */
  readonly clock?: Clock | undefined;
}

/** Something that listens. */
export interface Listener {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

/** How long a sender may take to say good-bye. */
const FAREWELL_MS = 1000;

/** Listens, and gives each connection that may come in a peer. */
export async function listen(options: ListenOptions, maxMessageBytes: number, newPeer: () => Peer): Promise<Listener> {
  const { host = "127.0.0.1", port = 0, token, origins = [], maxConnections = 64, tls } = options;
  const { pingMs = DEFAULT_PING_MS, clock = systemClock } = options;
  checkInteger(pingMs, "pingMs", 1);
  if (!isLoopback(host) && !token) {
    throw new StorageError(
      "CONFIG_INVALID",
      `Whoever reaches ${host} could send: listening beyond this machine needs a token`,
    );
  }
  const { WebSocketServer } = await loadWs();
  const sockets = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes, perMessageDeflate: false });
  const server = makeServer(tls);
  server.on("upgrade", (request, socket, head) => {
    // Until the handshake is done, nobody else listens.
    socket.on("error", () => socket.destroy());
    const status = refusal(request, token, origins, sockets.clients.size >= maxConnections);
    if (status !== undefined) {
      refuse(socket, status);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const peer = newPeer();
      keepAlive(webSocket, {
        pingMs,
        clock,
        bytesRead: () => request.socket.bytesRead,
        // A receiver that is full reads nothing, however alive the other side is.
        isPaused: () => webSocket.isPaused,
        onDead: () => webSocket.terminate(),
      });
      webSocket.on("message", (data) => peer.onMessage(data as Buffer));
      webSocket.on("close", () => peer.onClose());
      // The close that follows says enough: a message that is too long, a frame that is none, a reset.
      webSocket.on("error", () => {});
      peer.start({
        send: (message) =>
          new Promise((sent, failed) => webSocket.send(message, (error) => (error ? failed(error) : sent()))),
        close: () => webSocket.close(1000),
        pause: () => webSocket.pause(),
        resume: () => webSocket.resume(),
      });
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(explain(error, host, port)));
    server.listen(port, host, resolve);
  });
  // One that could not be taken in, for want of file descriptors say: those who are here stay, and it tries again.
  server.on("error", () => {});
  const bound = (server.address() as AddressInfo).port;
  return {
    port: bound,
    url: `${tls === undefined ? "ws" : "wss"}://${host.includes(":") ? `[${host}]` : host}:${bound}`,
    close: async () => {
      const isClosed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets.clients) {
        // A paused one would never hear the good-bye.
        socket.resume();
        socket.close(1001);
      }
      const late = setTimeout(() => {
        for (const socket of sockets.clients) socket.terminate();
      }, FAREWELL_MS);
      server.closeAllConnections();
      await isClosed;
      clearTimeout(late);
    },
  };
}

/** A server that answers plain requests with a word, over TLS or without. */
function makeServer(tls: ListenOptions["tls"]): Server {
  const answer = (_request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(426, { connection: "close" }).end("This address speaks WebSocket.\n");
  };
  if (tls === undefined) return createServer(answer);
  try {
    return createSecureServer({ cert: tls.cert, key: tls.key, minVersion: "TLSv1.2" }, answer);
  } catch (error) {
    // What OpenSSL says names the mistake, not the key.
    const why = error instanceof Error ? error.message : String(error);
    throw new StorageError("CONFIG_INVALID", `Certificate and key do not make a TLS server: ${why}`, { cause: error });
  }
}

/** Why a handshake is refused, as a status of HTTP. */
function refusal(
  { headers }: IncomingMessage,
  token: string | undefined,
  origins: readonly string[],
  isFull: boolean,
): string | undefined {
  if (headers.origin !== undefined && !origins.includes(headers.origin)) return "403 Forbidden";
  if (token !== undefined && !isEqual(headers.authorization ?? "", `Bearer ${token}`)) return "401 Unauthorized";
  return isFull ? "503 Service Unavailable" : undefined;
}

/** Compares in a time that does not tell how much was right. */
function isEqual(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function explain(error: NodeJS.ErrnoException, host: string, port: number): StorageError {
  const what: Readonly<Record<string, readonly ["CONFLICT" | "PERMISSION_DENIED" | "CONFIG_INVALID", string]>> = {
    EADDRINUSE: ["CONFLICT", "somebody listens there already"],
    EACCES: ["PERMISSION_DENIED", "this port needs more rights"],
    EADDRNOTAVAIL: ["CONFIG_INVALID", "this machine has no such address"],
    ENOTFOUND: ["CONFIG_INVALID", "no machine has this name"],
  };
  const [code, why] = what[error.code ?? ""] ?? ["UNEXPECTED", error.message];
  return new StorageError(code, `Cannot listen at ${host}:${port}: ${why}`, { cause: error });
}
