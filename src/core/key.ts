/**
 * Keys: POSIX-like, normalised once, contained in the root of their backend.
 *
 * A normalised key has no empty, `.` or `..` segment and no trailing slash; `""` is the root. Any Unicode, spaces,
 * brackets, `#`, `?`, `%` and backslashes are ordinary characters and round-trip untouched.
 */
import { StorageError } from "./errors.ts";

/** UTF-8 cannot hold it: written to a disk it would become U+FFFD, and two keys would become one. */
const HALF_SURROGATE = /\p{Surrogate}/u;

/** How {@link normalizeKey} treats a leading slash. */
export interface NormalizeOptions {
  /**
   * `"strip"`: `/a` and `a` are the same key (a store with one root). `"keep"`: they are different keys, as in the
   * OpenHCS memory backend. `"refuse"`: a leading slash is an `INVALID_KEY`. Default `"strip"`.
   */
  readonly absolute?: "strip" | "keep" | "refuse";
}

/**
 * The normal form of a key.
 *
 * @param key - As the user wrote it: `./a//b/../c` becomes `a/c`.
 * @returns Segments joined by `/`; `""` for the root (`"/"` for an absolute root that is kept).
 * @throws A {@link StorageError} `INVALID_KEY`: not a string, a NUL character, half a surrogate pair, or `..` beyond
 * the root.
 */
export function normalizeKey(key: string, options: NormalizeOptions = {}): string {
  if (typeof key !== "string") {
    throw new StorageError("INVALID_KEY", `A key must be a string, got ${key === null ? "null" : typeof key}`);
  }
  if (key.includes("\0")) {
    throw new StorageError("INVALID_KEY", `Key ${JSON.stringify(key)} has a NUL character`, { identifier: key });
  }
  if (HALF_SURROGATE.test(key)) {
    throw new StorageError(
      "INVALID_KEY",
      `Key ${JSON.stringify(key)} has half a surrogate pair, which is no character`,
      {
        identifier: key,
      },
    );
  }
  const isAbsolute = key.startsWith("/");
  if (isAbsolute && options.absolute === "refuse") {
    throw new StorageError("INVALID_KEY", `Key "${key}" is absolute; keys are relative to the root of their backend`, {
      identifier: key,
    });
  }
  const segments: string[] = [];
  for (const segment of key.split("/")) {
    if (segment === "" || segment === ".") continue;
    if (segment !== "..") {
      segments.push(segment);
    } else if (segments.pop() === undefined) {
      throw new StorageError("INVALID_KEY", `Key "${key}" leaves the root of its backend`, { identifier: key });
    }
  }
  const joined = segments.join("/");
  return isAbsolute && options.absolute === "keep" ? `/${joined}` : joined;
}

/** Key of the directory that holds `key`; the root's parent is the root. Takes a normalised key. */
export function parentKey(key: string): string {
  const slash = key.lastIndexOf("/");
  if (slash === 0) return "/";
  return slash < 0 ? "" : key.slice(0, slash);
}

/** Last segment of a normalised key. */
export function baseName(key: string): string {
  return key.slice(key.lastIndexOf("/") + 1);
}

/** A directory and a name put together; the root adds nothing, and a trailing slash is not doubled. */
export function joinKey(directory: string, name: string): string {
  if (directory === "" || directory === ".") return name;
  return directory.endsWith("/") ? directory + name : `${directory}/${name}`;
}

/** A key percent-encoded for a URI, its slashes kept. Takes a normalised key. */
export function encodeKey(key: string): string {
  return key.split("/").map(encodeURIComponent).join("/");
}

/** True if `key` is `directory` or below it (`a/bc` is not below `a/b`). Takes normalised keys. */
export function isInside(key: string, directory: string): boolean {
  if (directory === "") return !key.startsWith("/");
  if (key === directory) return true;
  return key.startsWith(directory.endsWith("/") ? directory : `${directory}/`);
}

/**
 * Orders keys by their UTF-8 bytes: the order of object stores, and so the order of every listing. UTF-16 code units,
 * which JavaScript's `<` compares, put characters beyond U+FFFF before U+E000…U+FFFF; this does not.
 */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return compareCodeUnits(x, y);
  }
  return a.length - b.length;
}

/** Orders two strings by the first code units in which they differ, as their UTF-8 bytes would. */
export function compareCodeUnits(x: number, y: number): number {
  const xIsSurrogate = x >= 0xd800 && x <= 0xdfff;
  const yIsSurrogate = y >= 0xd800 && y <= 0xdfff;
  if (xIsSurrogate !== yIsSurrogate) return xIsSurrogate ? 1 : -1;
  return x - y;
}
