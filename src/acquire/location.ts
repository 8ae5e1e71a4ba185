/** Where the store of a writer is, given the URI that it got. */
import type { OperationOptions } from "../core/byte-store.ts";
import { StorageError } from "../core/errors.ts";
import type { PathProvider } from "../core/frame-writer.ts";

/**
 * The URI of a writer's store. A URI that ends with the writer's extension is the store itself; any other is a folder
 * (for example one that a `SessionPathProvider` has reserved), and the store is `<folder>/<writer name><extension>`.
 *
 * @param extension - With its dot, or `""` for a writer whose store has none: then every URI is the store itself.
 */
export function storeLocation(uri: string, writerName: string, extension: string): string {
  const bare = checkUri(uri).replace(/(?<=[^/:])\/+$/, "");
  return bare.endsWith(extension) ? bare : `${bare}/${encodeURIComponent(writerName)}${extension}`;
}

/** Finds out where each acquisition of a writer goes. Internal to `Writer`. */
export class StoreLocator {
  readonly #writer: string;
  readonly #pathProvider: PathProvider | undefined;
  #uri: string | undefined;
  #storeUri: string | undefined;
  #locating: Promise<string> | undefined;

  constructor(writer: string, uri: string | undefined, pathProvider: PathProvider | undefined) {
    this.#writer = writer;
    this.#pathProvider = pathProvider;
    if (uri !== undefined) this.#uri = checkUri(uri);
  }

  /** Of the current acquisition, or the last. */
  get storeUri(): string | undefined {
    return this.#storeUri;
  }

  /** True once the location of this opening was asked for. */
  get isAsked(): boolean {
    return this.#locating !== undefined;
  }

  /** Wins over the path provider, from now on. */
  set(uri: string): void {
    this.#uri = checkUri(uri);
  }

  /** The location of this opening; the path provider is asked once. */
  locate(extension: string, options: OperationOptions): Promise<string> {
    this.#locating ??= this.#find(extension, options);
    return this.#locating;
  }

  /** The opening has ended, one way or the other: the next one asks again. */
  forget(): void {
    this.#locating = undefined;
  }

  async #find(extension: string, options: OperationOptions): Promise<string> {
    const uri = this.#uri ?? (await this.#pathProvider?.(undefined, { group: this.#writer, ...options }))?.storeUri;
    if (uri === undefined) {
      throw new StorageError(
        "CONFLICT",
        `Writer "${this.#writer}" does not know where to write: call setUri(…) or give it a pathProvider`,
        { backend: this.#writer, operation: "kickoff" },
      );
    }
    this.#storeUri = storeLocation(uri, this.#writer, extension);
    return this.#storeUri;
  }
}

/** The URI as documents have it: files of this machine with the host that readers of documents expect. */
export function publicUri(uri: string): string {
  return uri.replace(/^file:\/\/\//i, "file://localhost/");
}

/**
 * The URI, if it is one. A path is refused: in a URI, `#`, `?` and `%` of a file name must be encoded.
 *
 * @throws A {@link StorageError} `INVALID_KEY`.
 */
export function checkUri(uri: string): string {
  if (typeof uri === "string" && /^[a-z][a-z0-9+.-]+:./i.test(uri)) return uri;
  throw new StorageError(
    "INVALID_KEY",
    `Expected a URI such as file://localhost/data/run-1, got ${JSON.stringify(uri)}; pathToFileURL(path).href makes one of a path`,
  );
}
