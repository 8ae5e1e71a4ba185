/** Puts images into a well of a plate: first the images, then what says that they are there. */
import type { ByteStore, OperationOptions } from "../../../src/core/byte-store.ts";
import { StorageError } from "../../../src/core/errors.ts";
import { joinKey } from "../../../src/core/key.ts";
import { changeAttributes } from "../attributes.ts";
import { requireGroup } from "../create.ts";
import { type Attributes, isRecord } from "../metadata.ts";
import { findNode } from "../nodes.ts";
import { removeGroup } from "../place-array.ts";
import { fromAttributes, withContent, zarrFormatOf } from "./attributes.ts";
import { withWell } from "./metadata.ts";
import type { NgffAcquisition, NgffPlate, NgffVersion, NgffWell } from "./model.ts";
import { contentAttributes } from "./plan-image.ts";
import { noteImages } from "./unfinished-wells.ts";
import { type PlannedImage, placeImage } from "./write-image.ts";

/** One image that goes into a well. */
export interface WellImagePlan {
  /** Name below the well. */
  readonly path: string;
  /** Makes the array of one that is put together, when it is its turn. */
  readonly image: () => PlannedImage;
}

/** What goes into a well, and what is said of its plate. */
export interface WellPlan {
  readonly plate: string;
  readonly row: string;
  readonly column: string;
  readonly version: NgffVersion;
  readonly images: readonly WellImagePlan[];
  readonly acquisition: NgffAcquisition;
  /** Name of a plate that is new. */
  readonly name?: string | undefined;
  /** Changes more attributes of the plate, in the same step. */
  readonly alsoChange?: ((attributes: Attributes) => Attributes) | undefined;
}

/**
 * Checks that there is room, and that what will be said of the plate holds up.
 *
 * @throws A {@link StorageError} `ALREADY_EXISTS` for an image that is there, `INVALID_DATA` for something else at the
 * place of the plate or the well.
 */
export async function checkWellPlace(
  store: ByteStore,
  { plate, row, column, version, images, acquisition }: WellPlan,
  options: OperationOptions & { readonly mayReplace: boolean },
): Promise<void> {
  const { mayReplace, signal } = options;
  const well = joinKey(plate, `${row}/${column}`);
  const context = { backend: store.name, operation: "saveBatch", identifier: well };
  const entry = { row, column, fields: images.length };
  contentAttributes(version, { plate: withWell(undefined, entry, { acquisitions: [acquisition] }) }, undefined, plate);
  const kinds = [
    [plate, "plate"],
    [joinKey(plate, row), undefined],
    [well, "well"],
  ] as const;
  for (const [path, kind] of kinds) {
    const node = await findNode(store, path, { signal });
    if (node === undefined) continue;
    const content = node.kind === "group" ? fromAttributes(node.attributes)?.content : undefined;
    const isOther = content !== undefined && Object.keys(content).some((name) => name !== kind);
    if (node.kind === "group" && !isOther) continue;
    const what = node.kind === "group" ? `has ${Object.keys(content ?? {}).join(", ")}` : "is an array";
    throw new StorageError(
      "INVALID_DATA",
      `"${path}" in "${store.name}" ${what}; it cannot be part of a plate`,
      context,
    );
  }
  if (mayReplace) return;
  for (const { path } of images) {
    const key = joinKey(well, path);
    if ((await findNode(store, key, { signal })) === undefined) continue;
    const message = `Image "${path}" of well ${row}/${column} exists in "${plate}" of "${store.name}"; pass ifExists: "replace", or another label, row or column`;
    throw new StorageError("ALREADY_EXISTS", message, { ...context, identifier: key });
  }
}

/**
 * Writes images into a well; other images of the well stay. The well lists them when they are written, and the plate the
 * well after that; both in one atomic step, so that several processes can add to one plate.
 *
 * @throws What the store throws; images that were new are removed then.
 */
export async function placeWell(
  store: ByteStore,
  plan: WellPlan,
  options: OperationOptions & { readonly mayReplace: boolean },
): Promise<void> {
  const { plate, row, column, version, images, acquisition } = plan;
  const { mayReplace, signal } = options;
  const well = joinKey(plate, `${row}/${column}`);
  const zarrFormat = zarrFormatOf(version);
  const isNew = await Promise.all(
    images.map(async ({ path }) => (await findNode(store, joinKey(well, path), { signal })) === undefined),
  );
  const coming = images.map(({ path }) => path).filter((_, index) => isNew[index]);
  const settle = await noteImages(store, well, coming, { signal });
  const placed: string[] = [];
  let fields = 0;
  try {
    for (const { path, image } of images) {
      const key = joinKey(well, path);
      await placeImage(store, key, image(), { mayReplace, signal });
      if (coming.includes(path)) placed.push(key);
    }
    await requireGroup(store, well, zarrFormat, { signal });
    const add = (before: Attributes) => {
      const there = (fromAttributes(before)?.content.well as NgffWell | undefined)?.images ?? [];
      const paths = new Set(images.map(({ path }) => path));
      const all = [
        ...there.filter(({ path }) => !paths.has(path)),
        ...images.map(({ path }) => ({ path, acquisition: acquisition.id })),
      ];
      fields = all.length;
      return withContent(before, version, { well: { images: all } });
    };
    await changeAttributes(store, well, add, { signal });
  } catch (error) {
    // Not aborted: this is what has to be done after an abort. The first failure is the one to report.
    for (const key of placed) await removeGroup(store, key, {}).catch(() => {});
    await settle().catch(() => {});
    throw error;
  }
  const list = (before: Attributes) => {
    const there = fromAttributes(before)?.content.plate as NgffPlate | undefined;
    const grown = withWell(there, { row, column, fields }, { name: plan.name, acquisitions: [acquisition] });
    const after = withContent(before, version, { plate: grown });
    return plan.alsoChange?.(after) ?? after;
  };
  await changeAttributes(store, plate, list, { signal });
  await settle();
}

/** The part of the attributes that is ours, beside OME-NGFF. */
export function ownAttributes(attributes: Attributes): Readonly<Record<string, unknown>> {
  return isRecord(attributes.sluice) ? attributes.sluice : {};
}
