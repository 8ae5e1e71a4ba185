/** Writes wells of plates from whole images. */
import type { ByteStore, OperationOptions } from "../../../src/core/byte-store.ts";
import { StorageError } from "../../../src/core/errors.ts";
import { joinKey, normalizeKey } from "../../../src/core/key.ts";
import { ALPHANUMERIC } from "./check-plate.ts";
import type { ImageInput } from "./image-source.ts";
import type { NgffAcquisition, NgffVersion } from "./model.ts";
import { checkWellPlace, placeWell, type WellImagePlan } from "./place-well.ts";
import type { ImageOptions } from "./plan-image.ts";
import { planInput, versionFor } from "./write-image.ts";

/** One image of a well. */
export interface WellImage extends Omit<ImageOptions, "version"> {
  /** An array, or what is read or comes in parts; see `writeImage`. */
  readonly array: ImageInput;
  /** Name below the well. Default: its number in the list. */
  readonly path?: string | undefined;
}

/** A well, and its fields of view. */
export interface WellInput {
  /** Name of the row: `A`, `AA`, `R01`. */
  readonly row: string;
  /** Name of the column: `01`, `C02`. */
  readonly column: string | number;
  readonly images: readonly WellImage[];
  /** The measurement that the images are of. Default 0. */
  readonly acquisition?: number | NgffAcquisition | undefined;
}

/** Options of `writeWell` and `writePlate`. */
export interface WriteWellOptions extends OperationOptions {
  /** Name of a plate that is new. Default: that of its group. */
  readonly plateName?: string | undefined;
  /** Default: 0.4 in hierarchies of Zarr v2, 0.5 otherwise. */
  readonly version?: NgffVersion | undefined;
  /** What happens to images that are there already. Other images of the well always stay. Default `"error"`. */
  readonly ifExists?: "error" | "replace" | undefined;
}

/**
 * Writes images into a well.
 *
 * @throws A {@link StorageError} `ALREADY_EXISTS`, `INVALID_DATA`, `SHAPE_MISMATCH`, `DTYPE_MISMATCH`: nothing was
 * written.
 */
export async function writeNgffWell(
  store: ByteStore,
  path: string,
  well: WellInput,
  options: WriteWellOptions,
): Promise<void> {
  const plate = normalizeKey(path);
  const { row, images: inputs } = well;
  const column = String(well.column);
  const { signal } = options;
  const context = { backend: store.name, operation: "writeWell", identifier: joinKey(plate, `${row}/${column}`) };
  const names = inputs.map(({ path: name }, index) => name ?? String(index));
  const wrong = [row, column, ...names].find((name) => !ALPHANUMERIC.test(name));
  if (wrong !== undefined) {
    const message = `Names of rows, columns and images have letters and digits only, got ${JSON.stringify(wrong)}`;
    throw new StorageError("INVALID_DATA", message, context);
  }
  if (names.length === 0 || new Set(names).size < names.length) {
    throw new StorageError("INVALID_DATA", "A well has at least one image, and no two of the same path", context);
  }
  const version = await versionFor(store, plate, options);
  const images = inputs.map(({ array, ...image }, index): WellImagePlan => {
    const name = names[index] as string;
    const planned = planInput(array, image, version, { ...context, identifier: joinKey(context.identifier, name) });
    return { path: name, image: () => planned };
  });
  const placement = { mayReplace: options.ifExists === "replace", signal };
  const { acquisition: given = 0 } = well;
  const acquisition = typeof given === "number" ? { id: given } : given;
  const name = options.plateName ?? (plate === "" ? store.name : plate.slice(plate.lastIndexOf("/") + 1));
  const plan = { plate, row, column, version, images, acquisition, name };
  await checkWellPlace(store, plan, placement);
  await placeWell(store, plan, placement);
}
