import type { NamePolicy, PathRules } from "./key-names.ts";
import type { LockWaiting } from "./process-lock.ts";
import type { Durability } from "./temp-file.ts";

/** Options of a `DiskStore`. */
export interface DiskStoreOptions {
  /** Folder that contains everything; made by the first write. Default: the whole file system. */
  readonly root?: string | undefined;
  /** How far a write is safe when it is done. Default `"full"`. */
  readonly durability?: Durability | undefined;
  /** Whether writers that ask for it write past the cache of the system. Default `"auto"`: unless durability is `"none"`. */
  readonly direct?: "never" | "auto" | undefined;
  /** Whether short calls to a local file system are made on the calling thread. Default `"auto"`. */
  readonly inPlace?: "never" | "auto" | undefined;
  /** Name in messages. Default `"disk"`. */
  readonly name?: string | undefined;
  /** Which names are written. Default `"system"`. */
  readonly names?: NamePolicy | undefined;
  /** Whose rules paths follow. Default: those of this system; tests try others. */
  readonly rules?: PathRules | undefined;
  /** How a conditional write waits for one of another process: it looks every 2 ms, for at most 30 s. */
  readonly waiting?: Partial<LockWaiting> | undefined;
}
