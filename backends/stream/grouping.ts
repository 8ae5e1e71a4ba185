/** Collects what comes in quick succession, so that a viewer draws once. */
import { checkInteger } from "../../src/core/checks.ts";
import { type Clock, systemClock } from "../../src/layers/clock.ts";
import { canonical } from "./item.ts";
import type { ReceivedItem } from "./receiver.ts";

/** Options of a {@link Grouping}. */
export interface GroupingOptions {
  /** A group is complete when nothing was added to it for so long. Default 500. */
  readonly quietMs?: number | undefined;
  /** It is complete after so long in any case. Default 2000. */
  readonly maxMs?: number | undefined;
  /** Items with equal contexts belong together. Default: the producer and the metadata of the batch. */
  readonly contextOf?: ((item: ReceivedItem) => unknown) | undefined;
  /** Default: that of this machine. */
  readonly clock?: Clock | undefined;
}

interface Group {
  readonly items: ReceivedItem[];
  readonly settle: { readonly resolve: () => void; readonly reject: (error: unknown) => void }[];
  cancelQuiet: () => void;
  readonly cancelMax: () => void;
}

/**
 * Groups items by context and processes each group once.
 *
 * A group is flushed when it has been quiet, when it is old, or when a batch is in it as a whole. Items that come while a
 * group is processed make a new one and wait for nobody. What `process` throws fails the items of its group alone.
 *
 * @see OpenHCS, the debounce of its receivers
 */
export class Grouping {
  readonly #process: (items: readonly ReceivedItem[]) => unknown;
  readonly #quietMs: number;
  readonly #maxMs: number;
  readonly #contextOf: (item: ReceivedItem) => unknown;
  readonly #clock: Clock;
  readonly #groups = new Map<string, Group>();
  readonly #underWay = new Set<Promise<void>>();

  /** @param process - Gets the items of one group, in the order in which they came. */
  constructor(process: (items: readonly ReceivedItem[]) => unknown, options: GroupingOptions = {}) {
    const { quietMs = 500, maxMs = 2000, contextOf = batchContext, clock = systemClock } = options;
    checkInteger(quietMs, "quietMs", 0);
    checkInteger(maxMs, "maxMs", 0);
    this.#process = process;
    this.#quietMs = quietMs;
    this.#maxMs = maxMs;
    this.#contextOf = contextOf;
    this.#clock = clock;
  }

  /** Adds an item. Resolves when its group was processed, and rejects with what that threw. */
  async add(item: ReceivedItem): Promise<void> {
    const context = canonical(this.#contextOf(item)) ?? "";
    const group = this.#groups.get(context) ?? this.#begin(context);
    group.items.push(item);
    group.cancelQuiet();
    const isProcessed = new Promise<void>((resolve, reject) => group.settle.push({ resolve, reject }));
    if (hasWholeBatch(group.items, item)) void this.#flush(context);
    else group.cancelQuiet = this.#clock.after(this.#quietMs, () => void this.#flush(context));
    return isProcessed;
  }

  /** Processes every group now, and resolves when all that is under way is done. Failures belong to the items. */
  async flush(): Promise<void> {
    for (const context of [...this.#groups.keys()]) void this.#flush(context);
    await Promise.all(this.#underWay);
  }

  #begin(context: string): Group {
    const cancelMax = this.#clock.after(this.#maxMs, () => void this.#flush(context));
    const group: Group = { items: [], settle: [], cancelQuiet: () => {}, cancelMax };
    this.#groups.set(context, group);
    return group;
  }

  #flush(context: string): Promise<void> {
    const group = this.#groups.get(context);
    if (group === undefined) return Promise.resolve();
    this.#groups.delete(context);
    group.cancelQuiet();
    group.cancelMax();
    const work = this.#run(group).finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
    return work;
  }

  async #run({ items, settle }: Group): Promise<void> {
    try {
      await this.#process(items);
      for (const { resolve } of settle) resolve();
    } catch (error) {
      for (const { reject } of settle) reject(error);
    }
  }
}

function batchContext({ producer, batch }: ReceivedItem): unknown {
  return { producer, metadata: batch?.metadata ?? null };
}

/** True if the group is a batch as a whole, and nothing else. */
function hasWholeBatch(items: readonly ReceivedItem[], { batch }: ReceivedItem): boolean {
  return items.length === batch?.count && items.every((item) => item.batch?.id === batch.id);
}
