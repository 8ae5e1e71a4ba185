/** Asks a backend for an operation by name, so that virtual and streaming ones are taken for what they can do. */
import type { BackendBase } from "../core/backend.ts";
import { StorageError } from "../core/errors.ts";
import type { StorageBackend } from "../core/storage-backend.ts";

/** The operations of a complete backend. */
export type Operation = {
  [Name in keyof StorageBackend & string]: StorageBackend[Name] extends (...args: never[]) => Promise<unknown>
    ? Name
    : never;
}[keyof StorageBackend & string];

/**
 * The backend, of which only the named operation is known to be there.
 *
 * @throws A {@link StorageError} `UNSUPPORTED` that names the operation.
 */
export function needOperation(backend: BackendBase, operation: Operation): StorageBackend {
  const candidate = backend as StorageBackend;
  if (typeof candidate[operation] === "function") return candidate;
  throw new StorageError("UNSUPPORTED", `Backend "${backend.name}" does not have the operation ${operation}`, {
    backend: backend.name,
    operation,
  });
}
