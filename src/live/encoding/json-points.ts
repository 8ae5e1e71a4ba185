/** One JSON value a point, one point an entry. */
import { StorageError } from "../../core/errors.ts";
import type { Entry } from "../engine.ts";
import { type JsonValue, toJson } from "../json.ts";
import type { EncodedPoints, PointCodec } from "./point-codec.ts";

/** Points that are JSON. */
export class JsonCodec implements PointCodec<readonly JsonValue[], JsonValue> {
  encode(data: unknown): EncodedPoints {
    return { length: 1, payload: new TextEncoder().encode(toJson(data, "The point")) };
  }

  decode(entry: Entry, from: number, to: number): readonly JsonValue[] {
    if (entry.length !== 1) throw unreadable(entry, `it says that it has ${entry.length} points`);
    return from < to ? [parse(entry)] : [];
  }

  concat(parts: readonly (readonly JsonValue[])[]): readonly JsonValue[] {
    return parts.flat(1) as JsonValue[];
  }

  pick(points: readonly JsonValue[], indexes: readonly number[]): readonly JsonValue[] {
    return indexes.map((index) => points[index] as JsonValue);
  }

  at(points: readonly JsonValue[], index: number): JsonValue {
    return points[index] as JsonValue;
  }

  count(points: readonly JsonValue[]): number {
    return points.length;
  }
}

function parse(entry: Entry): JsonValue {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(entry.payload)) as JsonValue;
  } catch (cause) {
    throw unreadable(entry, "it is no JSON", cause);
  }
}

function unreadable(entry: Entry, reason: string, cause?: unknown): StorageError {
  return new StorageError("CORRUPT", `Entry ${entry.index} of a JSON stream cannot be read: ${reason}`, { cause });
}
