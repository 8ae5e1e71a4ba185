/** One subscription of a client: what came and was not taken yet, and where to go on after a broken connection. */
import { StorageError } from "../../core/errors.ts";
import type { ScanRequest, ScansRequest, StreamRequest, SubscriptionMessage } from "./protocol.ts";

/** What a subscription asks for. */
export type SubscriptionRequest =
  | ({ readonly type: "scans" } & ScansRequest)
  | ({ readonly type: "scan" } & ScanRequest)
  | ({ readonly type: "stream" } & StreamRequest);

interface Waiting {
  readonly message: SubscriptionMessage;
  /** Says that it was processed. */
  readonly acknowledge: () => void;
}

/** Messages of a subscription, in order, over any number of connections. */
export class ClientSubscription {
  /** Its number on the connection that is open; changes with each. */
  id: number | undefined;
  #request: SubscriptionRequest;
  readonly #waiting: Waiting[] = [];
  #end: { readonly error?: unknown } | undefined;
  #onNews: () => void = () => {};

  constructor(request: SubscriptionRequest) {
    this.#request = request;
  }

  /** What to ask for now, so that what follows the last message that came is next. */
  get request(): SubscriptionRequest {
    return this.#request;
  }

  /** A message came. */
  take(message: SubscriptionMessage, acknowledge: () => void): void {
    this.#goOnAfter(message);
    if (message.type === "end") {
      this.finish(errorOf(message.reason));
      return;
    }
    this.#waiting.push({ message, acknowledge });
    this.#onNews();
  }

  /** Nothing more will come; what is waiting is still taken. */
  finish(error?: unknown): void {
    this.#end ??= error === undefined ? {} : { error };
    this.#onNews();
  }

  /** Each message once it is asked for; the one before counts as processed then. */
  async *messages(): AsyncGenerator<SubscriptionMessage, void, undefined> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next !== undefined) {
        yield next.message;
        next.acknowledge();
        continue;
      }
      if (this.#end !== undefined) {
        if (this.#end.error !== undefined) throw this.#end.error;
        return;
      }
      await new Promise<void>((resolve) => {
        this.#onNews = resolve;
      });
    }
  }

  #goOnAfter(message: SubscriptionMessage): void {
    const request = this.#request;
    if (request.type === "stream" && message.type === "stream")
      this.#request = { ...request, from: message.stream.next };
    if (request.type === "stream" && "next" in message) this.#request = { ...request, from: message.next };
    if (request.type === "scans" && "tag" in message && message.tag !== undefined) {
      this.#request = { ...request, since: message.tag };
    }
    if (request.type === "scan" && message.type === "scan") {
      this.#request = { ...request, revision: message.scan.revision };
    }
  }
}

function errorOf(reason: Extract<SubscriptionMessage, { type: "end" }>["reason"]): StorageError | undefined {
  if (reason === "lost") return new StorageError("WRITER_LOST", "The writer went away without ending the scan");
  if (reason === "deleted") return new StorageError("NOT_FOUND", "The scan was deleted");
  return undefined;
}
