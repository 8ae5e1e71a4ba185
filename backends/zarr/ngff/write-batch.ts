/** Saves batches of images as wells of plates. */
import type { ByteStore, OperationOptions } from "../../../src/core/byte-store.ts";
import type { IfExists, SaveResult } from "../../../src/core/data-sink.ts";
import { dtypes } from "../../../src/core/dtype.ts";
import { isStorageError, StorageError } from "../../../src/core/errors.ts";
import { joinKey } from "../../../src/core/key.ts";
import type { Cast } from "../cast.ts";
import { newId } from "../claims.ts";
import type { Compressor } from "../codec-options.ts";
import { concurrently } from "../concurrently.ts";
import { findNode } from "../nodes.ts";
import { BatchFiles } from "./batch-files.ts";
import { assemble, type BatchImage, type BatchLayout, type BatchPlan, planBatch } from "./batch-layout.ts";
import type { ChannelInput, PerAxis } from "./metadata.ts";
import type { NgffVersion } from "./model.ts";
import { checkWellPlace, ownAttributes, placeWell, type WellImagePlan, type WellPlan } from "./place-well.ts";
import { type ImageOptions, planImage } from "./plan-image.ts";
import { versionFor } from "./write-image.ts";

/** Options of `saveBatch`. */
export interface SaveBatchOptions extends OperationOptions {
  /** How the items make up the images of a well. */
  readonly layout: BatchLayout;
  /** Key of the plate. Default: the folder that the first path is in. */
  readonly plate?: string | undefined;
  /** Name of a plate that is new. Default: that of its group. */
  readonly plateName?: string | undefined;
  /** What is one chunk: `"file"`, one item; `"well"`, the whole array of an image. Default `"file"`. */
  readonly chunks?: "file" | "well" | undefined;
  /** How chunks are packed. Zarr v3 has no `zlib` and no `lz4`: they are for version 0.4. */
  readonly compressor?: Compressor | undefined;
  /** How items of several types become those of one. Without it, they must be of the same. */
  readonly cast?: Cast | undefined;
  /** Unit of each axis by its name. */
  readonly units?: Readonly<Record<string, string>> | undefined;
  /** Physical size of an element, along all axes of an image or those named. */
  readonly scale?: PerAxis<number> | undefined;
  /** Names, colours and windows of the channels. Default: the labels of the axis of channels, if there is one. */
  readonly channels?: readonly ChannelInput[] | undefined;
  /** Resolutions in all. Default 1. */
  readonly levels?: number | undefined;
  readonly method?: ImageOptions["method"];
  /** Default: 0.4 in hierarchies of Zarr v2, 0.5 otherwise. */
  readonly version?: NgffVersion | undefined;
  /** Remembers what the plate has from batch to batch, so that not every well is looked at each time. */
  readonly files?: BatchFiles | undefined;
  /**
   * What happens to images that are there already. Other images of the well always stay. `"skip"`: a batch is skipped if
   * all its images are there, and refused if only some are. Default `"error"`.
   */
  readonly ifExists?: IfExists | undefined;
}

/** Paths that are looked at at the same time. */
const AT_ONCE = 8;

/** Blosc, and the typed arrays of a chunk, hold no more than this. */
const MAX_CHUNK_BYTES = 2 ** 31 - 1;

/**
 * Writes a batch.
 *
 * @param usualFormat - Version of Zarr of a plate that is new, if nothing else says it.
 * @throws A {@link StorageError} `INVALID_DATA`, `SHAPE_MISMATCH`, `DTYPE_MISMATCH`, `INVALID_KEY`, `ALREADY_EXISTS`:
 * nothing was written.
 */
export async function writeBatch(
  store: ByteStore,
  dataList: readonly unknown[],
  paths: readonly string[],
  options: SaveBatchOptions,
  usualFormat?: 2 | 3,
): Promise<SaveResult[]> {
  const { layout, cast, ifExists = "error", signal } = options;
  const context = { backend: store.name, operation: "saveBatch", identifier: paths[0] };
  if (!["error", "replace", "skip"].includes(ifExists)) {
    throw new StorageError(
      "INVALID_DATA",
      `ifExists must be "error", "replace" or "skip", got ${String(ifExists)}`,
      context,
    );
  }
  const batch = planBatch(dataList, paths, layout, options, context);
  const version = await versionFor(store, batch.plate, options, usualFormat);
  const { row, column, plate, acquisition } = batch;
  const images = batch.images.map((image): WellImagePlan => {
    const path = joinKey(plate, `${row}/${column}/${image.path}`);
    const plan = planImage(batch, imageOptions(batch, image, options), version, path);
    return {
      path: image.path,
      image: () => ({ plan, input: assemble(image, batch, dataList, cast), schedule: [] }),
    };
  });
  const mayReplace = ifExists === "replace";
  const name = options.plateName ?? (plate === "" ? store.name : plate.slice(plate.lastIndexOf("/") + 1));
  const plan: WellPlan = {
    plate,
    row,
    column,
    version,
    images,
    acquisition,
    name,
    // Who remembers the files of this well looks again.
    alsoChange: (attributes) => {
      const own = ownAttributes(attributes);
      const batches = { ...(own.batches as object | undefined), [`${row}/${column}`]: newId() };
      return { ...attributes, sluice: { ...own, batches } };
    },
  };
  if (ifExists === "skip") {
    const keys = images.map(({ path }) => joinKey(plate, `${row}/${column}/${path}`));
    const there = await Promise.all(keys.map((key) => findNode(store, key, { signal })));
    if (there.every((node) => node !== undefined))
      return paths.map((identifier) => ({ status: "skipped", identifier }));
  }
  await checkWellPlace(store, plan, { mayReplace, signal });
  const were = await checkFiles(store, batch, { known: options.files ?? new BatchFiles(store), mayReplace, signal });
  await placeWell(store, plan, { mayReplace, signal });
  return paths.map((identifier, item) => ({ status: were[item] ? "replaced" : "created", identifier }));
}

function imageOptions(
  { axes, shape, labels, files, dtype, row, column }: BatchPlan,
  { path, items }: BatchImage,
  options: SaveBatchOptions,
): ImageOptions {
  const { chunks = "file", compressor, units, scale, levels = 1, method } = options;
  if (chunks !== "file" && chunks !== "well") {
    throw new StorageError("INVALID_DATA", `chunks must be "file" or "well", got ${String(chunks)}`);
  }
  const chunkShape = shape.map((length, axis) =>
    Math.max(1, chunks === "well" || axis >= shape.length - 2 ? length : 1),
  );
  const bytes = chunkShape.reduce((product, length) => product * length, dtypes[dtype].itemSize);
  if (bytes > MAX_CHUNK_BYTES) {
    const message = `A chunk of [${chunkShape.join(", ")}] has ${bytes} bytes, more than a chunk can; use chunks: "file"`;
    throw new StorageError("INVALID_DATA", message);
  }
  const at = axes.findIndex(({ type }) => type === "channel");
  const usual = labels[at]?.map((label): ChannelInput => ({ label: String(label) }));
  const places = Object.fromEntries(items.map(({ item, index }) => [files[item] as string, index]));
  const named = labels.flatMap((list, axis) =>
    list.length === 0 ? [] : [[(axes[axis] as { name: string }).name, list] as const],
  );
  return {
    name: `${row}${column} ${path}`,
    axes,
    units,
    scale,
    levels,
    method,
    compressor,
    chunkShape,
    channels: options.channels ?? usual,
    attributes: { sluice: { files: places, labels: Object.fromEntries(named) } },
  };
}

/** True for each path that is there already, if that is allowed. */
async function checkFiles(
  store: ByteStore,
  { plate, row, column, files, images }: BatchPlan,
  { known, mayReplace, signal }: { readonly known: BatchFiles; readonly mayReplace: boolean } & OperationOptions,
): Promise<boolean[]> {
  const targets = new Set(images.map(({ path }) => joinKey(plate, `${row}/${column}/${path}`)));
  const all = await known.all(plate, { signal });
  const there = files.map((file) => all.get(file));
  await concurrently(files.entries(), AT_ONCE, async ([item, file]) => {
    const path = joinKey(plate, file);
    const image = there[item]?.image;
    // An item of an image that is replaced goes with it; one of another image would be there twice.
    const isOther = image !== undefined && !targets.has(image);
    if (!isOther && !(await isTaken(store, path, { signal }))) return;
    const where = image === undefined ? "a value of its own" : `part of "${image}"`;
    const message = `"${path}" is ${where} in "${store.name}"; choose another path`;
    throw new StorageError("ALREADY_EXISTS", message, {
      backend: store.name,
      operation: "saveBatch",
      identifier: path,
    });
  });
  return there.map((file) => file !== undefined && mayReplace);
}

async function isTaken(store: ByteStore, path: string, options: OperationOptions): Promise<boolean> {
  try {
    await store.stat(path, options);
    return true;
  } catch (error) {
    if (!isStorageError(error, "NOT_FOUND", "NOT_A_DIRECTORY")) throw error;
    return (await findNode(store, path, options)) !== undefined;
  }
}
