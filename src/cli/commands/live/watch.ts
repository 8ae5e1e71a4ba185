/** `sluice live watch` */
import { isStorageError } from "../../../core/errors.ts";
import { matchesQuery, type Scan, scanStates } from "../../../live/index.ts";
import type { CommandContext } from "../../command-line.ts";
import { queryOf, scanRecord, scanTitle, shortKey } from "../../live-format.ts";
import { type LiveOptions, OpenLive } from "../../open-live.ts";
import { momentOf } from "../../run-format.ts";
import { describeError } from "../../terminal.ts";

/** Prints scans as they are created and change, those that are open first, until Ctrl-C. */
export async function watchScans(
  terms: readonly string[],
  options: LiveOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  const query = queryOf(terms, {});
  await using open = await OpenLive.open(options, terminal);
  const { store } = open;
  const { CREATED, PREPARED, STARTED, STOPPED, CLOSED } = scanStates;
  const states = [CREATED, PREPARED, STARTED, STOPPED];
  const { tag, keys } = await store.search({ ...query, states }, { signal });
  // Whatever fails ends all of them.
  const ending = new AbortController();
  let failure: unknown;
  const either = AbortSignal.any([signal, ending.signal]);
  const print = (scan: Scan, event: "open" | "created" | "changed") => {
    const end = scan.endReason === undefined ? "" : `  ${scan.endReason}`;
    const line = `${momentOf(Date.now() / 1000)}  ${shortKey(scan.key)}  ${scanTitle(scan)}  ${scan.stateName}${end}`;
    terminal.printLine({ event, ...scanRecord(scan) }, line);
  };
  const follow = async (scan: Scan, event: "open" | "created") => {
    try {
      print(scan, event);
      while (scan.state < CLOSED && (await scan.update({ signal: either }))) print(scan, "changed");
    } catch (error) {
      if (either.aborted) return;
      failure = error;
      ending.abort();
    }
  };
  const load = async (key: string) => {
    try {
      return await store.loadScan(key, { signal: either });
    } catch (error) {
      if (!isStorageError(error, "NOT_FOUND", "CORRUPT")) throw error;
      if (error.code === "CORRUPT") terminal.say(describeError(error));
      return undefined;
    }
  };
  const following = new Set<Promise<void>>();
  const begin = (scan: Scan, event: "open" | "created") => {
    const task = follow(scan, event).finally(() => following.delete(task));
    following.add(task);
  };
  terminal.say(`Watching ${open.shown}. Ctrl-C ends.`);
  try {
    for (const key of keys) {
      const scan = await load(key);
      if (scan !== undefined) begin(scan, "open");
    }
    for await (const { key, hasGap } of store.watch({ since: tag, signal: either })) {
      if (hasGap)
        terminal.printLine({ event: "gap" }, "Scans may have been missed here: the history has forgotten them");
      const scan = await load(key);
      if (scan !== undefined && matchesQuery(query, scan)) begin(scan, "created");
    }
  } catch (error) {
    // A question that was under way when another failed, or when Ctrl-C came.
    if (!either.aborted) failure = error;
  } finally {
    ending.abort();
    await Promise.all(following);
  }
  if (failure !== undefined) throw failure;
  return undefined;
}
