/** Where the store of a writer is, given the URI that it got. */
import { StorageError } from "../core/errors.ts";

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
