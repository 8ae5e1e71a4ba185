/** How much may be under way to one subscriber. */
import { checkAborted } from "../../core/checks.ts";
import { StorageError } from "../../core/errors.ts";

interface Held {
  /** Bytes of the subscription up to the end of this message. */
  readonly end: number;
  readonly giveBack: () => void;
}

/**
 * The window of a subscription: whoever sends waits while there is no room, and what was not sent is not held either.
 * Sockets of browsers take everything at once, however slow the page is; only the page itself knows when it is done.
 */
export class FlowWindow {
  readonly #limit: number;
  readonly #held: Held[] = [];
  #sent = 0;
  #acknowledged = 0;
  #onRoom: (() => void) | undefined;

  /** @param limit - Bytes; a message that is longer goes alone. `1`: one message at a time. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes that were sent and not acknowledged. */
  get underWay(): number {
    return this.#sent - this.#acknowledged;
  }

  /** Waits until another message may be made. One caller at a time. */
  async room(signal: AbortSignal): Promise<void> {
    checkAborted(signal);
    if (this.underWay < this.#limit) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        signal.removeEventListener("abort", done);
        this.#onRoom = undefined;
        resolve();
      };
      this.#onRoom = done;
      signal.addEventListener("abort", done, { once: true });
    });
    checkAborted(signal);
  }

  /**
   * A message has gone.
   *
   * @param giveBack - Called once the client is done with it.
   */
  sent(byteLength: number, giveBack: () => void): void {
    this.#sent += byteLength;
    this.#held.push({ end: this.#sent, giveBack });
  }

  /**
   * The client is done with so many bytes, counted from the first message.
   *
   * @throws A {@link StorageError} `INVALID_DATA` for more than was sent.
   */
  acknowledge(bytes: number): void {
    if (bytes > this.#sent) {
      throw new StorageError("INVALID_DATA", `Live bridge: ${bytes} bytes were acknowledged, ${this.#sent} were sent`);
    }
    this.#acknowledged = Math.max(this.#acknowledged, bytes);
    while (this.#held[0] !== undefined && this.#held[0].end <= this.#acknowledged) this.#held.shift()?.giveBack();
    if (this.underWay < this.#limit) this.#onRoom?.();
  }

  /** Gives back what is held: nobody will acknowledge any more. */
  release(): void {
    for (const { giveBack } of this.#held.splice(0)) giveBack();
  }
}
