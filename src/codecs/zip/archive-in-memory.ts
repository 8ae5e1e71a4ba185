/** An archive that is in memory already. */
import type { ResolvedRange } from "../../core/byte-range.ts";
import { type ErrorContext, StorageError } from "../../core/errors.ts";
import type { ArchiveBytes } from "./archive-bytes.ts";

/** Reads an archive from one buffer; what is read are views of it. */
export class ArchiveInMemory implements ArchiveBytes {
  readonly #bytes: Uint8Array;
  readonly context: ErrorContext;

  /** @param bytes - Borrowed: nothing may change it while the archive is read. */
  constructor(bytes: Uint8Array, context: ErrorContext) {
    // A plain array: slice() of a Node Buffer shares memory, where readers expect a copy.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.context = context;
  }

  get byteLength(): number {
    return this.#bytes.byteLength;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    return this.#view({ offset, length });
  }

  async readMany(places: readonly ResolvedRange[]): Promise<Uint8Array[]> {
    return places.map((place) => this.#view(place));
  }

  async stream(offset: number, length: number): Promise<ReadableStream<Uint8Array>> {
    return new Blob([this.#view({ offset, length })]).stream();
  }

  corrupt(problem: string, context: ErrorContext = {}, cause?: unknown): StorageError {
    return new StorageError("CORRUPT", `"${this.context.identifier}" is damaged: ${problem}`, {
      ...this.context,
      ...context,
      ...(cause === undefined ? {} : { cause }),
    });
  }

  #view({ offset, length }: ResolvedRange): Uint8Array {
    if (offset < 0 || length < 0 || offset + length > this.byteLength) {
      throw this.corrupt(`a record at byte ${offset} of ${length} bytes lies outside its ${this.byteLength} bytes`);
    }
    return this.#bytes.subarray(offset, offset + length);
  }
}
