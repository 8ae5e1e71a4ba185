/** The registered sources of one writer. Internal to `Writer`. */
import { type ErrorContext, StorageError } from "../core/errors.ts";
import type { SourceInfo } from "../core/frame-writer.ts";
import { MapView } from "./map-view.ts";
import { Source, type SourceRegistration } from "./source.ts";

/** Sources by name, in the order of their registration. */
export class SourceRegistry implements Iterable<Source> {
  readonly #writer: string;
  readonly #sources = new Map<string, Source>();
  /** Live, and read-only. */
  readonly view: ReadonlyMap<string, SourceInfo> = new MapView(this.#sources);

  constructor(writer: string) {
    this.#writer = writer;
  }

  /** Where something about a source of this writer happened. */
  context(operation: string, name?: string): ErrorContext {
    return { backend: this.#writer, operation, identifier: name };
  }

  /** Adds a source, or replaces it; an acquisition that the old one was prepared for is over. */
  add(operation: string, registration: SourceRegistration): void {
    this.#sources.set(registration.name, new Source(registration, this.context(operation, registration.name)));
  }

  /** The source, or `undefined`. */
  find(name: string): Source | undefined {
    return this.#sources.get(name);
  }

  /** The source, or `NOT_FOUND`. */
  get(operation: string, name: string): Source {
    const source = this.#sources.get(name);
    if (source === undefined) throw this.missing(operation, name);
    return source;
  }

  /** Removes one; `false` if it was not there. */
  delete(name: string): boolean {
    return this.#sources.delete(name);
  }

  /** Removes all. */
  clear(): void {
    this.#sources.clear();
  }

  /** Those that are prepared and have not ended. */
  get prepared(): Source[] {
    return [...this.#sources.values()].filter((source) => source.sink !== undefined);
  }

  /** Smallest number of events over all; 0 without any. */
  get leastEvents(): number {
    let least = this.#sources.size === 0 ? 0 : Number.POSITIVE_INFINITY;
    for (const source of this.#sources.values()) least = Math.min(least, source.eventsWritten);
    return least;
  }

  [Symbol.iterator](): Iterator<Source> {
    return this.#sources.values();
  }

  /** The error of a source that is not registered. */
  missing(operation: string, name: string): StorageError {
    const known = [...this.#sources.keys()].join(", ") || "none";
    const message = `Writer "${this.#writer}" has no source ${JSON.stringify(name)}. Registered: ${known}`;
    return new StorageError("NOT_FOUND", message, this.context(operation, name));
  }
}
