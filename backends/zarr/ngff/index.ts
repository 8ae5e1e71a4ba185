/**
 * OME-NGFF on Zarr: images in several resolutions with axes, units, channels and labels, plates, and a validator.
 * Light: everything heavy is imported when it is called for.
 *
 * @module
 */
import type { ByteStore, OperationOptions } from "../../../src/core/byte-store.ts";
import type { NgffReport } from "./validate.ts";

export type { FoundContent } from "./attributes.ts";
export { fromAttributes, toAttributes } from "./attributes.ts";
export { validateAttributes } from "./check-attributes.ts";
export type { AxisInput, ChannelInput, MultiscaleInput, PerAxis, WellEntry } from "./metadata.ts";
export { axesOf, multiscaleOf, omeroOf, withWell } from "./metadata.ts";
export type * from "./model.ts";
export type { NgffRule, NgffViolation } from "./rules.ts";
export { ngffRules } from "./rules.ts";
export type { NgffReport } from "./validate.ts";

/**
 * Checks what is at a path of a store against OME-NGFF 0.4 and 0.5: a plate, a well, an image, labels, or images as
 * bioformats2raw lays them out, with everything below them, down to the shapes, types and names of the arrays.
 *
 * @param store - Stays the caller's. It need not list.
 * @returns Every rule that is not met, with what the specification demands.
 * @throws A `StorageError` only if the store fails.
 */
export async function validateNgff(store: ByteStore, path = "", options: OperationOptions = {}): Promise<NgffReport> {
  const { validateHierarchy } = await import("./validate.ts");
  return validateHierarchy(store, path, options);
}
