/** What a byte store should hold, and what is under way on it: the model that a state machine compares with. */
import type { ByteRange, ByteStore, ByteWriter, ListOptions } from "../core/byte-store.ts";
import type { StoreCapabilities } from "../core/capabilities.ts";
import { compareKeys } from "../core/key.ts";
import type { ByteStoreSubject } from "./byte-store-kit.ts";

/** A fresh store for the state machine, and how it is opened again. */
export interface ModelSubject extends ByteStoreSubject {
  /**
   * Opens another store on the same place; called after the one before was closed, and closed by the model. Absent: the
   * store is never closed and opened again.
   */
  readonly reopen?: (() => Promise<ByteStore>) | undefined;
  /** Leaves behind what a process leaves that is killed while it writes this key. Absent: nothing ever is. */
  readonly crash?: ((key: string) => Promise<void>) | undefined;
  /** Removes what killed processes left. Needed with `crash`. */
  readonly recover?: ((store: ByteStore) => Promise<void>) | undefined;
  /**
   * Answers get lost below, and calls are repeated: one that is called off, or ends with `CONFLICT`, may have been
   * carried out. Default `false`.
   */
  readonly losesAnswers?: boolean | undefined;
  /** Answers of deletes get lost below, and they are repeated: one may also delete what was written after it began. */
  readonly repeatsDeletes?: boolean | undefined;
}

/** A value and the etag that the store gave it. */
export interface Held {
  readonly bytes: Uint8Array;
  readonly etag: string;
}

/** What a write demands, in terms of the model. */
export type Demand = "none" | "absent" | "current" | "stale";

/** A byte writer that is open. */
export interface OpenSlot {
  readonly key: string;
  /** What must hold when it closes. */
  readonly condition: { readonly ifAbsent?: true; readonly ifMatch?: string };
  /** True if the condition did not hold already when it was opened: the store may say so now or at the end. */
  readonly isLost: boolean;
  readonly bytes: Uint8Array;
  /** Where a chunk without a position goes. */
  readonly next: number;
}

/** Writers that can be open at once. */
export const SLOTS = 3;

/** What the store should hold. */
export class ModelState {
  readonly capabilities: StoreCapabilities;
  /** False where the subject cannot be opened again. */
  readonly canRestart: boolean;
  /** False where the subject cannot be left behind by a killed process. */
  readonly canCrash: boolean;
  /** True where answers get lost below. */
  readonly losesAnswers: boolean;
  readonly repeatsDeletes: boolean;
  readonly values = new Map<string, Held>();
  /** Etags that values had, newest last. */
  readonly past = new Map<string, string[]>();
  readonly slots: (OpenSlot | undefined)[] = Array.from({ length: SLOTS }, () => undefined);
  /** True while something of a killed process lies about. */
  hasLeftovers = false;

  constructor(capabilities: StoreCapabilities, subject: ModelSubject) {
    this.capabilities = capabilities;
    this.canRestart = subject.reopen !== undefined;
    this.canCrash = subject.crash !== undefined && subject.recover !== undefined;
    this.losesAnswers = subject.losesAnswers ?? false;
    this.repeatsDeletes = subject.repeatsDeletes ?? false;
  }

  /** Notes what a key holds now. */
  set(key: string, held: Held | undefined): void {
    const before = this.values.get(key);
    if (before !== undefined) this.past.set(key, [...(this.past.get(key) ?? []), before.etag]);
    if (held === undefined) this.values.delete(key);
    else this.values.set(key, held);
  }

  /** The options of a write that demands something of a key. */
  condition(key: string, demand: Demand): { readonly ifAbsent?: true; readonly ifMatch?: string } {
    const current = this.values.get(key)?.etag;
    if (demand === "absent") return { ifAbsent: true };
    if (demand === "current" && current !== undefined) return { ifMatch: current };
    if (demand === "none") return {};
    const stale = (this.past.get(key) ?? []).findLast((etag) => etag !== current);
    return { ifMatch: stale ?? "no such version" };
  }

  /** The code that a write with such options is refused with now; `undefined` if it goes through. */
  refusal(
    key: string,
    { ifAbsent, ifMatch }: OpenSlot["condition"],
  ): "ALREADY_EXISTS" | "PRECONDITION_FAILED" | undefined {
    const etag = this.values.get(key)?.etag;
    if (ifAbsent && etag !== undefined) return "ALREADY_EXISTS";
    return ifMatch !== undefined && ifMatch !== etag ? "PRECONDITION_FAILED" : undefined;
  }

  /** Keys in the order of listings. */
  keys(): string[] {
    return [...this.values.keys()].sort(compareKeys);
  }

  /** What a listing shows: keys of values as they are, those of directories with a slash at the end. */
  listed({ prefix = "", startAfter = "", delimiter }: ListOptions): string[] {
    const shown = new Set<string>();
    for (const key of this.values.keys()) {
      if (!key.startsWith(prefix)) continue;
      const slash = delimiter === undefined ? -1 : key.indexOf("/", prefix.length);
      const position = slash < 0 ? key : key.slice(0, slash + 1);
      if (compareKeys(position, startAfter) > 0) shown.add(position);
    }
    return [...shown].sort(compareKeys);
  }
}

/** The store that the model is compared with. */
export interface ModelReal {
  readonly subject: ModelSubject;
  store: ByteStore;
  /** The writers of the model's slots. */
  readonly writers: (ByteWriter | undefined)[];
}

/** What a range of a value is; `undefined` if it starts beyond the end. */
export function rangeOf(value: Uint8Array, range: ByteRange | undefined): Uint8Array | undefined {
  if (range === undefined) return value;
  if ("suffix" in range) return value.slice(Math.max(0, value.length - range.suffix));
  if (range.offset > value.length) return undefined;
  return value.slice(range.offset, range.length === undefined ? undefined : range.offset + range.length);
}
