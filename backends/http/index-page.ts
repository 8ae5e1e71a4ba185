/**
 * Indexes that servers make of folders.
 *
 * @see nginx, ngx_http_autoindex_module; Apache, mod_autoindex; Python, http.server
 */
import { type ErrorContext, StorageError } from "../../src/core/errors.ts";

/** One entry of an index. */
export interface IndexEntry {
  readonly name: string;
  readonly kind: "file" | "directory";
  /** Exact; `undefined` where the index has none or rounds it. */
  readonly byteLength: number | undefined;
  readonly modifiedMs: number | undefined;
}

/** What makes a page an index, and not a page that somebody has written for the folder. */
const INDEX_TITLE = /<(?:title|h1)>\s*(?:index of|directory listing for)\b/i;
/** No further than the next tag: from each "<a" to the end of the page would take for ever on one that is made for it. */
const LINK = /<a\s[^<>]*?href\s*=\s*(?:"([^"]*)"|'([^']*)')/gi;

/**
 * The entries of an HTML index: links to what is right below the folder. Links to sort orders, to the folder above, to
 * other places and to names that can be no key are none.
 *
 * @param folder - Address of the folder; ends in `/`.
 * @throws A {@link StorageError} `CORRUPT` for a page that is no index.
 */
export function parseHtmlIndex(html: string, folder: URL, context: ErrorContext): IndexEntry[] {
  if (!INDEX_TITLE.test(html)) throw noIndex("the page is not one that a server makes of a folder", context);
  const entries = new Map<string, IndexEntry>();
  const folderSegments = folder.pathname.split("/").map(decodeSegment);
  for (const [, double, single] of html.matchAll(LINK)) {
    const link = unescapeHtml(double ?? single ?? "");
    if (link.startsWith("?") || link.startsWith("#") || !URL.canParse(link, folder.href)) continue;
    const target = new URL(link, folder.href);
    if (target.origin !== folder.origin) continue;
    const entry = entryBelow(folderSegments, target);
    if (entry !== undefined) entries.set(entry.name, { ...entry, byteLength: undefined, modifiedMs: undefined });
  }
  return [...entries.values()];
}

/** The entries of a JSON index, as nginx writes it: name, type, mtime and size. Throws as {@link parseHtmlIndex}. */
export function parseJsonIndex(text: string, context: ErrorContext): IndexEntry[] {
  let rows: unknown;
  try {
    rows = JSON.parse(text);
  } catch (cause) {
    throw noIndex("the answer is not JSON", context, cause);
  }
  if (!Array.isArray(rows)) throw noIndex("the answer is not a list", context);
  return rows.flatMap((row: unknown) => {
    const { name, type, mtime, size } = (row ?? {}) as Record<string, unknown>;
    if (typeof name !== "string" || (type !== "file" && type !== "directory")) {
      throw noIndex("a row has no name and type", context);
    }
    if (!isName(name)) return [];
    const modifiedMs = typeof mtime === "string" ? Date.parse(mtime) : Number.NaN;
    return {
      name,
      kind: type,
      byteLength: Number.isSafeInteger(size) ? (size as number) : undefined,
      modifiedMs: Number.isNaN(modifiedMs) ? undefined : modifiedMs,
    };
  });
}

/** What an address names right below the folder. Compared decoded: servers percent-encode each in their own way. */
function entryBelow(
  folder: readonly (string | undefined)[],
  target: URL,
): Pick<IndexEntry, "name" | "kind"> | undefined {
  const segments = target.pathname.split("/").map(decodeSegment);
  const isDirectory = segments.at(-1) === "";
  if (isDirectory) segments.pop();
  const name = segments.pop();
  // The last segment of the folder is what follows its slash: nothing.
  const isBelow = segments.length === folder.length - 1 && segments.every((segment, i) => segment === folder[i]);
  if (!isBelow || name === undefined || !isName(name)) return undefined;
  return { name, kind: isDirectory ? "directory" : "file" };
}

function decodeSegment(encoded: string): string | undefined {
  try {
    return decodeURIComponent(encoded);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

/** One segment of a key: a server may call things what it likes, but nothing leads out of the folder. */
function isName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name) && !/\p{Surrogate}/u.test(name);
}

function unescapeHtml(text: string): string {
  const named: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
  return text.replace(/&(?:#(\d+)|#x([\da-f]+)|(amp|lt|gt|quot|apos));/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return named[String(name).toLowerCase()] ?? whole;
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

function noIndex(problem: string, context: ErrorContext, cause?: unknown): StorageError {
  return new StorageError(
    "CORRUPT",
    `"${context.backend}" gives no index of the folder "${context.identifier}": ${problem}`,
    { ...context, ...(cause === undefined ? {} : { cause }) },
  );
}
