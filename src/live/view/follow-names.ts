/** Names at the root of a file, as scans bring them. */
import { isStorageError } from "../../core/errors.ts";
import type { DataStore } from "../data-store.ts";
import type { FileScans } from "./file-scans.ts";

/**
 * Names that are not in `seen`, as scans are prepared, and what they get later. A scan that is never prepared keeps none
 * of the others back.
 *
 * @param seen - Grows.
 */
export async function* followNames(
  store: DataStore,
  scans: FileScans,
  seen: Set<string>,
  signal: AbortSignal | undefined,
): AsyncGenerator<string> {
  const leave = new AbortController();
  const stop = signal === undefined ? leave.signal : AbortSignal.any([signal, leave.signal]);
  const fresh: string[] = [];
  let failure: unknown;
  let wake = () => {};
  const fail = (error: unknown) => {
    if (!(stop.aborted && isStorageError(error, "ABORTED"))) failure ??= error;
    wake();
  };

  /** From one state of a scan to the next, until it is closed. */
  const followScan = async (key: string): Promise<void> => {
    for (;;) {
      const layout = await scans.layout(key, { signal: stop });
      for (const name of Object.keys(layout?.root.children ?? {})) {
        if (seen.has(name)) continue;
        seen.add(name);
        fresh.push(name);
      }
      wake();
      const scan = await scans.scan(key, { signal: stop });
      if (!(await scan.update({ signal: stop }))) return;
    }
  };

  const followAll = async (): Promise<void> => {
    const known = new Set<string>();
    let tag = await scans.look({ signal: stop });
    for (;;) {
      for (const key of scans.keys) {
        if (known.has(key)) continue;
        known.add(key);
        void followScan(key).catch((error) => {
          // Deleted, or wrong: the others go on.
          if (!isStorageError(error, "NOT_FOUND", "INVALID_DATA")) fail(error);
        });
      }
      await store.engine.scansAfter(tag, { signal: stop, limit: 1 });
      tag = await scans.look({ signal: stop });
    }
  };

  const following = followAll().catch(fail);
  try {
    for (;;) {
      while (fresh.length > 0) yield fresh.shift() as string;
      if (stop.aborted) return;
      if (failure !== undefined) throw failure;
      await new Promise<void>((resolve) => {
        wake = resolve;
        stop.addEventListener("abort", () => resolve(), { once: true });
        if (fresh.length > 0 || failure !== undefined) resolve();
      });
    }
  } finally {
    leave.abort();
    await following;
  }
}
