import { Writer } from "../../src/acquire/index.ts";
import type { OperationOptions } from "../../src/core/byte-store.ts";
import { StorageError } from "../../src/core/errors.ts";
import type { FrameSink } from "../../src/core/frame-writer.ts";
import { copyArray, type NdArray } from "../../src/core/nd-array.ts";

/** What one store of a {@link PlainWriter} holds. */
export interface PlainStore {
  metadata: Readonly<Record<string, unknown>>;
  readonly frames: Map<string, NdArray[]>;
}

/** A custom backend as the seed guide shows one: overrides with guards of its own, and calls to super. */
export class PlainWriter extends Writer {
  readonly stores = new Map<string, PlainStore>();
  readonly calls: string[] = [];
  /** Makes the next frames fail, one for each entry. */
  readonly failures: unknown[] = [];
  /** Runs inside the hook, before the frame is stored. */
  insideHook: ((name: string) => void | Promise<void>) | undefined;
  finalizeFailure: unknown;
  kickoffFailure: unknown;
  #current: PlainStore | undefined;

  get mimetype(): string {
    return "application/x-plain";
  }

  override async prepare(name: string, capacity?: number): Promise<FrameSink> {
    this.calls.push(`prepare ${name}`);
    return super.prepare(name, capacity);
  }

  override async kickoff(options?: OperationOptions): Promise<void> {
    if (this.isOpen) return;
    this.calls.push("kickoff");
    const uri = await this.locate(options);
    await Promise.resolve();
    if (this.kickoffFailure !== undefined) throw this.kickoffFailure;
    if (this.stores.has(uri)) throw new StorageError("ALREADY_EXISTS", uri);
    this.#current = { metadata: this.metadata, frames: new Map() };
    this.stores.set(uri, this.#current);
    await super.kickoff(options);
  }

  /** Makes the store broken, as a backend does when it cannot go on. */
  break(error: unknown): void {
    this.fail(error);
  }

  protected override doWriteFrame(name: string, frame: NdArray, index: number): void | Promise<void> {
    if (this.insideHook === undefined) return this.#store(name, frame, index);
    const inside = this.insideHook(name);
    return inside instanceof Promise
      ? inside.then(() => this.#store(name, frame, index))
      : this.#store(name, frame, index);
  }

  protected finalize(): void {
    this.calls.push("finalize");
    if (this.#current !== undefined) this.#current.metadata = this.metadata;
    this.#current = undefined;
    if (this.finalizeFailure !== undefined) throw this.finalizeFailure;
  }

  #store(name: string, frame: NdArray, index: number): void {
    if (this.failures.length > 0) throw this.failures.shift();
    const store = this.#current as PlainStore;
    const frames = store.frames.get(name) ?? [];
    store.frames.set(name, frames);
    frames[index] = copyArray(frame);
  }
}
