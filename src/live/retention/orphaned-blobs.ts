/** Payloads beside an engine that belong to no scan any more: it was deleted while nobody cleaned. */

import type { Bounds, LiveEngine } from "../engine.ts";
import { isStreamKey } from "../keys.ts";
import type { Pass, RetainedBlobs } from "./scan-cleaner.ts";

/** Streams of which the bounds are asked for at once. */
const ASKED_AT_ONCE = 100;

/**
 * Removes payloads of streams that no scan has, that have no entry in the engine, and to which nothing was written for so
 * long. While one scan cannot be read nobody knows its streams, and none are removed.
 *
 * @throws What the engine or the place says, and what a scan that cannot be read is reported with.
 */
export async function removeOrphans(
  engine: LiveEngine,
  blobs: RetainedBlobs,
  unwrittenMs: number,
  { report, signal }: Pass,
): Promise<void> {
  // The time of files, which is that of the wall.
  const latest = Date.now() - unwrittenMs;
  const old = new Set<string>();
  for await (const { stream, modifiedMs } of blobs.streams?.({ signal }) ?? []) {
    if (isStreamKey(stream) && modifiedMs !== undefined && modifiedMs <= latest) old.add(stream);
  }
  if (old.size === 0) return;
  // After the payloads: a scan that came meanwhile has none that are so old.
  for (const key of (await engine.search({}, { signal })).keys) {
    const header = await engine.getScan(key, { signal });
    for (const stream of Object.values(header?.streams ?? {})) old.delete(stream.key);
  }
  const candidates = [...old];
  for (let i = 0; i < candidates.length; i += ASKED_AT_ONCE) {
    const streams = candidates.slice(i, i + ASKED_AT_ONCE);
    const all = await engine.bounds(streams, { signal });
    for (const [j, stream] of streams.entries()) {
      const { floor, length } = all[j] as Bounds;
      // Entries that nobody has declared yet, or that a client of another kind has written.
      if (floor < length) continue;
      await blobs.trim(stream, Number.MAX_SAFE_INTEGER, { signal });
      report.orphans.push(stream);
    }
  }
}
