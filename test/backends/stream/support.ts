/** Receivers and senders for tests: real sockets, real ports, and a transport that a test holds in its hands. */
import { MessageChannel } from "node:worker_threads";
import { StreamBackend, type StreamBackendOptions } from "../../../backends/stream/backend.ts";
import { decodeMessage, encodeMessage, type Message } from "../../../backends/stream/message.ts";
import { messagePortTransport } from "../../../backends/stream/message-port.ts";
import { type ReceivedItem, Receiver, type ReceiverOptions } from "../../../backends/stream/receiver.ts";
import type { ConnectionEvents, StreamTransport } from "../../../backends/stream/transport.ts";
import { webSocketTransport } from "../../../backends/stream/websocket.ts";
import { type NdArray, ndArray } from "../../../src/core/nd-array.ts";

/** A small image whose elements depend on the number. */
export function image(seed = 0, shape: readonly number[] = [2, 3]): NdArray {
  const size = shape.reduce((a, b) => a * b, 1);
  return ndArray(
    Uint16Array.from({ length: size }, (_, i) => i + seed * 100),
    shape,
  );
}

/** A backend and a receiver with a real connection between them. */
export interface Pair extends AsyncDisposable {
  readonly backend: StreamBackend;
  readonly receiver: Receiver;
}

/** How the two are connected. */
export type Kind = "websocket" | "port";

/** Makes both ends. */
export async function pair(
  kind: Kind,
  options: Partial<StreamBackendOptions> = {},
  receiverOptions: ReceiverOptions = {},
): Promise<Pair> {
  const receiver = new Receiver(receiverOptions);
  const transport = await transportTo(receiver, kind);
  const backend = new StreamBackend({ viewers: [transport], ...options });
  return {
    backend,
    receiver,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([receiver.close(), backend.close()]);
    },
  };
}

/** A way to a receiver. */
export async function transportTo(receiver: Receiver, kind: Kind, name?: string): Promise<StreamTransport> {
  if (kind === "websocket") return webSocketTransport({ url: (await receiver.listen()).url, name });
  const { port1, port2 } = new MessageChannel();
  receiver.attach(port2);
  return messagePortTransport(port1, name);
}

/** Collects everything that arrives, and acknowledges it. */
export function collecting(receiver: Receiver): ReceivedItem[] {
  const items: ReceivedItem[] = [];
  void receiver.serve((item) => {
    items.push(item);
  });
  return items;
}

/** Lets everything happen that can without time going by. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Waits for something that another process or the network does. */
export async function until(isTrue: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2000 && !isTrue(); turn++) await new Promise((resolve) => setTimeout(resolve, 2));
  if (!isTrue()) throw new Error("It never came true");
}

/** A viewer whose every word the test says. */
export class ScriptedViewer implements StreamTransport {
  readonly name: string;
  /** Messages that came, greetings left out, over all connections. */
  readonly items: Extract<Message, { readonly type: "item" }>["item"][] = [];
  /** Greetings and errors that came. */
  readonly others: Message[] = [];
  /** Attempts to connect. */
  attempts = 0;
  /** Rejects attempts to connect while it is set. */
  refuses: Error | undefined;
  /** False: says no hello. */
  greets = true;
  maxMessageBytes = 2 ** 20;
  /** True: answers every item at once. */
  answers = false;
  #events: ConnectionEvents | undefined;

  constructor(name = "scripted") {
    this.name = name;
  }

  get isConnected(): boolean {
    return this.#events !== undefined;
  }

  /** Paths that came, in order. */
  get paths(): string[] {
    return this.items.map(({ path }) => path);
  }

  async connect(events: ConnectionEvents, signal: AbortSignal) {
    this.attempts++;
    if (this.refuses !== undefined) throw this.refuses;
    this.#events = events;
    const end = () => {
      if (this.#events === events) this.#events = undefined;
    };
    signal.addEventListener("abort", end);
    if (this.greets) queueMicrotask(() => this.say({ type: "hello", maxMessageBytes: this.maxMessageBytes }));
    return {
      send: async (bytes: Uint8Array<ArrayBuffer>) => {
        const message = decodeMessage(bytes);
        if (message.type !== "item") this.others.push(message);
        else {
          this.items.push(message.item);
          if (this.answers) queueMicrotask(() => this.acknowledge(message.item.id));
        }
      },
      close: end,
    };
  }

  say(message: Parameters<typeof encodeMessage>[0]): void {
    this.sayBytes(encodeMessage(message));
  }

  sayBytes(bytes: Uint8Array): void {
    this.#events?.onMessage(bytes);
  }

  acknowledge(id: number): void {
    this.say({ type: "ack", id });
  }

  /** Ends the connection. */
  reset(): void {
    const events = this.#events;
    this.#events = undefined;
    events?.onClose(new Error("reset"));
  }
}
