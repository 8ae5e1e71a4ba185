/** Holds calls and bytes to a limit. */
import type { ByteStore } from "../core/byte-store.ts";
import { StorageError } from "../core/errors.ts";
import { bytesOut, PartwiseStore } from "./partwise-store.ts";
import { PermitPool, type PermitPoolOptions } from "./permit-pool.ts";
import { type StoreCall, WrappedStore } from "./wrapped-store.ts";

/**
 * Limits calls under way and bytes per second. A permit is held for one call, one chunk or one step of a listing, never
 * for as long as a stream or a writer is open: a caller who reads one value while writing another cannot lock itself out.
 */
export class LimitStore extends PartwiseStore {
  /** Where the permits come from. */
  readonly pool: PermitPool;

  /**
   * @param limit - A pool that is shared with other stores, or options of one of its own.
   * @throws A {@link StorageError} `CONFIG_INVALID` if a layer below uses the same pool: a call would wait for itself.
   */
  constructor(inner: ByteStore, limit: PermitPool | PermitPoolOptions) {
    super("limit", inner);
    this.pool = limit instanceof PermitPool ? limit : new PermitPool(limit);
    for (let at = inner; at instanceof WrappedStore; at = at.inner) {
      if (!(at instanceof LimitStore) || at.pool !== this.pool) continue;
      const message = `Layers of "${this.name}": two limits share one pool; a call would wait for its own permit`;
      throw new StorageError("CONFIG_INVALID", message, { backend: this.name, operation: "stack" });
    }
  }

  protected override around<T>(call: StoreCall, run: (signal: AbortSignal | undefined) => Promise<T>): Promise<T> {
    const { operation, key, signal, bytesIn } = call;
    const context = { backend: this.name, operation, identifier: key };
    return this.pool.run({ signal, bytesIn, context }, () => run(signal), bytesOut);
  }
}
