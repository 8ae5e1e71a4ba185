/** A client of a bridge that says and hears plain messages. */
import { WebSocket } from "ws";
import { decodeServerMessage, type ServerMessage } from "../../../src/live/bridge/protocol.ts";

/** What a client heard, and how it speaks. */
export class PlainClient implements AsyncDisposable {
  readonly heard: ServerMessage[] = [];
  /** Lengths of the messages of each subscription, together. */
  readonly bytes = new Map<number, number>();
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #socket: WebSocket;
  #onNews: () => void = () => {};
  #isClosed = false;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data) => {
      const message = decodeServerMessage(data as Buffer);
      if (message !== undefined) this.heard.push(message);
      const id = message !== undefined && "id" in message ? message.id : undefined;
      if (id !== undefined) this.bytes.set(id, (this.bytes.get(id) ?? 0) + (data as Buffer).byteLength);
      this.#onNews();
    });
    socket.on("error", () => {});
    this.closed = new Promise((resolve) =>
      socket.on("close", (code, reason) => {
        this.#isClosed = true;
        this.#onNews();
        resolve({ code, reason: reason.toString() });
      }),
    );
  }

  /** Connects; rejects with the status of a handshake that was refused. */
  static connect(url: string, headers: Record<string, string> = {}): Promise<PlainClient> {
    const socket = new WebSocket(`${url.replace(/^http/, "ws")}/v1/socket`, { headers });
    return new Promise((resolve, reject) => {
      const client = new PlainClient(socket);
      socket.on("open", () => resolve(client));
      socket.on("unexpected-response", (_, { statusCode }) => reject(new Error(String(statusCode))));
    });
  }

  /** Connects, and says hello. */
  static async greeted(url: string, token?: string): Promise<PlainClient> {
    const client = await PlainClient.connect(url);
    client.say({ type: "hello", version: 1, token });
    await client.hears("hello");
    return client;
  }

  say(message: unknown): void {
    this.#socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  /** Acknowledges all that came of a subscription. */
  acknowledge(id: number): void {
    this.say({ type: "ack", id, bytes: this.bytes.get(id) ?? 0 });
  }

  /** The messages of a type once there are so many. */
  async hears<T extends ServerMessage["type"]>(
    type: T,
    count = 1,
  ): Promise<Extract<ServerMessage, { readonly type: T }>[]> {
    for (;;) {
      const found = this.heard.filter((message) => message.type === type);
      if (found.length >= count) return found as Extract<ServerMessage, { readonly type: T }>[];
      if (this.#isClosed) throw new Error(`closed after ${JSON.stringify(this.heard)}`);
      await new Promise<void>((resolve) => {
        this.#onNews = resolve;
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.terminate();
    await this.closed;
  }
}
