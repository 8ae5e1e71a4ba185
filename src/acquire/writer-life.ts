/** The phases of a writer, and the rule that each change happens once, however many ask for it. Internal to `Writer`. */
import { isInsideHook, runHook } from "./reentry.ts";

/** Where a writer is in its life. */
export type WriterPhase = "closed" | "opening" | "open" | "closing";

/** One writer's phase. */
export class WriterLife {
  readonly #owner: object;
  readonly #onClosed: () => void;
  #phase: WriterPhase = "closed";
  #opening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  /** @param onClosed - Called after each closing, when it is closed for everybody. */
  constructor(owner: object, onClosed: () => void) {
    this.#owner = owner;
    this.#onClosed = onClosed;
  }

  get phase(): WriterPhase {
    return this.#phase;
  }

  /** Opens, unless it is open; those who ask while it is opening share one attempt. A failed one leaves it closed. */
  async open(run: () => Promise<void>): Promise<void> {
    if (this.#phase === "closing") await this.#closing?.catch(() => {});
    if (this.#phase === "open") return;
    this.#opening ??= this.#open(run);
    await this.#opening;
  }

  /** Closes once; those who ask while it is closing share the outcome. It is closed afterwards, also after a failure. */
  async close(run: () => Promise<void>): Promise<void> {
    this.#closing ??= this.#close(run);
    await this.#closing;
  }

  /** Waits for the opening under way. Its failure is for whoever asked for it. */
  async opened(): Promise<void> {
    if (!isInsideHook(this.#owner)) await this.#opening?.catch(() => {});
  }

  /** Waits for the closing under way, and fails with it. */
  async closed(): Promise<void> {
    await this.#closing;
  }

  /** Waits for whatever is under way, unless the call comes from inside of it. */
  async settled(): Promise<void> {
    await this.opened();
    if (!isInsideHook(this.#owner)) await this.#closing?.catch(() => {});
  }

  async #open(run: () => Promise<void>): Promise<void> {
    this.#phase = "opening";
    try {
      await runHook(this.#owner, run);
      this.#phase = "open";
    } catch (error) {
      this.#phase = "closed";
      throw error;
    } finally {
      this.#opening = undefined;
    }
  }

  async #close(run: () => Promise<void>): Promise<void> {
    this.#phase = "closing";
    try {
      await run();
    } finally {
      this.#phase = "closed";
      this.#closing = undefined;
      this.#onClosed();
    }
  }
}
