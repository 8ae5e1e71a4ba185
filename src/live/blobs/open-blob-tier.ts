/** Opens a place for large frames. */
import type { BackendSet } from "../../../registry/backend-set.ts";
import { storageRegistry } from "../../../registry/default-set.ts";
import { isFrameStackSource } from "../../core/frame-stack.ts";
import { type BlobPlace, BlobTier, type BlobTierOptions } from "./blob-tier.ts";
import { SegmentBlobs, type SegmentBlobsOptions } from "./segment-blobs.ts";
import { StackBlobs } from "./stack-blobs.ts";
import { StoreBlobs } from "./store-blobs.ts";

/** Options of {@link openBlobTier}: a folder of segment files, or a backend. */
export type OpenBlobTierOptions = BlobTierOptions &
  (
    | SegmentBlobsOptions
    | {
        /**
         * Name of an instance of the set. One that takes frames one at a time (`zarr`) has an array for each stream; of
         * any other, the byte store has a value for each frame.
         */
        readonly backend: string;
        /** Key that the arrays are below; of arrays only. */
        readonly folder?: string | undefined;
      }
  );

/**
 * Opens a place for large frames.
 *
 * @param backends - Stays its owner's. Default: the default set of the registry.
 * @throws A `StorageError` as `BackendSet.get`; `UNSUPPORTED` for a backend that has neither.
 */
export async function openBlobTier(
  options: OpenBlobTierOptions,
  backends: BackendSet = storageRegistry,
): Promise<BlobTier> {
  return new BlobTier("root" in options ? new SegmentBlobs(options) : await placeIn(options, backends), options);
}

async function placeIn(
  { backend: name, folder }: { readonly backend: string; readonly folder?: string | undefined },
  backends: BackendSet,
): Promise<BlobPlace> {
  const backend = await backends.get(name);
  return isFrameStackSource(backend) ? new StackBlobs(backend, folder) : new StoreBlobs(await backends.store(name));
}
