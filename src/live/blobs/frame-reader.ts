/** Reads frames by reference, wherever they lie, through the registry. */
import type { BackendSet } from "../../../registry/backend-set.ts";
import { storageRegistry } from "../../../registry/default-set.ts";
import { StorageError } from "../../core/errors.ts";
import type { NdArray } from "../../core/nd-array.ts";
import type { FramePlace } from "../../io/frame-runs.ts";
import { type CountedRun, loadFrames } from "../../io/load-frames.ts";
import { StoredFrames } from "../../io/stored-frames.ts";
import type { FrameReference, ReadFrames } from "../encoding/frames.ts";
import { FrameRoots, type FrameRootsOptions } from "./frame-roots.ts";
import { StoredBytes } from "./stored-bytes.ts";

/** Frames that are read together: neighbours in an array, or ranges of one file. */
type ReferenceRun = CountedRun & ({ readonly place: FramePlace } | { readonly ranges: FrameReference[] });

/**
 * Reads frames by reference: of kind `"array"`, frames of an array in the store of any registered backend, those of a
 * shard under way too, and of sequences of image files; of kind `"bytes"`, ranges of segment files and of the values of
 * any byte store, whose checksum is checked. Neighbours are read together, with a few MiB beside the array that
 * they go into.
 *
 * What lies in the store of a named backend is read through it, with its credentials and layers; other stores are opened
 * on first use, and belong to the set.
 *
 * @param backends - Stays its owner's. Default: the default set of the registry.
 * @returns Rejects with a {@link StorageError}: `EXPIRED` for bytes that were removed; `NOT_FOUND` for a frame
 * that is not in its array; `CORRUPT` for bytes with another checksum; `SHAPE_MISMATCH`, `DTYPE_MISMATCH`; `UNSUPPORTED`
 * for a kind that nobody here knows; `PERMISSION_DENIED` for what lies in none of the `roots`, if there are any.
 */
export function frameReader(backends: BackendSet = storageRegistry, { roots }: FrameRootsOptions = {}): ReadFrames {
  const limit = roots && new FrameRoots(backends, roots);
  const stored = new StoredFrames(backends);
  const bytes = new StoredBytes(backends);
  return async (references, kind, options) => {
    await limit?.checkReferences(references);
    const read = (run: ReferenceRun): Promise<NdArray> =>
      "place" in run
        ? stored.read(run, options)
        : bytes.read(run.ranges.slice(run.first, run.first + run.count), kind, options);
    return loadFrames(runsOf(references), read, kind, references[0]?.uri ?? "", options);
  };
}

function runsOf(references: readonly FrameReference[]): ReferenceRun[] {
  const runs: ReferenceRun[] = [];
  for (const reference of references) {
    const last = runs.at(-1);
    const next = last && continued(last, reference);
    if (next !== undefined) runs[runs.length - 1] = next;
    else runs.push(runOf(reference));
  }
  return runs;
}

function runOf(reference: FrameReference): ReferenceRun {
  const { kind, uri, path = "", index, mimetype, template } = reference;
  if (kind === "bytes") return { ranges: [reference], first: 0, count: 1 };
  if (kind === "array" && index !== undefined && Number.isSafeInteger(index) && index >= 0) {
    return { place: { uri, path, mimetype, parameters: { template } }, first: index, count: 1 };
  }
  const message =
    kind === "array"
      ? `A reference to an array in ${uri} has no index of a frame`
      : `A frame in ${uri} is kept as "${kind}", which nobody here knows. Known: array, bytes`;
  throw new StorageError(kind === "array" ? "CORRUPT" : "UNSUPPORTED", message, { operation: "read", identifier: uri });
}

/** The run with one frame more; `undefined` if the frame is not its neighbour. */
function continued(run: ReferenceRun, reference: FrameReference): ReferenceRun | undefined {
  const { kind, uri, path = "", index, mimetype, template } = reference;
  const count = run.count + 1;
  if ("ranges" in run) {
    if (kind !== "bytes" || run.ranges[0]?.uri !== uri) return undefined;
    run.ranges.push(reference);
    return { ...run, count };
  }
  const { place, first } = run;
  const isNeighbour =
    kind === "array" &&
    index === first + run.count &&
    place.uri === uri &&
    place.path === path &&
    place.mimetype === mimetype &&
    place.parameters.template === template;
  return isNeighbour ? { ...run, count } : undefined;
}
