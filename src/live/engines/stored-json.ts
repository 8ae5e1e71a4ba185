/** What engines keep of scans as JSON text, which somebody may have damaged: one scan, never those beside it. */
import { StorageError } from "../../core/errors.ts";
import type { ScanHeader, StreamHeader } from "../header.ts";
import type { JsonObject } from "../json.ts";

/** Members of a scan as text. */
export interface StoredScan {
  readonly identity: string;
  readonly info: string;
  readonly streams: string;
}

/**
 * The members of a scan.
 *
 * @throws A {@link StorageError} `CORRUPT` that names the member that is damaged.
 */
export function parseStoredScan(
  key: string,
  { identity, info, streams }: StoredScan,
): Pick<ScanHeader, "identity" | "info" | "streams"> {
  return {
    identity: parseObject(identity) ?? damaged(key, "identity"),
    info: parseObject(info) ?? damaged(key, "info"),
    streams: parseStreams(streams) ?? damaged(key, "streams"),
  };
}

/** A member for a search. One that is damaged has no fields to be found by. */
export function searchedFields(text: string): JsonObject {
  return parseObject(text) ?? {};
}

/** Keys of the streams of a scan that ends or goes; of damaged ones nobody knows them any more. */
export function storedStreamKeys(streams: string): string[] {
  return Object.values(parseStreams(streams) ?? {}).map(({ key }) => key);
}

function parseStreams(text: string): Record<string, StreamHeader> | undefined {
  const streams = parseObject(text) as Record<string, unknown> | undefined;
  const areHeaders = streams !== undefined && Object.values(streams).every((value) => isHeader(value));
  return areHeaders ? (streams as Record<string, StreamHeader>) : undefined;
}

function isHeader(value: unknown): boolean {
  const { key, encoding, info } = (value ?? {}) as Partial<StreamHeader>;
  return typeof key === "string" && isObject(encoding) && isObject(info);
}

function parseObject(text: string): JsonObject | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  return isObject(value) ? (value as JsonObject) : undefined;
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function damaged(key: string, member: string): never {
  const message = `The ${member} of ${key} is damaged: the scan cannot be read. Others can, and this one can be deleted`;
  throw new StorageError("CORRUPT", message, { identifier: key });
}
