/** Where values come from: the read half of the value plane. */
import type { BatchOptions } from "./batch.ts";
import { brand, hasBrand } from "./brand.ts";
import type { OperationOptions } from "./byte-store.ts";
import type { DType } from "./dtype.ts";
import type { StorageError } from "./errors.ts";
import type { AxisSelection } from "./nd-array.ts";

/** Options of {@link DataSource.load}. */
export interface LoadOptions extends OperationOptions {
  /** Codec by name where the suffix does not say it. File-like backends only. */
  readonly format?: string | undefined;
  /** Options of the codec, checked by the codec. File-like backends only. */
  readonly codecOptions?: Readonly<Record<string, unknown>> | undefined;
  /**
   * Part of an array to load: one entry an axis, as for `sliceArray`. Every source gives that part and no more of it in
   * memory; one that reads parts of its arrays reads no more either.
   */
  readonly selection?: readonly AxisSelection[] | undefined;
}

/** Options of {@link DataSource.listFiles}. */
export interface ListFilesOptions extends OperationOptions {
  /** Glob (see `globMatcher`): without `/` it matches names, with `/` paths below the directory. */
  readonly pattern?: string | undefined;
  /**
   * Endings to keep, with or without the dot, in any case, compound ones too (`.ome.tif`). An empty list keeps nothing.
   */
  readonly extensions?: Iterable<string> | undefined;
  /** Descends into directories. Default `false`. */
  readonly recursive?: boolean | undefined;
  /** Descends into symbolic links to directories too; each real directory is visited once. Default `false`. */
  readonly followSymlinks?: boolean | undefined;
}

/** What is known of one path. */
export interface EntryStat {
  /** The path, as it was asked for. */
  readonly path: string;
  /** `symlink` only when links are not followed; `missing` where nothing is. */
  readonly kind: "file" | "directory" | "symlink" | "missing";
  /** False for `missing`, and for a link whose target is gone. */
  readonly exists: boolean;
  /** Stored size in bytes, where it is known. */
  readonly byteLength?: number | undefined;
  /** Last change, in milliseconds since 1970-01-01 UTC, where it is known. */
  readonly modifiedMs?: number | undefined;
  /** Opaque version tag, where the backend has one. */
  readonly etag?: string | undefined;
  /** Where a symbolic link points. */
  readonly target?: string | undefined;
  /** Element type, where the value is an array and the backend knows without loading it. */
  readonly dtype?: DType | undefined;
  /** Shape, likewise. */
  readonly shape?: readonly number[] | undefined;
}

/**
 * A source of values: storage, a virtual workspace, an archive.
 *
 * Predicates answer `false` for what is not there and never throw for absence; they do throw when the question cannot
 * be answered (closed, aborted, permission denied).
 *
 * @see OpenHCS `io/base.py`, `DataSource`
 */
export abstract class DataSource {
  static [Symbol.hasInstance](value: unknown): boolean {
    return hasBrand(this, DataSource, "DataSource", value);
  }

  /**
   * Loads one value.
   *
   * @returns Memory that belongs to the caller.
   * @throws A {@link StorageError}: `NOT_FOUND`, `IS_A_DIRECTORY`, `INVALID_KEY`, `INVALID_DATA` (no codec, or a
   * selection of what is no array), `OUT_OF_RANGE` (a selection outside the array), `CORRUPT`.
   */
  abstract load(path: string, options?: LoadOptions): Promise<unknown>;

  /**
   * Loads several values, concurrently, in the order of the arguments.
   *
   * @returns With `onError: "collect"`, a failed item is its {@link StorageError}.
   */
  abstract loadBatch(paths: readonly string[], options?: LoadOptions & BatchOptions): Promise<unknown[]>;

  /**
   * Lists files: shallower ones first, then by the UTF-8 bytes of the path. Each result begins with `directory` as it
   * was given, so that it can be loaded as it is. Broken links are no files.
   *
   * @throws A {@link StorageError}: `NOT_FOUND` or `NOT_A_DIRECTORY`.
   */
  abstract listFiles(directory: string, options?: ListFilesOptions): Promise<string[]>;

  /** Names of the immediate entries of a directory, broken links included, ordered by their UTF-8 bytes. */
  abstract listDir(path: string, options?: OperationOptions): Promise<string[]>;

  /** True if the path leads to a file or a directory; false for a broken link. */
  abstract exists(path: string, options?: OperationOptions): Promise<boolean>;

  /** True if the path leads to a file. */
  abstract isFile(path: string, options?: OperationOptions): Promise<boolean>;

  /** True if the path leads to a directory. */
  abstract isDir(path: string, options?: OperationOptions): Promise<boolean>;

  /** Describes a path; a missing one is described as such. The default knows only what the predicates know. */
  async stat(path: string, options: OperationOptions = {}): Promise<EntryStat> {
    const kind = (await this.isFile(path, options))
      ? "file"
      : (await this.isDir(path, options))
        ? "directory"
        : "missing";
    return { path, kind, exists: kind !== "missing" };
  }
}

brand(DataSource, "DataSource");
