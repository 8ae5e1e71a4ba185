/** Writes images in several resolutions. */
import type { ByteStore, OperationOptions } from "../../../src/core/byte-store.ts";
import { checkNdArray } from "../../../src/core/checks.ts";
import { joinKey, normalizeKey } from "../../../src/core/key.ts";
import type { NdArray } from "../../../src/core/nd-array.ts";
import { formatFor } from "../create.ts";
import { zarrFormatOf } from "./attributes.ts";
import { downsample } from "./downsample.ts";
import type { NgffVersion } from "./model.ts";
import { placeGroup, saveInside } from "./place-group.ts";
import { type ImageOptions, type ImagePlan, planImage } from "./plan-image.ts";

/** Options of `writeImage`. */
export interface WriteImageOptions extends ImageOptions, OperationOptions {
  /** What happens to an image that is there already. Default `"error"`. */
  readonly ifExists?: "error" | "replace" | undefined;
}

/**
 * Writes an image with its levels and its metadata.
 *
 * @throws A {@link StorageError} `ALREADY_EXISTS`, `INVALID_DATA`, `SHAPE_MISMATCH`, `DTYPE_MISMATCH`: nothing was
 * written. After a failure of the store nothing is left.
 */
export async function writeNgffImage(
  store: ByteStore,
  path: string,
  array: NdArray,
  options: WriteImageOptions,
): Promise<void> {
  const key = normalizeKey(path);
  checkNdArray(array, { backend: store.name, operation: "writeImage", identifier: key });
  const version = await versionFor(store, key, options);
  const plan = planImage(array, options, version, key);
  await placeImage(store, key, array, plan, { mayReplace: options.ifExists === "replace", signal: options.signal });
}

/** Writes an image that was planned. */
export async function placeImage(
  store: ByteStore,
  path: string,
  array: NdArray,
  plan: ImagePlan,
  options: OperationOptions & { readonly mayReplace: boolean },
): Promise<void> {
  const { signal } = options;
  const fill = async (place: string): Promise<void> => {
    let level = array;
    for (const { path: name, factors, array: arrayPlan } of plan.levels) {
      if (factors.some((factor) => factor > 1)) level = downsample(level, factors, plan.method);
      await saveInside(store, joinKey(place, name), level, arrayPlan, { signal });
    }
  };
  const { attributes, version } = plan;
  await placeGroup(store, path, { zarrFormat: zarrFormatOf(version), attributes, fill }, options);
}

/**
 * The version for something new: what is asked for, else that of the groups above.
 *
 * @throws A {@link StorageError} `INVALID_DATA` if the group above is of the other version of Zarr.
 */
export async function versionFor(
  store: ByteStore,
  path: string,
  { version, signal }: OperationOptions & { readonly version?: NgffVersion | undefined },
  usual?: 2 | 3,
): Promise<NgffVersion> {
  const zarrFormat = version === undefined ? undefined : zarrFormatOf(version);
  return (await formatFor(store, path, { signal, zarrFormat, usual })) === 2 ? "0.4" : "0.5";
}
