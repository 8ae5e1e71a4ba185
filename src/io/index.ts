/**
 * The pipeline's router.
 *
 * @module
 */
export type { CollectOptions, DirectoryTree } from "./collect-tree.ts";
export {
  type Backends,
  FileManager,
  type FileManagerOptions,
  type MirrorOptions,
  type MoveOptions,
} from "./file-manager.ts";
export { imageExtensions } from "./image-extensions.ts";
export type { BetweenOptions, TransferEnd } from "./transfer.ts";
