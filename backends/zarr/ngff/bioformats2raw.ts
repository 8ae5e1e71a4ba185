/** Images of one file of a microscope, as `bioformats2raw` lays them out: numbered, with the OME-XML of the file. */
import type { ByteStore, OperationOptions } from "../../../src/core/byte-store.ts";
import { checkAborted, describe } from "../../../src/core/checks.ts";
import { isStorageError, StorageError } from "../../../src/core/errors.ts";
import { joinKey, normalizeKey } from "../../../src/core/key.ts";
import type { Attributes } from "../metadata.ts";
import { findNode } from "../nodes.ts";
import { fromAttributes, zarrFormatOf } from "./attributes.ts";
import type { ImageInput } from "./image-source.ts";
import type { NgffVersion } from "./model.ts";
import { countOmeImages } from "./ome-xml-images.ts";
import { placeGroup, writeGroupDocuments } from "./place-group.ts";
import { contentAttributes, type ImageOptions } from "./plan-image.ts";
import { type PlannedImage, planInput, versionFor } from "./write-image.ts";
import { writeLevels } from "./write-levels.ts";

/** Name of the group beside the images. */
const OME_GROUP = "OME";
/** The OME-XML in that group. */
const OME_XML = "METADATA.ome.xml";

/** One image of a series. */
export interface SeriesImage extends Omit<ImageOptions, "version"> {
  /** An array, or what is read or comes in parts; see `writeImage`. */
  readonly array: ImageInput;
}

/** Options of `writeBioformats2raw`. */
export interface WriteBioformats2rawOptions extends OperationOptions {
  /**
   * The OME-XML of the file that the images are of, UTF-8; kept byte by byte. It must have an `Image` for each image, in
   * the same order.
   */
  readonly omeXml?: string | Uint8Array | undefined;
  /** More attributes of the group, beside those of OME-NGFF. */
  readonly attributes?: Attributes | undefined;
  /** Default: 0.4 in hierarchies of Zarr v2, 0.5 otherwise. */
  readonly version?: NgffVersion | undefined;
  /** What happens to what is there already. Default `"error"`. */
  readonly ifExists?: "error" | "replace" | undefined;
}

/** Images of one file that were opened. */
export interface Bioformats2raw {
  /** Key of the group in the store. */
  readonly path: string;
  readonly version: string | undefined;
  /** Keys of the images, in the order of the OME-XML; each is opened by `readImage`. */
  readonly images: readonly string[];
  /** All attributes of the group. */
  readonly attributes: Attributes;
  /** The OME-XML as it was stored; `undefined` where there is none. */
  omeXml(options?: OperationOptions): Promise<Uint8Array | undefined>;
}

/**
 * Writes a series of images.
 *
 * @throws A {@link StorageError} `ALREADY_EXISTS`, `INVALID_DATA`, `SHAPE_MISMATCH`, `DTYPE_MISMATCH`: nothing is left.
 * @see NGFF 0.5, "bioformats2raw.layout" (transitional)
 */
export async function writeSeries(
  store: ByteStore,
  path: string,
  images: Iterable<SeriesImage> | AsyncIterable<SeriesImage>,
  options: WriteBioformats2rawOptions,
): Promise<void> {
  const key = normalizeKey(path);
  const { signal, omeXml, ifExists } = options;
  const context = { backend: store.name, operation: "writeBioformats2raw", identifier: key };
  const version = await versionFor(store, key, options);
  const zarrFormat = zarrFormatOf(version);
  const xml = omeXml === undefined ? undefined : bytesOfXml(omeXml);
  const described = xml && countOmeImages(xml);
  const plan = ({ array, ...image }: SeriesImage, index: number): PlannedImage =>
    planInput(array, image, version, { ...context, identifier: joinKey(key, String(index)) });
  const check = (count: number) => {
    if (count > 0 && (described === undefined || described === count)) return;
    const message =
      count === 0
        ? `"${key}" needs at least one image`
        : `The OME-XML describes ${described} images, and ${count} are to be written to "${key}"`;
    throw new StorageError("INVALID_DATA", message, context);
  };
  // A list is looked at before the first write; of others each image, when it comes.
  const planned = Array.isArray(images) ? images.map(plan) : undefined;
  if (planned !== undefined) check(planned.length);
  const attributes = contentAttributes(version, { "bioformats2raw.layout": 3 }, options.attributes, key);
  const fill = async (place: string, keep: () => Promise<void>): Promise<void> => {
    let count = 0;
    for await (const image of planned ?? images) {
      checkAborted(signal, context);
      const one = "plan" in image ? image : plan(image, count);
      const target = { store, place: joinKey(place, String(count++)), keep, signal };
      await writeLevels(one.plan, one.input, one.schedule, target);
      await writeGroupDocuments(store, target.place, { zarrFormat, attributes: one.plan.attributes }, { signal });
    }
    check(count);
    await keep();
    const ome = joinKey(place, OME_GROUP);
    if (xml !== undefined) await store.write(joinKey(ome, OME_XML), xml, { signal });
    const series = Array.from({ length: count }, (_, index) => String(index));
    const content = contentAttributes(version, { series }, undefined, ome);
    await writeGroupDocuments(store, ome, { zarrFormat, attributes: content }, { signal });
  };
  await placeGroup(store, key, { zarrFormat, attributes, fill }, { mayReplace: ifExists === "replace", signal });
}

/**
 * Opens a series of images: as the group `OME` lists them, else by number.
 *
 * @throws A {@link StorageError} `NOT_FOUND`, `INVALID_DATA` for what is none, `CORRUPT` for a list that is none.
 */
export async function openSeries(
  store: ByteStore,
  path: string,
  options: OperationOptions = {},
): Promise<Bioformats2raw> {
  const key = normalizeKey(path);
  const context = { backend: store.name, operation: "readBioformats2raw", identifier: key };
  const node = await findNode(store, key, options);
  if (node === undefined || node.kind === "claim") {
    throw new StorageError("NOT_FOUND", `No images at "${key}" in "${store.name}"`, context);
  }
  const found = node.kind === "group" ? fromAttributes(node.attributes) : undefined;
  if (node.kind !== "group" || found?.content["bioformats2raw.layout"] !== 3) {
    const message = `"${key}" in "${store.name}" has not the layout 3 of bioformats2raw`;
    throw new StorageError("INVALID_DATA", message, context);
  }
  const ome = joinKey(key, OME_GROUP);
  return {
    path: key,
    // In 0.4 the mark of the layout has no version beside it.
    version: typeof found.version === "string" ? found.version : node.format === 2 ? "0.4" : undefined,
    images: await imagesOf(store, key, options),
    attributes: node.attributes,
    omeXml: (more) => readOmeXml(store, ome, more ?? {}),
  };
}

/** The OME-XML of a group `OME`, or `undefined`. */
export async function readOmeXml(
  store: ByteStore,
  group: string,
  { signal }: OperationOptions,
): Promise<Uint8Array | undefined> {
  try {
    return await store.read(joinKey(group, OME_XML), { signal });
  } catch (error) {
    if (isStorageError(error, "NOT_FOUND", "NOT_A_DIRECTORY")) return undefined;
    throw error;
  }
}

async function imagesOf(store: ByteStore, key: string, options: OperationOptions): Promise<string[]> {
  const ome = await findNode(store, joinKey(key, OME_GROUP), options);
  const series = ome?.kind === "group" ? fromAttributes(ome.attributes)?.content.series : undefined;
  if (Array.isArray(series) && series.every((path) => typeof path === "string")) {
    return series.map((path: string) => joinKey(key, path));
  }
  if (series !== undefined) {
    const message = `"${joinKey(key, OME_GROUP)}" has a series that is no list of paths`;
    throw new StorageError("CORRUPT", message, { backend: store.name, identifier: key });
  }
  const images: string[] = [];
  for (;;) {
    const next = joinKey(key, String(images.length));
    if ((await findNode(store, next, options))?.kind !== "group") return images;
    images.push(next);
  }
}

function bytesOfXml(xml: unknown): Uint8Array {
  if (typeof xml === "string") return new TextEncoder().encode(xml);
  if (xml instanceof Uint8Array) return xml;
  throw new StorageError("INVALID_DATA", `omeXml must be text or bytes, got ${describe(xml)}`);
}
