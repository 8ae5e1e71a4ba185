/** The outcome of something that a device has begun. */
import { StorageError } from "../core/errors.ts";

/**
 * Pending, then finished or failed, once. Can be awaited: `await device.kickoff()` rejects with the exception.
 *
 * A failure that nobody awaits is not an unhandled rejection: whoever holds the status can ask for `exception`.
 *
 * @see bluesky `Status` protocol; ophyd `Status`, whose camelCase twin this is
 */
export class Status implements PromiseLike<undefined> {
  readonly #settled: Promise<undefined>;
  #resolve: (nothing: undefined) => void = () => {};
  #reject: (error: unknown) => void = () => {};
  #done = false;
  #exception: unknown;

  constructor() {
    this.#settled = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#settled.catch(() => {});
  }

  /** A status that follows some work; what it throws at once becomes the exception too. */
  static of(work: () => unknown): Status {
    const status = new Status();
    void (async () => {
      try {
        await work();
        status.setFinished();
      } catch (error) {
        status.setException(error);
      }
    })();
    return status;
  }

  /** True once it has finished or failed. */
  get done(): boolean {
    return this.#done;
  }

  /** True once it has finished without failing. */
  get success(): boolean {
    return this.#done && this.#exception === undefined;
  }

  /** Why it failed; `undefined` while it is pending and when it has finished. */
  get exception(): unknown {
    return this.#exception;
  }

  /**
   * Marks it as finished.
   *
   * @throws A {@link StorageError} `CONFLICT` if it was done already.
   */
  setFinished(): void {
    this.#settle();
    this.#resolve(undefined);
  }

  /**
   * Marks it as failed.
   *
   * @throws A {@link StorageError} `CONFLICT` if it was done already.
   */
  setException(error: unknown): void {
    this.#settle();
    this.#exception = error ?? new StorageError("UNEXPECTED", "Failed without a reason");
    this.#reject(this.#exception);
  }

  /** Resolves when it finishes, rejects when it fails. */
  wait(): Promise<undefined> {
    return this.#settled;
  }

  /** Calls back once it is done, whatever came of it; soon if it is already. */
  onDone(callback: (status: Status) => void): void {
    const call = () => callback(this);
    void this.#settled.then(call, call);
  }

  // biome-ignore lint/suspicious/noThenProperty: a status is awaited; that is what it is for.
  then<T = undefined, E = never>(
    onFinished?: ((value: undefined) => T | PromiseLike<T>) | null,
    onFailed?: ((reason: unknown) => E | PromiseLike<E>) | null,
  ): Promise<T | E> {
    return this.#settled.then(onFinished, onFailed);
  }

  #settle(): void {
    if (this.#done) throw new StorageError("CONFLICT", "This status is done already; make a new one for each action");
    this.#done = true;
  }
}
