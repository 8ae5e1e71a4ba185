/** Hands the frames of a writer to its hook, first come first served, and counts what became of each. */
import { checkAborted } from "../core/checks.ts";
import { type ErrorContext, StorageError, toStorageError } from "../core/errors.ts";
import type { NdArray } from "../core/nd-array.ts";
import { type HookScope, hookScope, runInScope } from "./reentry.ts";
import type { FrameInFlight, Source } from "./source.ts";

/** The hook that stores one frame. */
export type StoreFrame = (name: string, frame: NdArray, index: number) => void | Promise<void>;

interface WaitingFrame {
  readonly source: Source;
  readonly frame: NdArray;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (index: Promise<number>) => void;
}

/**
 * Frames start in call order. At most `limit()` are under way at once; with 1, each begins when the one before has
 * settled. The frames of a source count as written in the order of their indices: one that is stored before an earlier
 * one waits for it.
 *
 * A frame that fails gives its index back, so that indices stay without gaps. Frames of the same source that had
 * started behind it (only with a limit above 1) have indices beyond a hole: they fail with it.
 */
export class FrameQueue {
  readonly #owner: object;
  readonly #limit: () => number;
  readonly #store: StoreFrame;
  readonly #onStored: () => void;
  readonly #context: (source: Source) => ErrorContext;
  #waiting: WaitingFrame[] = [];
  #head = 0;
  #underWay = 0;
  #failure: StorageError | undefined;

  constructor(
    owner: object,
    limit: () => number,
    store: StoreFrame,
    onStored: () => void,
    context: (source: Source) => ErrorContext,
  ) {
    this.#owner = owner;
    this.#limit = limit;
    this.#store = store;
    this.#onStored = onStored;
    this.#context = context;
  }

  /** Why the store takes no more frames. */
  get failure(): StorageError | undefined {
    return this.#failure;
  }

  /** Refuses everything that has not started yet, and everything that comes. The first reason is kept. */
  fail(error: StorageError): void {
    this.#failure ??= error;
  }

  /** A new store, a new chance. */
  reset(): void {
    this.#failure = undefined;
  }

  /** Takes one checked frame. The fast path, nothing under way and a hook that does not wait, makes one promise. */
  push(source: Source, frame: NdArray, signal: AbortSignal | undefined): Promise<number> {
    source.accept();
    if (this.#underWay < this.#limit() && this.#head === this.#waiting.length)
      return this.#start(source, frame, signal);
    return new Promise((resolve) => this.#waiting.push({ source, frame, signal, resolve }));
  }

  #start(source: Source, frame: NdArray, signal: AbortSignal | undefined): Promise<number> {
    const index = source.nextIndex;
    const scope = hookScope(this.#owner);
    let stored: void | Promise<void>;
    try {
      if (signal !== undefined) checkAborted(signal, this.#context(source));
      if (this.#failure !== undefined) throw this.#broken(source, this.#failure);
      source.nextIndex++;
      stored = runInScope(scope, this.#store, source.name, frame, index);
    } catch (error) {
      scope.isActive = false;
      source.nextIndex = index;
      source.settle(false);
      return Promise.reject(toStorageError(error, this.#context(source)));
    }
    if (stored === undefined && source.last === undefined) {
      scope.isActive = false;
      source.settle(true);
      this.#onStored();
      return Promise.resolve(index);
    }
    this.#underWay++;
    const flight: FrameInFlight = { isStored: undefined, previous: source.last };
    source.last = flight;
    const outcome = this.#finish(source, index, scope, stored, flight);
    flight.isStored = outcome.then(
      () => true,
      () => false,
    );
    return outcome;
  }

  async #finish(
    source: Source,
    index: number,
    scope: HookScope,
    stored: void | Promise<void>,
    flight: FrameInFlight,
  ): Promise<number> {
    let failure: StorageError | undefined;
    try {
      await stored;
    } catch (error) {
      failure = toStorageError(error, this.#context(source));
    }
    scope.isActive = false;
    if (flight.previous === undefined) {
      // Count before the next one starts: it takes its index from the count.
      this.#settle(source, flight, failure);
      this.#release();
    } else {
      this.#release();
      if (!(await flight.previous.isStored)) failure ??= this.#behindFailure(source, index);
      this.#settle(source, flight, failure);
    }
    if (failure !== undefined) throw failure;
    return index;
  }

  #settle(source: Source, flight: FrameInFlight, failure: StorageError | undefined): void {
    source.settle(failure === undefined);
    flight.previous = undefined;
    if (source.last === flight) {
      source.last = undefined;
      source.nextIndex = source.framesWritten;
    }
    if (failure === undefined) this.#onStored();
  }

  /** Ends a turn and starts those that waited for it. */
  #release(): void {
    this.#underWay--;
    while (this.#underWay < this.#limit() && this.#head < this.#waiting.length) {
      const { source, frame, signal, resolve } = this.#waiting[this.#head++] as WaitingFrame;
      if (this.#head === this.#waiting.length || this.#head > 1024) {
        this.#waiting = this.#waiting.slice(this.#head);
        this.#head = 0;
      }
      resolve(this.#start(source, frame, signal));
    }
  }

  #broken(source: Source, cause: StorageError): StorageError {
    const message = `The store takes no more frames since an earlier failure: ${cause.message}`;
    return new StorageError(cause.code, message, { ...this.#context(source), cause });
  }

  #behindFailure(source: Source, index: number): StorageError {
    return new StorageError(
      "CONFLICT",
      `Frame ${index} of source "${source.name}" was under way behind a frame that failed; write it again`,
      { ...this.#context(source), retryable: true },
    );
  }
}
