/** Several ordered listings as one. */
import type { ListEntry } from "../core/byte-store.ts";
import { compareKeys } from "../core/key.ts";

/** Where an entry stands in a listing: a directory stands where its keys stand. */
export function positionOf({ key, kind }: Pick<ListEntry, "key" | "kind">): string {
  return kind === "directory" ? `${key}/` : key;
}

/**
 * Merges listings that are each in order. Of entries with the same key the first listing's is given, the others are left
 * out.
 */
export async function* mergeLists(lists: readonly AsyncIterable<ListEntry>[]): AsyncGenerator<ListEntry> {
  const iterators = lists.map((list) => list[Symbol.asyncIterator]());
  try {
    const heads = await Promise.all(iterators.map((iterator) => iterator.next()));
    for (;;) {
      let first: ListEntry | undefined;
      for (const head of heads) {
        if (head.done) continue;
        if (first === undefined || compareKeys(positionOf(head.value), positionOf(first)) < 0) first = head.value;
      }
      if (first === undefined) return;
      const position = positionOf(first);
      yield first;
      for (const [i, head] of heads.entries()) {
        if (!head.done && positionOf(head.value) === position)
          heads[i] = await (iterators[i] as AsyncIterator<ListEntry>).next();
      }
    }
  } finally {
    await Promise.all(iterators.map((iterator) => iterator.return?.()));
  }
}
