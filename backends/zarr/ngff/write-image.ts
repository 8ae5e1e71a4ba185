/** Writes images in several resolutions. */
import type { ByteStore, OperationOptions } from "../../../src/core/byte-store.ts";
import { type ErrorContext, StorageError } from "../../../src/core/errors.ts";
import { normalizeKey } from "../../../src/core/key.ts";
import { formatFor } from "../create.ts";
import { zarrFormatOf } from "./attributes.ts";
import { checkImageInput, type ImageInput } from "./image-source.ts";
import type { NgffVersion } from "./model.ts";
import { placeGroup } from "./place-group.ts";
import { type ImageOptions, type ImagePlan, planImage } from "./plan-image.ts";
import { type LevelSchedule, scheduleLevels, writeLevels } from "./write-levels.ts";

/** Options of `writeImage`. */
export interface WriteImageOptions extends ImageOptions, OperationOptions {
  /** What happens to an image that is there already. Default `"error"`. */
  readonly ifExists?: "error" | "replace" | undefined;
}

/** An image that is planned, and what it is written from. */
export interface PlannedImage {
  readonly plan: ImagePlan;
  readonly input: ImageInput;
  readonly schedule: LevelSchedule;
}

/**
 * Writes an image with its levels and its metadata.
 *
 * @throws A {@link StorageError} `ALREADY_EXISTS`, `INVALID_DATA`, `SHAPE_MISMATCH`, `DTYPE_MISMATCH`: nothing was
 * written. After a failure of the store, or of what the image is written from, nothing is left.
 */
export async function writeNgffImage(
  store: ByteStore,
  path: string,
  input: ImageInput,
  options: WriteImageOptions,
): Promise<void> {
  const key = normalizeKey(path);
  const context = { backend: store.name, operation: "writeImage", identifier: key };
  checkImageInput(input, context);
  const version = await versionFor(store, key, options);
  const image = planInput(input, options, version, context);
  await placeImage(store, key, image, { mayReplace: options.ifExists === "replace", signal: options.signal });
}

/**
 * Checks everything about an image that can be checked before it is written.
 *
 * @throws A {@link StorageError} `INVALID_DATA`, `SHAPE_MISMATCH`, `DTYPE_MISMATCH`.
 */
export function planInput(
  input: unknown,
  options: ImageOptions,
  version: NgffVersion,
  context: ErrorContext & { readonly identifier: string },
): PlannedImage {
  const checked = checkImageInput(input, context);
  const plan = planImage(checked, options, version, context.identifier);
  return { plan, input: checked, schedule: scheduleLevels(plan, checked, options.maxBytes) };
}

/** Writes an image that was planned. */
export async function placeImage(
  store: ByteStore,
  path: string,
  image: PlannedImage,
  options: OperationOptions & { readonly mayReplace: boolean },
): Promise<void> {
  const { signal } = options;
  const fill = (place: string, keep: () => Promise<void>) =>
    writeLevels(image.plan, image.input, image.schedule, { store, place, keep, signal });
  const { attributes, version } = image.plan;
  await placeGroup(store, path, { zarrFormat: zarrFormatOf(version), attributes, fill }, options);
}

/**
 * The version for something new: what is asked for, else that of the groups above.
 *
 * @throws A {@link StorageError} `INVALID_DATA` if the group above is of the other version of Zarr, or if no such
 * version is written.
 */
export async function versionFor(
  store: ByteStore,
  path: string,
  { version, signal }: OperationOptions & { readonly version?: NgffVersion | undefined },
  usual?: 2 | 3,
): Promise<NgffVersion> {
  if (version !== undefined && version !== "0.4" && version !== "0.5") {
    const message = `version must be "0.4" or "0.5", got ${JSON.stringify(version)}`;
    throw new StorageError("INVALID_DATA", message, { backend: store.name, identifier: path });
  }
  const zarrFormat = version === undefined ? undefined : zarrFormatOf(version);
  return (await formatFor(store, path, { signal, zarrFormat, usual })) === 2 ? "0.4" : "0.5";
}
