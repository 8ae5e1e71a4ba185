/**
 * What a store, backend or writer can do: declared, never guessed. Capabilities gate argument checks, layers, and which
 * conformance groups run.
 */

/** How far something is supported: by the medium itself, by our own code above it, or not at all. */
export type Support = "native" | "emulated" | "none";

/** What a byte store can do. */
export interface StoreCapabilities {
  /** Takes writes. `false` refuses every write with `READ_ONLY`. */
  readonly write: boolean;
  /** Lists keys. */
  readonly list: boolean;
  /** Create-only writes (`ifAbsent`) that cannot be raced. */
  readonly ifAbsent: Support;
  /**
   * Compare-and-set writes (`ifMatch`). `native`: of several conditional writes to one version, of whatever processes,
   * one wins. `emulated`: safe within one process only.
   */
  readonly ifMatch: Support;
  /**
   * Etags are made of the content: a value that gets bytes which it had before gets the etag that it had then. `ifMatch`
   * then means "as long as the same bytes are there". Default `false`: every write makes a new etag.
   */
  readonly contentEtags?: boolean | undefined;
  /** Range reads move only the bytes asked for. `emulated`: the whole value is read. */
  readonly ranges: Support;
  /** `openWriter` streams in bounded memory. `emulated`: it collects the value in memory. */
  readonly streamingWrite: Support;
  /** A byte writer takes chunks at any position. */
  readonly positionalWrite: boolean;
  /** Real directories and links: the store is a `DirectoryStore`. */
  readonly directories: boolean;
  /**
   * Keys are names and make no tree: a key may be a value and lie above others, and `stat` then describes the value.
   * Writes look for neither, and deleting a key that has no value is fine also where others lie below it. Default
   * `false`: a value is never above another.
   */
  readonly flatKeys?: boolean | undefined;
  /** Symbolic links. */
  readonly symlinks: boolean;
  /**
   * `rename` is one atomic step, and neither it nor `copy` can be raced to a target that must not be there. `emulated`:
   * copy, then delete; of two at once to one new key both may believe that they won.
   */
  readonly rename: Support;
  /** Values outlive the process. */
  readonly persistent: boolean;
  /** A write that has resolved is there, under its name, after a power cut too. Default `false`: not promised. */
  readonly durable?: boolean | undefined;
}

/** What a value backend can do. */
export interface Capabilities {
  /** Loads values. */
  readonly read: boolean;
  /** Saves values. */
  readonly write: boolean;
  /** Lists files and directories. */
  readonly list: boolean;
  /** Empty directories exist. `false`: directories are implied by the keys below them. */
  readonly directories: boolean;
  /**
   * A path may be a file and have others below it: then `isFile` and `isDir` are both true, it is described and loaded
   * as the file, and listed as a directory. Default `false`.
   */
  readonly flatKeys?: boolean | undefined;
  /** Symbolic links. */
  readonly symlinks: boolean;
  /**
   * Paths are checked against the backend before an operation: the parent of a new value must be a directory, and a
   * path below a file is refused. The seed's `requires_filesystem_validation`: true for storage backends, false for
   * read-only and virtual ones.
   */
  readonly requiresFilesystemValidation: boolean;
  /** `"any"`: takes whatever a codec (or memory) can hold. `"arrays"`: n-dimensional arrays only. */
  readonly values: "any" | "arrays";
  /** Leading slashes make another key (`"distinct"`) or mean the root (`"rooted"`). */
  readonly absoluteKeys: "distinct" | "rooted";
  /** Values outlive the process. */
  readonly persistent: boolean;
  /** Has a frame writer. */
  readonly frames: boolean;
}

/** Capabilities of an ordinary read-write backend; spread and override. */
export const storageCapabilities: Capabilities = {
  read: true,
  write: true,
  list: true,
  directories: true,
  symlinks: false,
  requiresFilesystemValidation: true,
  values: "any",
  absoluteKeys: "rooted",
  persistent: true,
  frames: false,
};
