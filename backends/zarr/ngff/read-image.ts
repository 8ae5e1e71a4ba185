/** Opens images; arrays are opened when a level of them is asked for. */
import type { ByteStore, OperationOptions } from "../../../src/core/byte-store.ts";
import { StorageError } from "../../../src/core/errors.ts";
import { joinKey, normalizeKey } from "../../../src/core/key.ts";
import type { AxisSelection, NdArray } from "../../../src/core/nd-array.ts";
import type { Attributes } from "../metadata.ts";
import { findNode } from "../nodes.ts";
import { openZarrArray } from "../reader.ts";
import type { ZarrArray } from "../reader-types.ts";
import { fromAttributes } from "./attributes.ts";
import { validateAttributes } from "./check-attributes.ts";
import type { NgffAxis, NgffContent, NgffImageLabel, NgffMultiscale, NgffOmero, NgffTransformation } from "./model.ts";

/** One resolution of an image. */
export interface NgffLevel {
  /** Key of its array in the store. */
  readonly path: string;
  /** Physical size of one element along each axis. */
  readonly scale: readonly number[];
  /** Physical place of the first element along each axis. */
  readonly translation: readonly number[];
  /** Opens the array. */
  open(options?: OperationOptions): Promise<ZarrArray>;
  /** Reads a part of the array, or all of it; see `ZarrArray.read`. */
  read(selection?: readonly AxisSelection[], options?: OperationOptions): Promise<NdArray>;
}

/** An image that was opened. */
export interface NgffImage {
  /** Key of its group in the store. */
  readonly path: string;
  /** As it is written; `undefined` where it is not. */
  readonly version: string | undefined;
  readonly name: string | undefined;
  readonly axes: readonly NgffAxis[];
  /** Full resolution first. */
  readonly levels: readonly NgffLevel[];
  readonly omero: NgffOmero | undefined;
  /** Of label images: what their values mean. */
  readonly imageLabel: NgffImageLabel | undefined;
  /** All attributes of the group. */
  readonly attributes: Attributes;
  /** Keys of the label images of this image; each is opened like an image. */
  labels(options?: OperationOptions): Promise<string[]>;
}

/**
 * Opens an image. Reads the metadata of its group only.
 *
 * @throws A {@link StorageError} `NOT_FOUND`, `INVALID_DATA` for what is no image, `CORRUPT` for one whose metadata
 * breaks a rule that is a must.
 */
export async function openNgffImage(
  store: ByteStore,
  path: string,
  options: OperationOptions = {},
): Promise<NgffImage> {
  const key = normalizeKey(path);
  const context = { backend: store.name, operation: "readImage", identifier: key };
  const node = await findNode(store, key, options);
  if (node === undefined || node.kind === "claim") {
    throw new StorageError("NOT_FOUND", `No image at "${key}" in "${store.name}"`, context);
  }
  const found = node.kind === "group" ? fromAttributes(node.attributes) : undefined;
  if (node.kind !== "group" || found?.content.multiscales === undefined) {
    throw new StorageError("INVALID_DATA", `"${key}" in "${store.name}" is no OME-NGFF image`, context);
  }
  const errors = validateAttributes(node.attributes, key).filter(({ level }) => level === "error");
  if (errors.length > 0) {
    const list = errors.map(({ at, message }) => `${at}: ${message}`).join("; ");
    throw new StorageError("CORRUPT", `The metadata of "${key}" in "${store.name}" is wrong: ${list}`, context);
  }
  const content = found.content as NgffContent;
  const multiscale = content.multiscales?.[0] as NgffMultiscale;
  return {
    path: key,
    version: typeof found.version === "string" ? found.version : undefined,
    name: multiscale.name,
    axes: multiscale.axes,
    levels: multiscale.datasets.map(({ path: name, coordinateTransformations }) => {
      const all = [...coordinateTransformations, ...(multiscale.coordinateTransformations ?? [])];
      return levelAt(store, joinKey(key, name), all, multiscale.axes.length);
    }),
    omero: content.omero,
    imageLabel: content["image-label"],
    attributes: node.attributes,
    labels: (more) => labelsOf(store, key, more ?? {}),
  };
}

function levelAt(
  store: ByteStore,
  path: string,
  transformations: readonly NgffTransformation[],
  rank: number,
): NgffLevel {
  let scale = new Array<number>(rank).fill(1);
  let translation = new Array<number>(rank).fill(0);
  for (const one of transformations) {
    if (one.type === "scale") {
      scale = scale.map((size, axis) => size * (one.scale[axis] as number));
      translation = translation.map((at, axis) => at * (one.scale[axis] as number));
    } else translation = translation.map((at, axis) => at + (one.translation[axis] as number));
  }
  const open = (options?: OperationOptions) => openZarrArray(store, path, options);
  return {
    path,
    scale,
    translation,
    open,
    read: async (selection, options) => (await open(options)).read(selection, options),
  };
}

async function labelsOf(store: ByteStore, path: string, options: OperationOptions): Promise<string[]> {
  const below = joinKey(path, "labels");
  const node = await findNode(store, below, options);
  const labels = node?.kind === "group" ? fromAttributes(node.attributes)?.content.labels : undefined;
  return Array.isArray(labels) ? labels.map((name) => joinKey(below, String(name))) : [];
}
