/** URIs as references to stores: the scheme names the backend, the rest is where the store is rooted. */
import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import { StorageError } from "../src/core/errors.ts";
import { encodeKey } from "../src/core/key.ts";
import type { Registry } from "./registry.ts";

/** A backend with the options that a URI stands for. */
export interface ResolvedUri {
  /** Key of the backend. */
  readonly key: string;
  /**
   * `{ root }`, an absolute path, for `file:`; `{ baseUrl, index: "auto" }` for `http:` and `https:`; `{ archive, store, root }` for
   * `zip:`; `{ uri }` for every other scheme.
   */
  readonly options: Readonly<Record<string, string>>;
  /** Normal form: two URIs of one place are equal. May hold secrets. */
  readonly href: string;
  /** The normal form without user, password and query: what messages show. */
  readonly name: string;
}

/** A URI in two parts: the store that holds everything there, and a key in it. */
export interface SplitUri {
  /** URI of the store: origin and query, a bucket, an archive. */
  readonly store: string;
  /** Key in that store, decoded. */
  readonly key: string;
}

/** True if the text begins with a scheme of at least two letters: `file:///data`, but neither `raw` nor `C:\data`. */
export function isUri(text: string): boolean {
  return /^[a-z][a-z0-9+.-]+:/i.test(text);
}

/**
 * The backend behind a URI.
 *
 * @param uri - `file:///data` and `file://localhost/data` are the same folder. A `#` is refused, and in `file:` a `?`: in
 * names such characters are percent-encoded. `zip:` stands before the URI (or local path) of an
 * archive, `!/` behind it and before a folder of the archive: `zip:https://host/a.zip!/plate`. Archives in archives
 * begin with one `zip:` for each.
 * @throws A {@link StorageError}: `UNKNOWN_BACKEND` that lists the known schemes; `CONFIG_INVALID` for what is no URI.
 */
export function resolveUri(registry: Registry, uri: string): ResolvedUri {
  if (!isUri(uri)) throw unusable(uri, "it has no scheme, as in file:///data");
  const scheme = schemeOf(uri);
  const { key } = registry.forScheme(scheme);
  if (scheme === "zip") return { key, ...resolveZip(registry, uri) };
  const url = parse(uri);
  const href = url.href.replace(/(?<=[^/:])\/+$/, "");
  const name = withoutSecrets(url);
  if (scheme === "http" || scheme === "https")
    return { key, options: { baseUrl: url.href, index: "auto" }, href, name };
  if (scheme !== "file") return { key, options: { uri: url.href }, href, name };
  return { key, options: { root: filePath(uri, url) }, href, name };
}

/**
 * The store of a URI and the key in it, by its scheme alone: the origin of `https://host/a/b` and `a/b`, the archive of
 * `zip:file:///a.zip!/b` and `b`, the bucket of `s3://bucket/a` and `a`. A query stays with the store.
 *
 * @throws A {@link StorageError} `CONFIG_INVALID` for what is no URI.
 */
export function splitUri(uri: string): SplitUri {
  if (!isUri(uri)) throw unusable(uri, "it has no scheme, as in file:///data");
  const scheme = schemeOf(uri);
  if (scheme === "zip") {
    const { archive, inside } = splitZip(uri);
    return { store: `zip:${archive}`, key: decode(uri, inside) };
  }
  const url = parse(uri);
  if (scheme === "file") {
    const path = filePath(uri, url);
    return { store: "file:///", key: path.replace(/^\//, "") };
  }
  const user = url.username === "" ? "" : `${url.username}${url.password === "" ? "" : `:${url.password}`}@`;
  const key = decode(uri, url.pathname.replace(/^\//, ""));
  return { store: `${url.protocol}//${user}${url.host}/${url.search}`, key };
}

function resolveZip(registry: Registry, uri: string): Omit<ResolvedUri, "key"> {
  const { archive: outer, inside } = splitZip(uri);
  if (outer === "") throw unusable(uri, "the archive is missing, as in zip:file:///data/a.zip");
  const root = decode(uri, inside).replace(/\/+$/, "");
  const tail = root === "" ? "" : `!/${encodeKey(root)}`;
  const place = root === "" ? {} : { root };
  // A local path, also one of Windows.
  if (!isUri(outer)) {
    return { options: { archive: outer, ...place }, href: `zip:${outer}${tail}`, name: `zip:${outer}${tail}` };
  }
  const { href, name, options } = resolveUri(registry, outer);
  const shown = { href: `zip:${href}${tail}`, name: `zip:${name}${tail}` };
  if (schemeOf(outer) === "file") return { options: { archive: String(options.root), ...place }, ...shown };
  const { store, key } = splitUri(outer);
  if (key === "") throw unusable(uri, "it names a place for archives, and no archive");
  return { options: { archive: key, store, ...place }, ...shown };
}

/** Each `zip:` at the front has its `!/`; the first of them ends the innermost archive. */
function splitZip(uri: string): { archive: string; inside: string } {
  const depth = /^(?:zip:)+/i.exec(uri)?.[0].length ?? 0;
  const parts = uri.slice("zip:".length).split("!/");
  const levels = depth / "zip:".length;
  return { archive: parts.slice(0, levels).join("!/"), inside: parts.slice(levels).join("!/") };
}

function schemeOf(uri: string): string {
  return uri.slice(0, uri.indexOf(":")).toLowerCase();
}

function parse(uri: string): URL {
  let url: URL;
  try {
    url = new URL(uri);
  } catch {
    // The error of URL repeats its input, secrets included.
    throw unusable(uri, "it does not parse");
  }
  // No store has fragments; left out in silence, the rest would be the name of another value.
  if (url.href.includes("#")) throw unusable(uri, '"#" in names must be written %23');
  return url;
}

function filePath(uri: string, url: URL): string {
  if (url.search !== "") throw unusable(uri, '"?" in names must be written %3F');
  try {
    const path = fileURLToPath(url);
    if (isAbsolute(path)) return path;
  } catch (error) {
    throw unusable(uri, error instanceof Error ? error.message : String(error), error);
  }
  throw unusable(uri, "its path is not absolute");
}

function decode(uri: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw unusable(uri, "it is not percent-encoded UTF-8", cause);
  }
}

function withoutSecrets(url: URL): string {
  const shown = new URL(url);
  shown.username = "";
  shown.password = "";
  shown.search = "";
  shown.hash = "";
  return shown.href.replace(/(?<=[^/:])\/+$/, "");
}

/** The text without what may be a user, a password or a signature, also where it does not parse. */
function redacted(uri: string): string {
  return uri.replace(/\/\/[^/?#]*@/g, "//").replace(/[?#].*$/s, "");
}

function unusable(uri: string, problem: string, cause?: unknown): StorageError {
  const shown = redacted(uri);
  return new StorageError("CONFIG_INVALID", `"${shown}" is no usable URI: ${problem}`, {
    operation: "store",
    identifier: shown,
    ...(cause === undefined ? {} : { cause }),
  });
}
