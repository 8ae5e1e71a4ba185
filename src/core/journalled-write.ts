/**
 * Long values that can be read before they are whole, and finished after the process that wrote them was killed: beside
 * the bytes, the writer keeps a journal that says what of them is there.
 */
import type { ByteRange, ByteWriter, OperationOptions } from "./byte-store.ts";

/** The journal of a value that is being written. What its bytes mean is up to whoever writes them. */
export interface ByteJournal {
  /**
   * Appends bytes, after all that were appended before. When the promise resolves, other processes can read them, and the
   * end of this process takes nothing away. Tell only of chunks whose writes have resolved.
   *
   * @param bytes - Borrowed until the promise resolves.
   */
  append(bytes: Uint8Array): Promise<void>;
  /** Makes the value so far, and then the journal, as safe as the store makes its values. */
  sync(): Promise<void>;
  /** Removes the journal: the value is published, and whatever had to follow it is stored too. */
  remove(): Promise<void>;
  /**
   * Ends the writer for good; the value, published or not, and its journal stay for whoever takes them over. Harmless
   * after `remove`, and after `abort` of the writer.
   */
  setAside(): Promise<void>;
}

/** A value that is not whole. */
export interface UnfinishedValue {
  /** Key that the value is to have. */
  readonly key: string;
  /**
   * Who writes it. `none`: its process is dead, or has set it aside. `unknown`: the process ran on another machine and
   * cannot be asked.
   */
  readonly writer: "alive" | "none" | "unknown";
  /** False: the value was published, or its bytes are lost; the journal is all that is here. */
  readonly hasBytes: boolean;
  /** Last change, in milliseconds since 1970-01-01 UTC. */
  readonly modifiedMs: number;
  /**
   * Reads the journal from a byte offset to its end; a record at the end may be cut short. Empty when nothing is there.
   *
   * @throws A `StorageError` `NOT_FOUND` if the journal is gone: the value was published, or discarded.
   */
  readJournal(offset?: number, options?: OperationOptions): Promise<Uint8Array>;
  /**
   * Reads a part of the bytes.
   *
   * @throws A `StorageError` `NOT_FOUND` if they are gone: look under the key.
   */
  read(range: ByteRange, options?: OperationOptions): Promise<Uint8Array>;
  /**
   * Becomes its writer: of several who want it, one. Its writer must be `none`, or known to be dead by other means.
   *
   * @param byteLength - What lies behind is cut off.
   * @returns A writer that goes on there and publishes only if nothing is under the key, with the journal as it is;
   * `undefined` if somebody else was sooner.
   */
  takeOver(byteLength: number): Promise<ByteWriter | undefined>;
  /** Removes the bytes and the journal. */
  discard(): Promise<void>;
}

/** Where to look for unfinished values. */
export interface UnfinishedSearch extends OperationOptions {
  /** Only in this folder and below. Default: everywhere. */
  readonly prefix?: string | undefined;
  /** Only this value: looks into one folder. */
  readonly key?: string | undefined;
}

/** A store whose writers keep journals (`journal` of `openWriter`). */
export interface JournallingStore {
  /** Finds values that are being written with a journal, or were when their process was killed. Changes nothing. */
  findUnfinished(search?: UnfinishedSearch): AsyncIterable<UnfinishedValue>;
}

/** True if a store keeps journals. */
export function isJournalling(store: object): store is JournallingStore {
  return "findUnfinished" in store;
}
