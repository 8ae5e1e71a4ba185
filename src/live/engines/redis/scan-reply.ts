/** Scans as the scripts answer them, and what they are searched by. */
import type { Bounds, Page } from "../../engine.ts";
import type { ScanHeader } from "../../header.ts";
import type { JsonObject } from "../../json.ts";
import { type FieldPattern, patternParts, type ScanQuery } from "../../scan-query.ts";
import type { ScanState } from "../../scan-state.ts";
import { parseStoredScan, searchedFields } from "../stored-json.ts";
import type { RedisReply } from "./connection.ts";
import { decodeEntries, listOf } from "./wire.ts";

/** A scan, and what the engine has to know beside it. */
export interface ScanReply {
  readonly header: ScanHeader;
  /** Id of the newest entry of its state stream. */
  readonly news: string;
  /** Milliseconds after which it goes by itself; `undefined`: it stays. */
  readonly leavesInMs: number | undefined;
}

/** What the script `header` answers; `undefined` for a scan that is not there. */
export function decodeScan(key: string, reply: RedisReply | undefined): ScanReply | undefined {
  const values = listOf(reply);
  if (values.length === 0) return undefined;
  const [identity, info, state, streams, revision, created, news, end, owner, remaining, closed, ttl] = values;
  const header: ScanHeader = {
    key,
    ...parseStoredScan(key, { identity: String(identity), info: String(info), streams: String(streams) }),
    state: Number(state) as ScanState,
    revision: Number(String(revision)),
    createdAt: Number(String(created)),
    ...(owner === null || owner === undefined
      ? {}
      : { lease: { owner: String(owner), remainingMs: Number(String(remaining)) } }),
    ...(end === null || end === undefined ? {} : { endReason: String(end) }),
    // A clock that was set back does not make it negative.
    ...(closed === null || closed === undefined ? {} : { closedForMs: Math.max(0, Number(String(closed))) }),
  };
  return { header, news: String(news), leavesInMs: Number(ttl) < 0 ? undefined : Number(ttl) };
}

/** A scan that a search may have found. */
export interface FoundScan {
  readonly key: string;
  readonly identity: JsonObject;
  readonly state: ScanState;
  readonly createdAt: number;
  /** Its place in the history. */
  readonly tag: string;
}

/** What the script `search` answers of one scan. */
export function decodeFound(reply: RedisReply): FoundScan {
  const [key = "", identity = "{}", state, createdAt, tag = ""] = listOf(reply).map(String);
  return {
    key,
    identity: searchedFields(identity),
    state: Number(state) as ScanState,
    createdAt: Number(createdAt),
    tag,
  };
}

/** What the script `bounds` answers of one stream. */
export function decodeBounds(reply: RedisReply | undefined): Bounds {
  const [floor, length, sealed, durable] = listOf(reply).map((value) => Number(String(value)));
  return { floor: floor ?? 0, length: length ?? 0, sealed: sealed === 1, durable: durable ?? 0 };
}

/** Bounds and entries. */
export function decodePage(stream: string, reply: RedisReply | undefined): Page {
  const [bounds, entries] = listOf(reply);
  return { entries: decodeEntries(stream, entries ?? null).entries, bounds: decodeBounds(bounds) };
}

/** Names and values of an identity that scans are found by. */
export function indexedFields(identity: JsonObject): string[] {
  const fields: string[] = [];
  for (const [name, value] of Object.entries(identity)) {
    const text = indexedText(value);
    if (text !== undefined) fields.push(name, text);
  }
  return fields;
}

/**
 * Names and ranges of text that hold all scans that a query can match. A name with a dot may mean a member of an object,
 * of which there is no set.
 */
export function searchRanges(query: ScanQuery): (string | Buffer)[] {
  const ranges: (string | Buffer)[] = [];
  for (const [name, pattern] of Object.entries(query.identity ?? {})) {
    if (!name.includes(".")) ranges.push(name, ...rangeOf(pattern));
  }
  return ranges;
}

function rangeOf(pattern: FieldPattern): [string | Buffer, string | Buffer] {
  if (typeof pattern !== "string") return exactly(indexedText(pattern) as string);
  const [first = "", ...rest] = patternParts(pattern);
  if (rest.length === 0) return exactly(`s${first}`);
  // No text in UTF-8 has this byte.
  return [`[s${first}`, Buffer.concat([Buffer.from(`(s${first}`), Buffer.of(0xff)])];
}

function exactly(text: string): [string, string] {
  return [`[${text}\u0000`, `(${text}\u0001`];
}

/** Kinds are told apart: the number 1 is not the text "1". */
function indexedText(value: unknown): string | undefined {
  if (typeof value === "string") return `s${value}`;
  if (typeof value === "number") return `n${value}`;
  return typeof value === "boolean" ? `b${value}` : undefined;
}
