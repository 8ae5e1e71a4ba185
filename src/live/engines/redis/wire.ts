/**
 * Streams as blissdata keeps them in Redis, byte for byte, so that its Python classes decode what is written here.
 *
 * The entry of a batch has the id `<index of its first point>-1` and the fields `payload` and, unless the batch is one
 * point, `len`. A sealed stream ends with an entry of the greatest id that there is, whose field `id` is its length.
 * So `XREAD` after `<index>-0` answers what begins at an index or later, without a table of ids.
 *
 * @see blissdata, `streams/event_stream.py`
 */
import { StorageError } from "../../../core/errors.ts";
import type { Entry } from "../../engine.ts";
import type { RedisReply } from "./connection.ts";

/** Id of the entry that ends a stream. */
export const SEAL_ID = "18446744073709551615-18446744073709551615";

const PAYLOAD = Buffer.from("payload");

/** Entries of a stream, as read. */
export interface StreamEntries {
  readonly entries: readonly Entry[];
  /** The final length; only if the entry that ends the stream is among those that were read. */
  readonly sealedAt?: number;
}

/** The place in a stream before everything that begins at an index or later. */
export function positionBefore(index: number): string {
  return `${index}-0`;
}

/**
 * Entries of a stream as `XRANGE` and `XREAD` answer them.
 *
 * @throws A {@link StorageError} `CORRUPT` for an entry that no writer of such streams makes.
 */
export function decodeEntries(stream: string, reply: RedisReply): StreamEntries {
  const entries: Entry[] = [];
  for (const raw of listOf(reply)) {
    const [id, fields] = listOf(raw);
    const index = indexOf(id, stream);
    if (index === undefined) {
      return { entries, sealedAt: countOf(fieldsOf(fields).get("id"), stream, SEAL_ID) };
    }
    const values = listOf(fields);
    // A point alone, as most are.
    const isPlain = values.length === 2 && isPayload(values[0]);
    const payload = isPlain ? values[1] : fieldsOf(fields).get("payload");
    if (!Buffer.isBuffer(payload)) throw corrupt(stream, String(id), "it has no payload");
    entries.push({ index, length: isPlain ? 1 : lengthOf(fields, stream, id), payload });
  }
  return { entries };
}

/** The index in an id; `undefined` in that of the entry that ends a stream. */
function indexOf(id: RedisReply | undefined, stream: string): number | undefined {
  let index = 0;
  if (Buffer.isBuffer(id) && id.length < SEAL_ID.length) {
    for (const byte of id) {
      if (byte === 45) break;
      index = index * 10 + (byte - 48);
    }
  } else {
    const name = String(id);
    if (name === SEAL_ID) return undefined;
    index = Number(name.slice(0, name.indexOf("-")));
  }
  if (!Number.isSafeInteger(index)) throw corrupt(stream, String(id), "its id is no index");
  return index;
}

function isPayload(name: RedisReply | undefined): boolean {
  return Buffer.isBuffer(name) && PAYLOAD.equals(name);
}

function lengthOf(fields: RedisReply | undefined, stream: string, id: RedisReply | undefined): number {
  const length = fieldsOf(fields).get("len");
  return length === undefined ? 1 : countOf(length, stream, String(id));
}

/** A reply that is a list; none is an empty one. */
export function listOf(reply: RedisReply | undefined): readonly RedisReply[] {
  return Array.isArray(reply) ? (reply as readonly RedisReply[]) : [];
}

/** Fields of an entry: names and values in turn. */
export function fieldsOf(reply: RedisReply | undefined): Map<string, RedisReply> {
  const flat = listOf(reply);
  const fields = new Map<string, RedisReply>();
  for (let i = 0; i + 1 < flat.length; i += 2) fields.set(String(flat[i]), flat[i + 1] as RedisReply);
  return fields;
}

/** True if the first id is before the second one. Exact below 2^53, and for the id of the seal. */
export function isBefore(a: string, b: string): boolean {
  const [aTime = 0, aNumber = 0] = a.split("-").map(Number);
  const [bTime = 0, bNumber = 0] = b.split("-").map(Number);
  return aTime < bTime || (aTime === bTime && aNumber < bNumber);
}

function countOf(value: RedisReply | undefined, stream: string, id: string): number {
  const count = Number(value === undefined || value === null ? Number.NaN : String(value));
  if (!Number.isSafeInteger(count) || count < 0) throw corrupt(stream, id, `${String(value)} is no number of points`);
  return count;
}

function corrupt(stream: string, id: string, why: string): StorageError {
  return new StorageError("CORRUPT", `Entry ${id} of ${stream} is not one of a stream of points: ${why}`, {
    identifier: stream,
  });
}
