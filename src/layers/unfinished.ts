/** Values with journals, seen through layers. */
import type { ByteStore } from "../core/byte-store.ts";
import {
  isJournalling,
  type JournallingStore,
  type UnfinishedSearch,
  type UnfinishedValue,
} from "../core/journalled-write.ts";
import { joinKey } from "../core/key.ts";
import type { LayerKind } from "./order.ts";
import { PrefixStore } from "./prefix.ts";
import { WrappedStore } from "./wrapped-store.ts";

/** Layers that keep something of each value, or have it in several places: one that is finished below them is not theirs. */
const opaque: readonly LayerKind[] = ["overlay", "route", "checksum", "cache", "chaos"];

/** True if writers of a store keep journals, and what they tell of can be read, and finished, by {@link findUnfinished}. */
export function keepsJournals(store: ByteStore): boolean {
  return journallingBelow(store) !== undefined;
}

/** What a store has of unfinished values; nothing where it keeps no journals. Keys are those of the store. */
export async function* findUnfinished(
  store: ByteStore,
  search: UnfinishedSearch = {},
): AsyncGenerator<UnfinishedValue> {
  const below = journallingBelow(store);
  if (below === undefined) return;
  const { prefix, inner } = below;
  const inside = (key: string) => (prefix === "" ? key : key === "" ? prefix : joinKey(prefix, key));
  const found = inner.findUnfinished({
    signal: search.signal,
    prefix: inside(search.prefix ?? ""),
    key: search.key === undefined ? undefined : inside(search.key),
  });
  for await (const value of found) yield prefix === "" ? value : new Renamed(value, value.key.slice(prefix.length + 1));
}

/** An unfinished value under the key that a prefix layer shows. */
class Renamed implements UnfinishedValue {
  readonly key: string;
  readonly #value: UnfinishedValue;

  constructor(value: UnfinishedValue, key: string) {
    this.#value = value;
    this.key = key;
  }

  get writer(): UnfinishedValue["writer"] {
    return this.#value.writer;
  }

  get hasBytes(): boolean {
    return this.#value.hasBytes;
  }

  get modifiedMs(): number {
    return this.#value.modifiedMs;
  }

  readJournal(...args: Parameters<UnfinishedValue["readJournal"]>): Promise<Uint8Array> {
    return this.#value.readJournal(...args);
  }

  read(...args: Parameters<UnfinishedValue["read"]>): Promise<Uint8Array> {
    return this.#value.read(...args);
  }

  takeOver(byteLength: number): ReturnType<UnfinishedValue["takeOver"]> {
    return this.#value.takeOver(byteLength);
  }

  discard(): Promise<void> {
    return this.#value.discard();
  }
}

function journallingBelow(store: ByteStore): { readonly inner: JournallingStore; readonly prefix: string } | undefined {
  let prefix = "";
  let at = store;
  while (at instanceof WrappedStore) {
    if (opaque.includes(at.kind)) return undefined;
    if (at instanceof PrefixStore) prefix = prefix === "" ? at.prefix : joinKey(at.prefix, prefix);
    at = at.inner;
  }
  return isJournalling(at) ? { inner: at, prefix } : undefined;
}
