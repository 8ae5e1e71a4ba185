/** The resolutions of an image: arrays beside each other, which the group above them lists. */
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { StorageError } from "../../src/core/errors.ts";
import { joinKey, normalizeKey, parentKey } from "../../src/core/key.ts";
import type { ArrayLevel } from "../../src/core/region.ts";
import { isRecord } from "./metadata.ts";
import { findNode } from "./nodes.ts";
import { openArrayNode } from "./reader.ts";

/** A resolution, and where its array is. */
export interface StoredLevel extends ArrayLevel {
  readonly path: string;
}

/**
 * The resolutions of the array at a path. Where the array is the first of an OME-NGFF multiscale image, those that the
 * image lists; otherwise itself alone.
 *
 * @returns `undefined` if there is no array.
 * @throws A {@link StorageError}: `CORRUPT` for a list that is none, or whose arrays are not there.
 * @see NGFF 0.5, "multiscales" metadata
 */
export async function storedLevels(
  store: ByteStore,
  path: string,
  options: OperationOptions = {},
): Promise<StoredLevel[] | undefined> {
  const node = await findNode(store, path, options);
  if (node?.kind !== "array") return undefined;
  const { shape, dtype } = await openArrayNode(store, node, options);
  const full: StoredLevel = { path, shape, dtype, downsampling: shape.map(() => 1) };
  const levels = [full];
  for (const below of await lowerPaths(store, path, options)) {
    const lower = await findNode(store, below, options);
    if (lower?.kind !== "array" || lower.shape.length !== shape.length) {
      throw new StorageError("CORRUPT", `"${below}" is listed as a resolution of "${path}" and is no such array`, {
        identifier: below,
      });
    }
    const opened = await openArrayNode(store, lower, options);
    const downsampling = shape.map((length, axis) => stepOf(length, lower.shape[axis] as number));
    levels.push({ path: below, shape: lower.shape, dtype: opened.dtype, downsampling });
  }
  return levels;
}

/** Elements of the full array for one of the lower one. Lengths are rounded, so the step is the nearest whole one. */
function stepOf(full: number, lower: number): number {
  return lower === 0 ? 1 : Math.max(1, Math.round(full / lower));
}

/** Paths of the lower resolutions of an array that is the first of an image. */
async function lowerPaths(store: ByteStore, path: string, options: OperationOptions): Promise<string[]> {
  if (path === "") return [];
  const group = parentKey(path);
  const parent = await findNode(store, group, options);
  if (parent?.kind !== "group") return [];
  const { ome, multiscales = isRecord(ome) ? ome.multiscales : undefined } = parent.attributes;
  if (!Array.isArray(multiscales)) return [];
  for (const image of multiscales) {
    const datasets: unknown = isRecord(image) ? image.datasets : undefined;
    if (!Array.isArray(datasets)) continue;
    const paths = datasets.map((dataset: unknown) => {
      if (isRecord(dataset) && typeof dataset.path === "string") return normalizeKey(joinKey(group, dataset.path));
      throw new StorageError("CORRUPT", `"${group}" lists a resolution without a path`, { identifier: group });
    });
    if (paths[0] === path) return paths.slice(1);
  }
  return [];
}
