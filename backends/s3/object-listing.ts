/** Listings of a bucket: lazy, in pages of a thousand. */
import type { ListObjectsV2CommandOutput } from "@aws-sdk/client-s3";
import type { ListEntry, ListOptions, OperationOptions } from "../../src/core/byte-store.ts";
import { type ErrorContext, StorageError } from "../../src/core/errors.ts";
import { compareKeys, normalizeKey } from "../../src/core/key.ts";
import { splitPrefix } from "../../src/core/listing.ts";
import { type Bucket, bareEtag } from "./bucket.ts";
import { connectionLost } from "./s3-errors.ts";

/** Sorts after every key that begins with what stands before it. */
const AFTER_ALL = "\u{10ffff}";

/** Lists as the contract of stores wants. Names that are no normal keys (`a//b`, `folder/`) are left out. */
export async function* listObjects(
  bucket: Bucket,
  options: ListOptions,
  context: ErrorContext,
): AsyncGenerator<ListEntry> {
  const { startAfter = "", delimiter, signal } = options;
  if (delimiter !== undefined && delimiter !== "/") {
    throw new StorageError("INVALID_DATA", `The delimiter of a listing is "/", got "${String(delimiter)}"`, context);
  }
  const { directory, namePrefix } = splitPrefix(options.prefix ?? "");
  const prefix = (directory === "" ? "" : `${directory}/`) + namePrefix;
  // To continue after a directory is to skip all that is in it.
  const isAfterDirectory = delimiter !== undefined && startAfter.endsWith("/");
  const from = isAfterDirectory ? startAfter + AFTER_ALL : startAfter;
  for await (const page of pages(bucket, { prefix, startAfter: from, delimiter, signal }, context)) {
    for (const entry of page) {
      const position = entry.kind === "directory" ? `${entry.key}/` : entry.key;
      if (startAfter === "" || compareKeys(position, startAfter) > 0) yield entry;
    }
  }
}

/** True if any key lies below this one. */
export async function hasKeysBelow(
  bucket: Bucket,
  key: string,
  context: ErrorContext,
  options: OperationOptions,
): Promise<boolean> {
  if (key === "") return true;
  const command = new bucket.sdk.ListObjectsV2Command({
    Bucket: bucket.name,
    Prefix: `${bucket.root}${key}/`,
    MaxKeys: 1,
  });
  const { Contents = [] } = await bucket.send<ListObjectsV2CommandOutput>(command, context, options.signal);
  return Contents.length > 0;
}

/**
 * Which of these keys are directories. Asks for pages in order and jumps to the next key that is not answered, so that
 * keys which lie together share a request.
 */
export async function directoriesAmong(
  bucket: Bucket,
  keys: readonly string[],
  context: ErrorContext,
  options: OperationOptions,
): Promise<Set<string>> {
  const directories = new Set<string>();
  const sorted = [...new Set(keys)].sort((a, b) => compareKeys(`${a}/`, `${b}/`));
  for (let next = 0; next < sorted.length; ) {
    // "." is the character before "/": nothing that begins with the key and a slash is skipped.
    const startAfter = `${bucket.root}${sorted[next]}.${AFTER_ALL}`;
    const page = await requestPage(bucket, { Prefix: bucket.root, StartAfter: startAfter }, context, options.signal);
    const names = page.names;
    const end = page.next === undefined ? undefined : names.at(-1);
    for (let i = 0; next < sorted.length; next++) {
      const below = `${sorted[next]}/`;
      while (i < names.length && compareKeys(names[i] as string, below) < 0) i++;
      if (names[i]?.startsWith(below)) directories.add(sorted[next] as string);
      // Beyond the page: nothing is known of this one. The first of a page is always answered by it.
      else if (end !== undefined && compareKeys(below, end) > 0) break;
    }
  }
  return directories;
}

async function* pages(
  bucket: Bucket,
  options: { prefix: string; startAfter: string; delimiter: "/" | undefined; signal: AbortSignal | undefined },
  context: ErrorContext,
): AsyncGenerator<ListEntry[]> {
  const base = { Prefix: bucket.root + options.prefix, Delimiter: options.delimiter };
  const first = options.startAfter === "" ? {} : { StartAfter: bucket.root + options.startAfter };
  let request: object = { ...base, ...first };
  for (;;) {
    const page = await requestPage(bucket, request, context, options.signal);
    yield page.entries;
    if (page.next === undefined) return;
    request = { ...base, ContinuationToken: page.next };
  }
}

interface Page {
  /** Entries with normal keys. */
  readonly entries: ListEntry[];
  /** All names below the root, also those that are no normal keys. */
  readonly names: string[];
  /** Where the next page begins; `undefined` for the last one. */
  readonly next: string | undefined;
}

async function requestPage(
  bucket: Bucket,
  request: object,
  context: ErrorContext,
  signal: AbortSignal | undefined,
): Promise<Page> {
  // Encoded: XML cannot hold every character that a key can.
  const command = new bucket.sdk.ListObjectsV2Command({ Bucket: bucket.name, EncodingType: "url", ...request });
  const answer = await bucket.send<ListObjectsV2CommandOutput>(command, context, signal);
  const decode = keyDecoder(answer.EncodingType);
  if (answer.IsTruncated === undefined || (answer.IsTruncated && !answer.NextContinuationToken)) {
    throw connectionLost("the service sent a listing that does not say whether it goes on", context);
  }
  const names: string[] = [];
  const found: { entry: ListEntry; position: string }[] = [];
  for (const object of answer.Contents ?? []) {
    const name = decode(object.Key ?? "").slice(bucket.root.length);
    names.push(name);
    if (!isNormal(name)) continue;
    const { Size: byteLength = 0, LastModified, ETag } = object;
    const entry: ListEntry = {
      key: name,
      kind: "file",
      byteLength,
      modifiedMs: LastModified?.getTime(),
      etag: bareEtag(ETag),
    };
    found.push({ entry, position: name });
  }
  for (const { Prefix = "" } of answer.CommonPrefixes ?? []) {
    const position = decode(Prefix).slice(bucket.root.length);
    const key = position.slice(0, -1);
    if (!isNormal(key)) continue;
    found.push({ entry: { key, kind: "directory", byteLength: 0, modifiedMs: undefined, etag: undefined }, position });
  }
  // Objects and groups come in two lists, each in order.
  found.sort((a, b) => compareKeys(a.position, b.position));
  const next = answer.IsTruncated ? answer.NextContinuationToken : undefined;
  return { entries: found.map(({ entry }) => entry), names, next };
}

/** Names as they are stored. Services write a space as `+` or as `%20`, and a plus always as `%2B`. */
export function keyDecoder(encoding: string | undefined): (name: string) => string {
  return encoding === "url" ? (name) => decodeURIComponent(name.replaceAll("+", "%20")) : (name) => name;
}

/** True if {@link normalizeKey} leaves it as it is: what it would change cannot be asked for. */
function isNormal(name: string): boolean {
  if (name === "" || name.includes("\0")) return false;
  if (name.split("/").some((segment) => segment === "" || segment === "." || segment === "..")) return false;
  return normalizeKey(name) === name;
}
