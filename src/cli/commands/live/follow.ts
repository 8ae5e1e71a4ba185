/** `sluice live follow` */
import { isStorageError, StorageError } from "../../../core/errors.ts";
import { type DataStore, type Scan, scanStates } from "../../../live/index.ts";
import type { CommandContext } from "../../command-line.ts";
import { scanTitle, shortKey } from "../../live-format.ts";
import { type LiveOptions, OpenLive } from "../../open-live.ts";
import { PointPrinter } from "../../point-printer.ts";
import { describeError, type Terminal } from "../../terminal.ts";

/** Options of `sluice live follow`. */
export interface FollowScanOptions extends LiveOptions {
  readonly latest?: boolean | undefined;
  readonly stream?: readonly string[] | undefined;
  readonly from: "start" | "now" | "latest";
}

/** Prints the points of all streams of a scan as they come; with `latest`, goes over to each scan that begins. */
export async function followScan(
  name: string | undefined,
  options: FollowScanOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  const { latest = false } = options;
  if (latest && name !== undefined) {
    throw new StorageError("CONFIG_INVALID", "Name a scan, or let --latest find the newest; not both");
  }
  await using open = await OpenLive.open(options, terminal);
  try {
    if (latest) await followLatest(open.store, options, terminal, signal);
    else await new ScanFollower(await open.scan(name ?? "last", signal), options, terminal).run(signal);
  } catch (error) {
    if (!(signal.aborted && isStorageError(error, "ABORTED"))) throw error;
  }
  return undefined;
}

async function followLatest(
  store: DataStore,
  options: FollowScanOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const { tag: begin, key } = await store.engine.lastScan({ signal });
  let since = begin;
  let scan = key === undefined ? undefined : await store.loadScan(key, { signal });
  if (scan === undefined) terminal.say("There is no scan yet. Ctrl-C ends.");
  for (;;) {
    const leaving = new AbortController();
    const either = AbortSignal.any([signal, leaving.signal]);
    const running = scan && new ScanFollower(scan, options, terminal).run(either);
    // What fails there must not wait for the next scan to be told.
    const failed = new Promise<never>((_, reject) => running?.catch(reject));
    let next: Scan | undefined;
    try {
      const sighting = await Promise.race([store.nextScan({ since, signal: either }), failed]);
      if (sighting.hasGap) terminal.say("Scans may have been missed: the history has forgotten them");
      since = sighting.tag;
      next = await store.loadScan(sighting.key, { signal });
    } catch (error) {
      // The scan was deleted: the one that is followed, or the next. Or it is damaged, and another will come.
      if (!isStorageError(error, "NOT_FOUND", "CORRUPT")) throw error;
      if (error.code === "CORRUPT") terminal.say(describeError(error));
    } finally {
      // What a scan that has ended still has is printed first; one that was left open is left.
      const isOver = scan !== undefined && (await store.states([scan.key], { signal }))[0] === scanStates.CLOSED;
      if (!isOver) leaving.abort(new StorageError("ABORTED", "Another scan has begun"));
      await running?.catch(() => {});
      leaving.abort();
    }
    scan = next;
  }
}

/** Follows all streams of one scan, also those that are added to it. */
class ScanFollower {
  readonly #scan: Scan;
  readonly #options: FollowScanOptions;
  readonly #terminal: Terminal;
  readonly #following = new Map<string, Promise<void>>();

  constructor(scan: Scan, options: FollowScanOptions, terminal: Terminal) {
    this.#scan = scan;
    this.#options = options;
    this.#terminal = terminal;
  }

  /** Until the scan and its streams have ended, or the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    const scan = this.#scan;
    const ending = new AbortController();
    const either = AbortSignal.any([signal, ending.signal]);
    let failure: unknown;
    const fail = (error: unknown) => {
      failure ??= error;
      ending.abort(new StorageError("ABORTED", "Another stream has failed"));
    };
    this.#say();
    try {
      do {
        for (const name of scan.streamNames) this.#begin(name, either, fail);
      } while (await this.#changed(either));
    } catch (error) {
      fail(error);
    }
    await Promise.all(this.#following.values());
    if (failure !== undefined) throw failure;
  }

  async #changed(signal: AbortSignal): Promise<boolean> {
    const { state } = this.#scan;
    const isChanged = await this.#scan.update({ signal });
    if (this.#scan.state !== state) this.#say();
    return isChanged;
  }

  #begin(name: string, signal: AbortSignal, fail: (error: unknown) => void): void {
    const { stream: wanted } = this.#options;
    if (this.#following.has(name) || (wanted !== undefined && !wanted.includes(name))) return;
    this.#following.set(name, this.#follow(name, signal).catch(fail));
  }

  async #follow(name: string, signal: AbortSignal): Promise<void> {
    const stream = this.#scan.stream(name);
    const about = { text: name, record: { scan: this.#scan.key, stream: name } };
    const printer = new PointPrinter(this.#terminal, { about });
    const { cold } = await stream.opened();
    const { from } = this.#options;
    const cursor = await stream.cursor({ from, onGap: cold === undefined ? "skip" : "throw", signal });
    try {
      for (;;) {
        const view = await cursor.read({ signal });
        if (view !== undefined) await printer.print(view, signal);
      }
    } catch (error) {
      if (!isStorageError(error, "END_OF_STREAM", "WRITER_LOST")) throw error;
    }
  }

  #say(): void {
    const { key, stateName, state, endReason } = this.#scan;
    const end = state === scanStates.CLOSED ? ` (${endReason})` : "";
    this.#terminal.say(`Scan ${scanTitle(this.#scan)}, ${shortKey(key)}: ${stateName}${end}`);
  }
}
