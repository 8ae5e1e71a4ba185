/**
 * OME-NGFF on Zarr: images in several resolutions with axes, units, channels and labels, plates, and a validator.
 * Light: everything heavy is imported when it is called for.
 *
 * @module
 */
import type { ByteStore, OperationOptions } from "../../../src/core/byte-store.ts";
import type { SaveResult } from "../../../src/core/data-sink.ts";
import type { NdArray } from "../../../src/core/nd-array.ts";
import type { BatchFiles } from "./batch-files.ts";
import type { Bioformats2raw, SeriesImage, WriteBioformats2rawOptions } from "./bioformats2raw.ts";
import type { ImageInput } from "./image-source.ts";
import type { NgffImage } from "./read-image.ts";
import type { NgffReport } from "./validate.ts";
import type { SaveBatchOptions } from "./write-batch.ts";
import type { WriteImageOptions } from "./write-image.ts";
import type { WriteLabelsOptions } from "./write-labels.ts";
import type { WellInput, WriteWellOptions } from "./write-plate.ts";

export type { FoundContent } from "./attributes.ts";
export { fromAttributes, toAttributes } from "./attributes.ts";
export type { BatchFile, BatchFiles } from "./batch-files.ts";
export type { BatchAxis, BatchLabel, BatchLayout } from "./batch-layout.ts";
export type { Bioformats2raw, SeriesImage, WriteBioformats2rawOptions } from "./bioformats2raw.ts";
export { validateAttributes } from "./check-attributes.ts";
export type { DownsampleMethod } from "./downsample.ts";
export type { ImageInput, ImagePart, ImageParts, ImageSource } from "./image-source.ts";
export type { AxisInput, ChannelInput, MultiscaleInput, PerAxis, WellEntry } from "./metadata.ts";
export { axesOf, multiscaleOf, omeroOf, withWell } from "./metadata.ts";
export type * from "./model.ts";
export type { ImageOptions, LevelLayoutOptions } from "./plan-image.ts";
export type { NgffImage, NgffLevel } from "./read-image.ts";
export type { NgffRule, NgffViolation } from "./rules.ts";
export { ngffRules } from "./rules.ts";
export type { NgffReport } from "./validate.ts";
export type { SaveBatchOptions } from "./write-batch.ts";
export type { WriteImageOptions } from "./write-image.ts";
export type { WriteLabelsOptions } from "./write-labels.ts";
export type { WellImage, WellInput, WriteWellOptions } from "./write-plate.ts";

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

/**
 * Writes an image in several resolutions, with axes, units, scales and channels. It is seen whole or not at all.
 *
 * Levels: whole numbers are averaged and rounded to the nearest, halves upwards; at odd edges over the elements that are
 * there. A scale is that of full resolution times the elements that became one; a translation puts the middle of each
 * element where the middle of its block is.
 *
 * @param store - Stays the caller's.
 * @param path - Key of the group that is made; `""` is the root of the store.
 * @param image - 2 to 5 axes. An array, any strides, borrowed until the promise settles; or an {@link ImageSource} or
 * {@link ImageParts}, of which no more than `maxBytes` are in memory at once: each level is then made of the stored one
 * before it.
 * @throws A `StorageError` `ALREADY_EXISTS`, `INVALID_DATA`, `SHAPE_MISMATCH`, `DTYPE_MISMATCH`, or what reading the
 * image throws: nothing is left then.
 * @example
 * ```ts
 * import { zeros } from "sluice";
 * import { writeImage } from "sluice/backends/zarr/ngff";
 * import { createRegistry } from "sluice/registry";
 * await using store = await createRegistry().openStore("memory");
 * await writeImage(store, "cells", zeros([2, 1024, 1024], "uint16"), {
 *   axes: ["c", "y", "x"],
 *   scale: { y: 0.325, x: 0.325 },
 *   units: { y: "micrometer", x: "micrometer" },
 *   channels: [{ label: "DAPI", color: "0000FF" }, { label: "GFP", color: "00FF00", window: { end: 4000 } }],
 * });
 * ```
 */
export async function writeImage(
  store: ByteStore,
  path: string,
  image: ImageInput,
  options: WriteImageOptions = {},
): Promise<void> {
  const { writeNgffImage } = await import("./write-image.ts");
  await writeNgffImage(store, path, image, options);
}

/**
 * Writes labels of an image: whole numbers, with the axes and the levels of the image.
 *
 * @param store - Stays the caller's.
 * @param imagePath - Key of the group of the image.
 * @param name - Name of the labels; they come to `labels/<name>` below the image, and into the list there.
 * @param array - Each axis as long as that of the image, or 1; borrowed until the promise settles.
 * @throws A `StorageError` `NOT_FOUND`, `DTYPE_MISMATCH`, `SHAPE_MISMATCH`, `INVALID_DATA`, `ALREADY_EXISTS`: nothing
 * was written.
 */
export async function writeLabels(
  store: ByteStore,
  imagePath: string,
  name: string,
  array: NdArray,
  options: WriteLabelsOptions = {},
): Promise<void> {
  const { writeNgffLabels } = await import("./write-labels.ts");
  await writeNgffLabels(store, imagePath, name, array, options);
}

/**
 * Opens an image, or labels, of version 0.4 or 0.5. Arrays are opened when a level is asked for.
 *
 * @param store - Stays the caller's; the levels read from it as long as they are used.
 * @throws A `StorageError` `NOT_FOUND`, `INVALID_DATA` for what is no image, `CORRUPT`.
 */
export async function readImage(store: ByteStore, path = "", options: OperationOptions = {}): Promise<NgffImage> {
  const { openNgffImage } = await import("./read-image.ts");
  return openNgffImage(store, path, options);
}

/**
 * Writes the images of one file of a microscope in the layout of `bioformats2raw`: groups numbered from 0, a group `OME`
 * that lists them, and in it the OME-XML of the file. It is seen whole or not at all.
 *
 * @param store - Stays the caller's.
 * @param path - Key of the group that is made; `""` is the root of the store.
 * @param images - A list, which is checked before the first write, or what makes the images one after another: those that
 * come later need not be in memory.
 * @throws A `StorageError` `ALREADY_EXISTS`, `INVALID_DATA` (also for an OME-XML of another number of images),
 * `SHAPE_MISMATCH`, `DTYPE_MISMATCH`: nothing is left.
 * @see NGFF 0.5, "bioformats2raw.layout" (transitional)
 */
export async function writeBioformats2raw(
  store: ByteStore,
  path: string,
  images: Iterable<SeriesImage> | AsyncIterable<SeriesImage>,
  options: WriteBioformats2rawOptions = {},
): Promise<void> {
  const { writeSeries } = await import("./bioformats2raw.ts");
  await writeSeries(store, path, images, options);
}

/**
 * Opens the images of one file that are laid out as by `bioformats2raw`, of version 0.4 or 0.5.
 *
 * @param store - Stays the caller's. It need not list.
 * @throws A `StorageError` `NOT_FOUND`, `INVALID_DATA` for what has another layout, `CORRUPT`.
 */
export async function readBioformats2raw(
  store: ByteStore,
  path = "",
  options: OperationOptions = {},
): Promise<Bioformats2raw> {
  const { openSeries } = await import("./bioformats2raw.ts");
  return openSeries(store, path, options);
}

/**
 * Writes images into a well of a plate. Other images of the well, and other wells, stay as they are; several processes
 * may add to one plate. The well lists its images when they are written, and the plate the well after that; plate, row
 * and well are made where they are missing.
 *
 * @param store - Stays the caller's.
 * @param path - Key of the plate.
 * @throws A `StorageError` `ALREADY_EXISTS`, `INVALID_DATA`, `SHAPE_MISMATCH`, `DTYPE_MISMATCH`: nothing was written.
 */
export async function writeWell(
  store: ByteStore,
  path: string,
  well: WellInput,
  options: WriteWellOptions = {},
): Promise<void> {
  const { writeNgffWell } = await import("./write-plate.ts");
  await writeNgffWell(store, path, well, options);
}

/**
 * Writes the wells of a plate, one after another, as `writeWell` does: wells that come later need not be in memory.
 *
 * @param wells - A list, or what makes the wells.
 */
export async function writePlate(
  store: ByteStore,
  path: string,
  wells: Iterable<WellInput> | AsyncIterable<WellInput>,
  options: WriteWellOptions = {},
): Promise<void> {
  for await (const well of wells) await writeWell(store, path, well, options);
}

/**
 * Saves a batch of images `[y, x]` as a well of a plate: the layout says at which place of which array each of them
 * stands. Everything is checked before the first write; a batch that is refused leaves nothing, and images that are there
 * already stay unless `ifExists` is `"replace"`. Each item is found again under its path: see {@link batchFiles}.
 *
 * @param store - Stays the caller's.
 * @param paths - Where each item is found again, below the plate.
 * @returns What became of each item.
 * @throws A `StorageError` `INVALID_DATA` (a layout that is not dense, …), `SHAPE_MISMATCH`, `DTYPE_MISMATCH` (items of
 * several types and no `cast`), `INVALID_KEY`, `ALREADY_EXISTS`: nothing was written.
 * @example
 * ```ts
 * import { zeros } from "sluice";
 * import { saveBatch } from "sluice/backends/zarr/ngff";
 * import { createRegistry } from "sluice/registry";
 * await using store = await createRegistry().openStore("memory");
 * const coordinates = [1, 2].flatMap((field) => ["w1", "w2"].map((c) => ({ field, c })));
 * const images = coordinates.map(() => zeros([64, 64], "uint16"));
 * const paths = coordinates.map(({ field, c }) => `plate/A01_s${field}_${c}.tif`);
 * const layout = { axes: [{ name: "field" }, { name: "c" }], image: "field", coordinates, row: "A", column: "01" };
 * await saveBatch(store, images, paths, { layout, scale: { y: 0.65, x: 0.65 } });
 * ```
 * @see OpenHCS `io/zarr.py`, `save_batch`
 */
export async function saveBatch(
  store: ByteStore,
  dataList: readonly unknown[],
  paths: readonly string[],
  options: SaveBatchOptions,
): Promise<SaveResult[]> {
  const { writeBatch } = await import("./write-batch.ts");
  return writeBatch(store, dataList, paths, options);
}

/**
 * Finds what {@link saveBatch} saved under the paths that it was given. Paths are kept relative to the plate, so a plate
 * can be moved.
 *
 * @param store - Stays the caller's.
 */
export async function batchFiles(store: ByteStore): Promise<BatchFiles> {
  const { BatchFiles } = await import("./batch-files.ts");
  return new BatchFiles(store);
}
