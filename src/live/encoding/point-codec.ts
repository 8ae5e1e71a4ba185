/** Between the points of a stream and the bytes of its entries. */
import type { CallOptions, Entry } from "../engine.ts";

/** Points that were encoded: what an entry needs beside its index. */
export type EncodedPoints = Pick<Entry, "length" | "payload">;

/** Some points of an entry. */
export interface EntryPart {
  readonly entry: Entry;
  /** The first, counted within the entry. */
  readonly from: number;
  /** The one after the last. */
  readonly to: number;
}

/**
 * Encodes and decodes the points of one stream.
 *
 * @typeParam Points - Several points together: an array `[n, …]`, or a list.
 * @typeParam Point - One of them.
 */
export interface PointCodec<Points = unknown, Point = unknown> {
  /**
   * One point or a batch as bytes.
   *
   * @returns The payload may be a view of the data's own memory.
   * @throws A `StorageError`: `DTYPE_MISMATCH`, `SHAPE_MISMATCH` or `INVALID_DATA`.
   */
  encode(data: unknown): EncodedPoints;
  /**
   * Points `from` up to `to` of an entry, counted within it.
   *
   * @returns May share memory with the payload.
   */
  decode(entry: Entry, from: number, to: number, options?: CallOptions): Points | Promise<Points>;
  /** Points of several entries, one after the other, where that is better than to decode each for itself. */
  decodeAll?(parts: readonly EntryPart[], options?: CallOptions): Promise<Points>;
  /** Points one after the other; of an empty list, no points. */
  concat(parts: readonly Points[]): Points;
  /** Some of the points, in the order of the indexes. */
  pick(points: Points, indexes: readonly number[]): Points;
  /** One of the points. */
  at(points: Points, index: number): Point;
  /** How many there are. */
  count(points: Points): number;
  /** Where a point of an entry is, if not in the entry itself. */
  locate?(entry: Entry, index: number): { readonly kind: string; readonly uri: string } | undefined;
}
