/** Takes no writes. */
import type { ByteStore } from "../core/byte-store.ts";
import { StorageError } from "../core/errors.ts";
import { type StoreCall, type StoreOperation, WrappedStore } from "./wrapped-store.ts";

const writes: ReadonlySet<StoreOperation> = new Set<StoreOperation>([
  ...(["write", "openWriter", "delete", "deleteMany", "copy", "rename"] as const),
  ...(["createDirectory", "removeDirectory", "renameDirectory", "symlink"] as const),
]);

/**
 * Refuses everything that changes something with `READ_ONLY`, before the store below hears of it. Silence would be data
 * loss: a caller whose write was dropped believes that it is stored.
 */
export class ReadOnlyStore extends WrappedStore {
  constructor(inner: ByteStore) {
    super("read-only", inner, {
      ...inner.capabilities,
      write: false,
      ifAbsent: "none",
      ifMatch: "none",
      streamingWrite: "none",
      positionalWrite: false,
      rename: "none",
    });
  }

  protected override async around<T>(
    call: StoreCall,
    run: (signal: AbortSignal | undefined) => Promise<T>,
  ): Promise<T> {
    const { operation, key, signal } = call;
    if (!writes.has(operation)) return run(signal);
    const message = `"${this.name}" is read-only here: ${operation} of "${key}" is refused`;
    throw new StorageError("READ_ONLY", message, { backend: this.name, operation, identifier: key });
  }
}
