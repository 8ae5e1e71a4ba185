/** A Zarr hierarchy as a tree. */
import type { BackendSet } from "../../../registry/backend-set.ts";
import { StorageError } from "../../core/errors.ts";
import type { TreeFile } from "./tree.ts";

export async function openZarrTree(location: string, _backends: BackendSet): Promise<TreeFile> {
  throw new StorageError("UNSUPPORTED", location);
}
