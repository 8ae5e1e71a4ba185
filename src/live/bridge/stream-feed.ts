/** The points of a stream as a bridge sends them. */
import { isStorageError } from "../../core/errors.ts";
import type { Cursor } from "../cursor.ts";
import type { DataStore } from "../data-store.ts";
import type { Stream } from "../stream.ts";
import type { View } from "../view-of-points.ts";
import { type Feed, preparedScan } from "./feeds.ts";
import { pointBytes, pointsValues } from "./points-values.ts";
import type { EndReason, PointsPlace, StreamRequest, SubscriptionMessage } from "./protocol.ts";

/** Most points of a message that come by URL. */
const URL_POINTS = 64;

/** Most points of a message. */
const MOST_POINTS = 65_536;

/** What a feed of points needs to know of its bridge. */
export interface StreamFeedOptions {
  /** Points longer than this come by URL. */
  readonly inlineBytes: number;
  readonly signal: AbortSignal;
}

/** Points from where they were asked for to the end of the stream. Made when they are asked for: a slow client holds none. */
export async function* streamFeed(store: DataStore, request: StreamRequest, options: StreamFeedOptions): Feed {
  const { from = "latest", mode = "all", maxLag } = request;
  const { signal, inlineBytes } = options;
  const scan = await preparedScan(store, request.scan, signal);
  const stream = scan.stream(request.stream);
  const { cold } = await stream.opened();
  const { length, floor, sealed } = await stream.bounds({ signal });
  // What a store of its own still has is no gap.
  const onGap = cold === undefined ? "skip" : "throw";
  let cursor = await stream.cursor({ from, mode, onGap, signal });
  const about = { encoding: stream.encoding, info: stream.info, length, floor, sealed, next: cursor.position };
  yield { type: "stream", name: stream.name, stream: about };
  const every = typeof mode === "object" ? mode.every : 1;
  const read = { signal, ...pageLimits(stream, inlineBytes, every) };
  for (;;) {
    if (maxLag !== undefined) {
      const behind = cursor.position;
      cursor = await caughtUp(cursor, maxLag, { mode, onGap, signal });
      const to = cursor.position;
      if (to > behind) yield { type: "gap", reason: "lag", from: behind, to, next: to };
    }
    let view: View | undefined;
    try {
      view = await cursor.read(read);
    } catch (error) {
      const reason = await endOf(store, request.scan, error, signal);
      yield { type: "end", reason };
      return;
    }
    if (view !== undefined) yield* messagesOf(stream, view, cursor.position, options);
  }
}

/** What one read takes, so that its points fit a message. */
function pageLimits(stream: Stream, inlineBytes: number, every: number): { maxItems: number; maxBytes: number } {
  const each = pointBytes(stream.encoding);
  if (each === undefined) return { maxItems: MOST_POINTS, maxBytes: Math.ceil(inlineBytes / 2) };
  if (each > inlineBytes) return { maxItems: URL_POINTS * every, maxBytes: 2 ** 20 };
  const most = Math.min(MOST_POINTS, Math.max(1, Math.floor(inlineBytes / Math.max(each, 1))));
  return { maxItems: most * every, maxBytes: Math.max(inlineBytes, 2 ** 20) };
}

/** The cursor, or one at the newest point if this one is too far behind. */
async function caughtUp(
  cursor: Cursor,
  maxLag: number,
  options: Parameters<Stream["cursor"]>[0] & { signal: AbortSignal },
): Promise<Cursor> {
  const { stream, position } = cursor;
  const length = await stream.length({ signal: options.signal });
  return length - position > maxLag ? await stream.cursor({ ...options, from: length - 1 }) : cursor;
}

async function* messagesOf(
  stream: Stream,
  view: View,
  next: number,
  { inlineBytes, signal }: StreamFeedOptions,
): AsyncGenerator<SubscriptionMessage> {
  const { index, step, length: count, skipped } = view;
  if (skipped > 0) yield { type: "gap", reason: "expired", from: index - skipped, to: index, next: index };
  const place: PointsPlace = { index, step, count, next };
  const url = `/v1/scans/${encodeURIComponent(stream.scan)}/streams/${encodeURIComponent(stream.name)}/points`;
  if ((pointBytes(stream.encoding) ?? 0) > inlineBytes) {
    yield { type: "points", ...place, value: "url", url };
    return;
  }
  try {
    for (const each of pointsValues(await view.data(0, count, { signal }), place, stream.name)) {
      const isLong = each.value !== "url" && each.payload.byteLength > inlineBytes;
      const { index: at, step: by, count: many, next: after } = each;
      yield isLong
        ? { type: "points", index: at, step: by, count: many, next: after, value: "url", url }
        : { type: "points", ...each };
    }
  } catch (error) {
    if (!isStorageError(error, "EXPIRED")) throw error;
    yield { type: "gap", reason: "expired", from: index, to: next, next };
  }
}

/** Why there is nothing more, if that is what the error says. */
async function endOf(store: DataStore, key: string, error: unknown, signal: AbortSignal): Promise<EndReason> {
  if (isStorageError(error, "WRITER_LOST")) return "lost";
  if (isStorageError(error, "NOT_FOUND")) return "deleted";
  if (!isStorageError(error, "END_OF_STREAM")) throw error;
  const [state] = await store.states([key], { signal });
  return state === undefined ? "deleted" : "sealed";
}
