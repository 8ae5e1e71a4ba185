/** URIs as references to stores: the scheme names the backend, the rest is where the store is rooted. */
import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import { StorageError } from "../src/core/errors.ts";
import type { Registry } from "./registry.ts";

/** A backend with the options that a URI stands for. */
export interface ResolvedUri {
  /** Key of the backend. */
  readonly key: string;
  /** `{ root }`, an absolute path, for `file:`; `{ uri }` for every other scheme. */
  readonly options: { readonly root: string } | { readonly uri: string };
  /** Normal form: two URIs of one place are equal. */
  readonly href: string;
}

/** True if the text begins with a scheme of at least two letters: `file:///data`, but neither `raw` nor `C:\data`. */
export function isUri(text: string): boolean {
  return /^[a-z][a-z0-9+.-]+:/i.test(text);
}

/**
 * The backend behind a URI.
 *
 * @param uri - `file:///data` and `file://localhost/data` are the same folder. Anything after `?` or `#` is refused in
 * `file:`, where such characters in names are percent-encoded.
 * @throws A {@link StorageError}: `UNKNOWN_BACKEND` that lists the known schemes; `CONFIG_INVALID` for what is no URI.
 */
export function resolveUri(registry: Registry, uri: string): ResolvedUri {
  const fail = (problem: string, cause?: unknown) =>
    new StorageError("CONFIG_INVALID", `"${uri}" is no usable URI: ${problem}`, {
      operation: "store",
      identifier: uri,
      ...(cause === undefined ? {} : { cause }),
    });
  if (!isUri(uri)) throw fail("it has no scheme, as in file:///data");
  const scheme = uri.slice(0, uri.indexOf(":"));
  const { key } = registry.forScheme(scheme);
  let url: URL;
  try {
    url = new URL(uri);
  } catch (error) {
    throw fail("it does not parse", error);
  }
  const href = url.href.replace(/(?<=[^/:])\/+$/, "");
  if (url.protocol !== "file:") return { key, options: { uri: url.href }, href };
  if (url.search !== "" || url.hash !== "") throw fail('"?" and "#" in names must be written %3F and %23');
  try {
    const root = fileURLToPath(url);
    if (!isAbsolute(root)) throw fail("its path is not absolute");
    return { key, options: { root }, href };
  } catch (error) {
    throw fail(error instanceof Error ? error.message : String(error), error);
  }
}
