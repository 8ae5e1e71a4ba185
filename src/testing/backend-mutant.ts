/** A faulty backend: a real one with one mistake planted in it. */
import type { StorageBackend } from "../core/storage-backend.ts";

/** One mistake. */
export interface BackendMutant {
  /** The mistake, as what the backend then does. */
  readonly name: string;
  /** Plants it in a backend, in place. */
  readonly plant: (backend: StorageBackend) => void;
}

/** The methods of a backend that mutants replace, bound, as they were before. */
export type Original = Pick<StorageBackend, (typeof methods)[number]>;

const methods = [
  "close",
  "copy",
  "createSymlink",
  "delete",
  "deleteAll",
  "ensureDirectory",
  "exists",
  "isDir",
  "isFile",
  "isSymlink",
  "listDir",
  "listFiles",
  "load",
  "loadBatch",
  "move",
  "save",
  "saveBatch",
  "stat",
] as const;

/** A mutant that replaces methods of a backend by what `change` makes of the original ones. */
export function mutant(name: string, change: (original: Original) => Partial<Original>): BackendMutant {
  return {
    name,
    plant: (backend) => {
      const bound = methods.map((method) => [method, (backend[method] as () => unknown).bind(backend)]);
      Object.assign(backend, change(Object.fromEntries(bound) as Original));
    },
  };
}
