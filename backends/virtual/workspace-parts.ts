/** What a workspace is made of, and what it answers with. Types only. */
import type { BackendBase, BackendOptions } from "../../src/core/backend.ts";
import type { StorageError } from "../../src/core/errors.ts";
import type { RegionSample } from "../../src/core/region.ts";
import type { MappingSource } from "./mapping-source.ts";

/** Where a workspace finds backends by name: a `BackendSet`, or a `Map` of live ones. */
export interface BackendLookup {
  /** The backend of a name; `undefined`, or a rejection, if there is none. */
  get(name: string): Promise<BackendBase> | BackendBase | undefined;
}

/** What a {@link VirtualWorkspace} is made of. */
export interface WorkspaceParts extends BackendOptions {
  readonly mapping: MappingSource;
  readonly backends: BackendLookup;
  readonly writeTo?: WriteTarget | undefined;
  readonly memoryBytes?: number | undefined;
  readonly refresh?: "always" | "manual" | undefined;
}

/** Where saves go. */
export interface WriteTarget {
  /** Name of the backend. */
  readonly backend: string;
  /** Folder in it; each value lies there under its virtual path. Default: its root. */
  readonly folder?: string | undefined;
}

/** A region of a virtual path, and which value it is from; where workspaces lead to each other, that behind the last. */
export interface WorkspaceSample extends RegionSample {
  readonly backend: string;
  readonly address: string;
}

/** A path whose value is not where the mapping says. */
export interface BrokenEntry {
  readonly path: string;
  readonly error: StorageError;
}
