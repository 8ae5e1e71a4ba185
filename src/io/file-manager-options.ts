/** What a `FileManager` is given. Types only. */
import type { BackendSet } from "../../registry/backend-set.ts";
import type { BackendBase } from "../core/backend.ts";
import type { TransferOptions } from "../core/byte-store.ts";
import type { IfExists } from "../core/data-sink.ts";
import type { CollectOptions } from "./collect-tree.ts";

/** Options of a {@link FileManager}. */
export interface FileManagerOptions {
  /** Overwrite policy of saves and transfers that name none. Default: that of each backend. */
  readonly ifExists?: IfExists | undefined;
}

/** Options of {@link FileManager.move}. */
export interface MoveOptions extends TransferOptions {
  /** Replaces a symbolic link at the target, though never a file or a directory. Default `false`. */
  readonly replaceSymlinks?: boolean | undefined;
}

/** Options of {@link FileManager.mirrorDirectoryWithSymlinks}. */
export interface MirrorOptions extends CollectOptions {
  /** Replaces symbolic links that are in the way, though never a file or a directory. Default `false`. */
  readonly replaceSymlinks?: boolean | undefined;
}

/** What a {@link FileManager} is built on. */
export type Backends = BackendSet | ReadonlyMap<string, BackendBase> | Readonly<Record<string, BackendBase>>;
