/** What a subscription gets: each feed makes its next message when it is asked for it, and holds none. */
import { isStorageError } from "../../core/errors.ts";
import type { DataStore } from "../data-store.ts";
import type { Scan } from "../scan.ts";
import { matchesQuery } from "../scan-query.ts";
import { endReasons, scanStates } from "../scan-state.ts";
import type { ScanDocument, ScanRequest, ScansRequest, SubscriptionMessage } from "./protocol.ts";

/** Messages of one subscription, from first to last. */
export type Feed = AsyncGenerator<SubscriptionMessage, void, undefined>;

/** Scans as they are created. Never ends by itself. */
export async function* scansFeed(store: DataStore, request: ScansRequest, signal: AbortSignal): Feed {
  let { since = "now" } = request;
  if (since === "latest" || since === "now") {
    const { tag, key } = await store.engine.lastScan({ signal });
    const newest = since === "latest" ? key : undefined;
    since = tag;
    // A client that loses the connection before the next scan comes goes on from here.
    yield { type: "scans", tag };
    const scan = newest === undefined ? undefined : await sightedScan(store, newest, request, signal);
    if (scan !== undefined) yield { type: "scan", tag, scan };
  }
  for await (const { tag, key, hasGap } of store.watch({ since, signal })) {
    if (hasGap) yield { type: "gap", reason: "history" };
    const scan = await sightedScan(store, key, request, signal);
    if (scan !== undefined) yield { type: "scan", tag, scan };
  }
}

/** One scan, and again each time that it changes, until it is CLOSED. */
export async function* scanFeed(store: DataStore, { key, revision = 0 }: ScanRequest, signal: AbortSignal): Feed {
  const scan = await store.loadScan(key, { signal });
  if (scan.revision > revision) yield { type: "scan", scan: scanDocument(scan) };
  while (await scan.update({ signal })) {
    // The last word of a scan that is gone is an end, not a change.
    if (scan.endReason === endReasons.DELETION) break;
    yield { type: "scan", scan: scanDocument(scan) };
  }
  yield { type: "end", reason: scan.endReason === endReasons.DELETION ? "deleted" : "closed" };
}

/** A scan as clients see it. */
export function scanDocument(scan: Scan): ScanDocument {
  const { key, identity, info, stateName: state, revision, createdAt, endReason } = scan;
  const streams = scan.streamNames.map((name) => {
    const stream = scan.stream(name);
    return [name, { encoding: stream.encoding, info: stream.info }] as const;
  });
  const about = { key, identity, info, state, revision, createdAt };
  return { ...about, ...(endReason !== undefined && { endReason }), streams: Object.fromEntries(streams) };
}

/** The scan, if it is still there and one that was asked for. */
async function sightedScan(
  store: DataStore,
  key: string,
  { identity }: ScansRequest,
  signal: AbortSignal,
): Promise<ScanDocument | undefined> {
  try {
    const scan = await store.loadScan(key, { signal });
    return matchesQuery({ identity }, scan) ? scanDocument(scan) : undefined;
  } catch (error) {
    if (isStorageError(error, "NOT_FOUND")) return undefined;
    throw error;
  }
}

/** The scan once its streams are declared. */
export async function preparedScan(store: DataStore, key: string, signal: AbortSignal): Promise<Scan> {
  const scan = await store.loadScan(key, { signal });
  await scan.waitState(scanStates.PREPARED, { signal });
  return scan;
}
