/** Live scans for browsers: newest values, everything from an index on, and arrays by URL. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { Server as SecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { checkInteger } from "../../core/checks.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { StorageError } from "../../core/errors.ts";
import type { DataStore } from "../data-store.ts";
import { BridgeConnection, type ConnectionContext } from "./connection.ts";
import { Gate } from "./gate.ts";
import { addressOf, HttpAnswers } from "./http-answers.ts";
import { type BridgeLimits, MAX_REQUEST_BYTES, SOCKET_PATH } from "./protocol.ts";
import { Seats } from "./seats.ts";

/** Options of {@link LiveBridge.listen}. */
export interface LiveBridgeOptions {
  /** Address to listen at. Default `"127.0.0.1"`: this machine alone. */
  readonly host?: string | undefined;
  /** Default 0: one that is free. */
  readonly port?: number | undefined;
  /** What clients must know. Must be there for any host but loopback. */
  readonly token?: string | undefined;
  /** Origins of pages that may read, beside the bridge's own: `"https://viewer.example.org"`. Default: none. */
  readonly origins?: readonly string[] | undefined;
  /** A server that does not listen yet, made with a certificate for TLS say. It is the bridge's from then on. */
  readonly server?: Server | SecureServer | undefined;
  /** Serves a page at `/` that shows the newest scan. Default true. */
  readonly page?: boolean | undefined;
  /** Clients at once; so many more may be about to say hello, of whom the first goes when another comes. Default 64. */
  readonly maxClients?: number | undefined;
  /** Subscriptions of one client at once. Default 64. */
  readonly maxSubscriptions?: number | undefined;
  /** Points longer than this come by URL. Default 1 MiB. */
  readonly inlineBytes?: number | undefined;
  /** The largest window of a subscription: bytes under way that the client is not done with. Default 4 MiB. */
  readonly windowBytes?: number | undefined;
  /** Bytes under way to one client, all its subscriptions together. Default 32 MiB. */
  readonly clientBytes?: number | undefined;
  /** The longest answer to a request of HTTP. Default 256 MiB. */
  readonly maxAnswerBytes?: number | undefined;
  /** Bytes of all answers longer than 1 MiB that are made and not yet sent; others wait. Default 512 MiB. */
  readonly answerBytes?: number | undefined;
  /** How often something is said at least. A client that is silent for three of these is given up. Default 10 000. */
  readonly heartbeatMs?: number | undefined;
  /** Default: that of this machine. */
  readonly clock?: Clock | undefined;
}

/** Those who are connected. */
interface Sockets {
  readonly seats: Seats;
  close(): Promise<void>;
}

/** How long clients may take to say good-bye. */
const FAREWELL_MS = 1000;

/**
 * Serves the scans of a store to browsers and other programs, by WebSocket and HTTP; see docs/live-bridge.md.
 *
 * Each client is served at its own pace: what it has not asked for yet stays in the store, so that a page that hangs costs
 * neither the writer nor others anything. Its memory here is bounded by `clientBytes`.
 *
 * @example
 * ```ts
 * import { DataStore, LiveBridge, MemoryEngine } from "sluice/live";
 * await using store = new DataStore(new MemoryEngine());
 * await using bridge = await LiveBridge.listen(store, { port: 7591 });
 * console.log(bridge.url);
 * ```
 */
export class LiveBridge implements AsyncDisposable {
  /** The page, and the beginning of all addresses: `http://127.0.0.1:7591`. */
  readonly url: string;
  /** The port that is listened at. */
  readonly port: number;
  readonly #sockets: Sockets;

  private constructor(url: string, port: number, sockets: Sockets) {
    this.url = url;
    this.port = port;
    this.#sockets = sockets;
  }

  /**
   * Listens.
   *
   * @param store - Stays the caller's, and open, when the bridge is closed.
   * @throws A {@link StorageError}: `CONFIG_INVALID` for another host than loopback without a token, or a server that
   * listens already; `MISSING_DEPENDENCY` without the package ws; `CONFLICT` if the port is taken.
   */
  static async listen(store: DataStore, options: LiveBridgeOptions = {}): Promise<LiveBridge> {
    const { host = "127.0.0.1", port = 0, token, origins, server = createServer(), maxClients = 64 } = options;
    const { maxAnswerBytes = 256 * 2 ** 20, answerBytes = 512 * 2 ** 20 } = options;
    const context = contextOf(store, options);
    checkInteger(maxClients, "maxClients", 1);
    checkInteger(maxAnswerBytes, "maxAnswerBytes", 1);
    checkInteger(answerBytes, "answerBytes", 1);
    const gate = new Gate({ host, token, origins });
    if (server.listening)
      throw new StorageError("CONFIG_INVALID", "The server listens already: give one that does not");
    const { WebSocketServer } = await loadWs();
    const page = options.page === false ? undefined : await loadPage();
    const closing = new AbortController();
    const answers = new HttpAnswers({ store, gate, maxAnswerBytes, answerBytes, page, signal: closing.signal });
    server.on("request", (request, response) => void answers.answer(request, response));
    const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_REQUEST_BYTES, perMessageDeflate: false });
    const seats = new Seats(maxClients);
    server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      // Until the handshake is done, nobody else listens.
      socket.on("error", () => socket.destroy());
      const status = refusalOf(request, gate, seats.taken >= maxClients);
      if (status !== undefined) {
        socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
        return;
      }
      sockets.handleUpgrade(request, socket, head, (webSocket) => {
        const isAdmitted = request.headers.authorization !== undefined;
        seats.add(webSocket);
        const knows = (given: string | undefined) => gate.knows(given);
        new BridgeConnection(webSocket, { ...context, knows, sits: () => seats.take(webSocket) }, isAdmitted);
      });
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) => reject(explain(error, host, port)));
      server.listen(port, host, resolve);
    });
    // One that could not be taken in, for want of file descriptors say: those who are here stay.
    server.on("error", () => {});
    const bound = (server.address() as AddressInfo).port;
    const scheme = "setSecureContext" in server ? "https" : "http";
    const close = async () => {
      closing.abort(new StorageError("NOT_OPEN", "The bridge is closed", { retryable: true }));
      const isClosed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets.clients) socket.close(1001);
      const late = setTimeout(() => {
        for (const socket of sockets.clients) socket.terminate();
        server.closeAllConnections();
      }, FAREWELL_MS);
      server.closeIdleConnections();
      await isClosed;
      clearTimeout(late);
    };
    const shown = host.includes(":") ? `[${host}]` : host;
    return new LiveBridge(`${scheme}://${shown}:${bound}`, bound, { seats, close });
  }

  /** How many clients are connected, and have said hello. */
  get clients(): number {
    return this.#sockets.seats.taken;
  }

  /** Ends all connections and stops listening. Clients hear that they may come back. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sockets.close();
  }
}

function contextOf(store: DataStore, options: LiveBridgeOptions): Omit<ConnectionContext, "knows" | "sits"> {
  const { maxSubscriptions: subscriptions = 64, inlineBytes = 2 ** 20, windowBytes = 4 * 2 ** 20 } = options;
  const { clientBytes = 32 * 2 ** 20, heartbeatMs = 10_000, clock = systemClock } = options;
  const numbers = { maxSubscriptions: subscriptions, inlineBytes, windowBytes, clientBytes, heartbeatMs };
  for (const [name, value] of Object.entries(numbers)) checkInteger(value, name, 1);
  const limits: BridgeLimits = { subscriptions, inlineBytes, windowBytes };
  return { store, limits, clientBytes, heartbeatMs, clock };
}

/** Why a handshake is refused, as a status of HTTP. A token may still come in the first message: pages have no header. */
function refusalOf(request: IncomingMessage, gate: Gate, isFull: boolean): string | undefined {
  const { headers } = request;
  if (addressOf(request)?.pathname !== SOCKET_PATH) return "404 Not Found";
  if (gate.refusalOfPlace(headers) !== undefined) return "403 Forbidden";
  if (headers.authorization !== undefined && gate.refusalOfToken(headers)) return "401 Unauthorized";
  return isFull ? "503 Service Unavailable" : undefined;
}

/** The page, and what it may do: its own script and style, and talk to where it came from. */
async function loadPage(): Promise<{ html: string; policy: string }> {
  const { pageHtml, pageScript, pageStyle } = await import("./page.ts");
  const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  const policy = [
    "default-src 'none'",
    `script-src ${hash(pageScript)}`,
    `style-src ${hash(pageStyle)}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return { html: pageHtml, policy: policy.join("; ") };
}

async function loadWs(): Promise<typeof import("ws")> {
  try {
    return await import("ws");
  } catch (cause) {
    const message = "The live bridge needs the package ws: npm install ws@^8.23";
    throw new StorageError("MISSING_DEPENDENCY", message, { cause });
  }
}

function explain(error: NodeJS.ErrnoException, host: string, port: number): StorageError {
  const codes = { EADDRINUSE: "CONFLICT", EACCES: "PERMISSION_DENIED", EADDRNOTAVAIL: "CONFIG_INVALID" } as const;
  const code = codes[error.code as keyof typeof codes] ?? "UNEXPECTED";
  return new StorageError(code, `Cannot listen at ${host}:${port}: ${error.message}`, { cause: error });
}
