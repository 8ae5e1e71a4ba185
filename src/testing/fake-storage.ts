/** A storage proxy without storage, for testing a device alone. */
import type { StreamAsset } from "../core/documents.ts";
import type { DType } from "../core/dtype.ts";
import { StorageError } from "../core/errors.ts";
import type { FrameSink, StorageProxy } from "../core/frame-writer.ts";
import { copyArray, type NdArray } from "../core/nd-array.ts";

/** One call of a method, in order. */
export interface RecordedCall {
  readonly method: keyof StorageProxy | "write" | "closeSink";
  readonly values: readonly unknown[];
}

/**
 * Records every call and keeps a copy of every frame. It checks no more than the order of calls: `prepare` needs a
 * registration, a frame needs an open store.
 *
 * @example
 * ```ts
 * const storage = new FakeStorage();
 * const camera = new MyCamera("camera", storage);
 * await camera.prepare({ capacity: 3 });
 * assert.deepEqual(storage.calls[0], { method: "updateSource", values: ["camera", "uint16", [512, 512], {}] });
 * ```
 * @see sunflare storage guide: `MagicMock(spec=StorageProxy)`
 */
export class FakeStorage implements StorageProxy {
  /** Every call so far. Sinks record `write` and `closeSink`. */
  readonly calls: RecordedCall[] = [];
  /** Documents that `collectStreamDocs` answers, by source; each once. */
  readonly documents = new Map<string, StreamAsset[]>();
  readonly #frames = new Map<string, NdArray[]>();
  readonly #capacities = new Map<string, number>();
  readonly #failures = new Map<string, unknown>();
  #isOpen = false;

  /** True after `kickoff`, until the last prepared source has ended. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The frames of one source since it was prepared, copied. */
  frames(name: string): readonly NdArray[] {
    return this.#frames.get(name) ?? [];
  }

  /** Capacity that a source was prepared with; `undefined` if it is not prepared. */
  capacity(name: string): number | undefined {
    return this.#capacities.get(name);
  }

  /** Makes the next call of a method fail. */
  failNext(method: RecordedCall["method"], error: unknown): void {
    this.#failures.set(method, error);
  }

  /** The names of the methods called, in order. */
  get methods(): string[] {
    return this.calls.map((call) => call.method);
  }

  updateSource(
    name: string,
    dtype: DType,
    shape: readonly number[],
    extra: Readonly<Record<string, unknown>> = {},
  ): void {
    this.#record("updateSource", name, dtype, [...shape], extra);
    this.#frames.set(name, []);
  }

  async prepare(name: string, capacity = 0): Promise<FrameSink> {
    this.#record("prepare", name, capacity);
    if (!this.#frames.has(name)) {
      throw new StorageError("NOT_FOUND", `Source "${name}" was prepared before updateSource`, {
        operation: "prepare",
      });
    }
    this.#frames.set(name, []);
    this.#capacities.set(name, capacity);
    const close = async () => {
      this.#record("closeSink", name);
      this.#end(name);
    };
    return {
      name,
      write: (frame) => this.#write(name, frame),
      close,
      [Symbol.asyncDispose]: close,
    };
  }

  async kickoff(): Promise<void> {
    this.#record("kickoff");
    this.#isOpen = true;
  }

  async complete(name: string): Promise<void> {
    this.#record("complete", name);
    this.#end(name);
  }

  getIndicesWritten(name?: string): number {
    this.#record("getIndicesWritten", name);
    const counts = name === undefined ? [...this.#frames.values()] : [this.frames(name)];
    return counts.length === 0 ? 0 : Math.min(...counts.map((frames) => frames.length));
  }

  collectStreamDocs(name: string, indicesWritten: number): StreamAsset[] {
    this.#record("collectStreamDocs", name, indicesWritten);
    return this.documents.get(name)?.splice(0) ?? [];
  }

  async #write(name: string, frame: NdArray): Promise<number> {
    this.#record("write", name, frame.shape);
    if (!this.#isOpen || !this.#capacities.has(name)) {
      throw new StorageError("NOT_OPEN", `A frame of "${name}" came before kickoff or after its end`, {
        operation: "write",
      });
    }
    return (this.#frames.get(name) as NdArray[]).push(copyArray(frame)) - 1;
  }

  #end(name: string): void {
    if (this.#capacities.delete(name) && this.#capacities.size === 0) this.#isOpen = false;
  }

  #record(method: RecordedCall["method"], ...values: unknown[]): void {
    this.calls.push({ method, values });
    const failure = this.#failures.get(method);
    if (this.#failures.delete(method)) throw failure;
  }
}
