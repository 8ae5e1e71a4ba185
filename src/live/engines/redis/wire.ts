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
    const name = String(id);
    const values = fieldsOf(fields);
    if (name === SEAL_ID) return { entries, sealedAt: countOf(values.get("id"), stream, name) };
    const payload = values.get("payload");
    if (!Buffer.isBuffer(payload)) throw corrupt(stream, name, "it has no payload");
    const length = values.has("len") ? countOf(values.get("len"), stream, name) : 1;
    entries.push({ index: countOf(name.slice(0, name.indexOf("-")), stream, name), length, payload });
  }
  return { entries };
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
