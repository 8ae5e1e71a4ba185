/** Every scan of a store, a page at a time. */
import type { LiveEngine } from "../engine.ts";

const PAGE_SCANS = 100;

/** Keys from the oldest on. */
export async function* allScans(engine: LiveEngine, signal: AbortSignal | undefined): AsyncGenerator<string[]> {
  if (engine.capabilities.historyLimit !== undefined) {
    // The history forgets scans that are still there; a search does not.
    const { keys } = await engine.search({}, { signal });
    for (let i = 0; i < keys.length; i += PAGE_SCANS) yield keys.slice(i, i + PAGE_SCANS);
    return;
  }
  for (let after = "oldest"; ; ) {
    const page = await engine.scansAfter(after, { timeoutMs: 0, limit: PAGE_SCANS, signal });
    if (page.scans.length === 0) return;
    yield page.scans.map(({ key }) => key);
    after = page.tag;
  }
}
