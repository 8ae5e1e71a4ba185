/** Writes label images: arrays of whole numbers beside an image, each number an object. */
import type { ByteStore, OperationOptions } from "../../../src/core/byte-store.ts";
import { checkNdArray } from "../../../src/core/checks.ts";
import { dtypes } from "../../../src/core/dtype.ts";
import { type ErrorContext, StorageError } from "../../../src/core/errors.ts";
import { joinKey, normalizeKey } from "../../../src/core/key.ts";
import { type NdArray, sliceArray } from "../../../src/core/nd-array.ts";
import { changeAttributes } from "../attributes.ts";
import { requireGroup } from "../create.ts";
import { fromAttributes, withContent, zarrFormatOf } from "./attributes.ts";
import { isRelativePath } from "./check-image.ts";
import { downsample } from "./downsample.ts";
import type { NgffAxis, NgffLabelColor, NgffLabelProperties, NgffMultiscale } from "./model.ts";
import { placeGroup, saveInside } from "./place-group.ts";
import { contentAttributes, type LevelLayoutOptions, planLevels } from "./plan-image.ts";
import { type NgffImage, openNgffImage } from "./read-image.ts";

/** Options of `writeLabels`. */
export interface WriteLabelsOptions extends LevelLayoutOptions, OperationOptions {
  /** Names of the axes of the array, which the image must have. Default: all of the image, or its last ones. */
  readonly axes?: readonly string[] | undefined;
  /** How elements become one from level to level. Default `"mode"`: the most frequent of them. */
  readonly method?: "mode" | "nearest" | undefined;
  /** How labels are shown. */
  readonly colors?: readonly NgffLabelColor[] | undefined;
  /** What is known of labels. */
  readonly properties?: readonly NgffLabelProperties[] | undefined;
  /** What happens to labels of this name. Default `"error"`. */
  readonly ifExists?: "error" | "replace" | undefined;
}

/**
 * Writes labels of an image. They have its axes, those that the array lacks of length 1, and its levels, and are listed
 * in the group `labels` of the image, after they are written.
 *
 * @param name - Name in that group, without `/`.
 * @throws A {@link StorageError} `NOT_FOUND` without an image, `DTYPE_MISMATCH` for other than whole numbers,
 * `SHAPE_MISMATCH`, `INVALID_DATA`, `ALREADY_EXISTS`: nothing was written.
 */
export async function writeNgffLabels(
  store: ByteStore,
  imagePath: string,
  name: string,
  array: NdArray,
  options: WriteLabelsOptions,
): Promise<void> {
  const { signal, method = "mode", colors, properties } = options;
  const image = await openNgffImage(store, imagePath, { signal });
  const group = joinKey(image.path, "labels");
  const path = joinKey(group, normalizeKey(name));
  const context = { backend: store.name, operation: "writeLabels", identifier: path };
  checkNdArray(array, context);
  if (!isRelativePath(name)) throw new StorageError("INVALID_KEY", `"${name}" is no name for labels`, context);
  if (name.includes("/")) {
    const message = `"${name}" is no name for labels: other programs look for them right below "labels", so it has no "/"`;
    throw new StorageError("INVALID_DATA", message, context);
  }
  if (!["u", "i"].includes(dtypes[array.dtype].kind)) {
    throw new StorageError("DTYPE_MISMATCH", `Labels are whole numbers, not ${array.dtype}`, context);
  }
  if (method !== "mode" && method !== "nearest") {
    throw new StorageError(
      "INVALID_DATA",
      'method must be "mode" or "nearest": a mean of labels is another label',
      context,
    );
  }
  const version = image.version === "0.4" ? "0.4" : "0.5";
  const shapes = await Promise.all(image.levels.map(async (level) => (await level.open({ signal })).shape));
  const labels = expand(array, options.axes, image.axes, context);
  const levels = levelsLike(labels, image, shapes, context);
  const content = {
    multiscales: [multiscaleLike(image, name, method)],
    "image-label": {
      ...(colors === undefined ? {} : { colors }),
      ...(properties === undefined ? {} : { properties }),
      source: { image: "../../" },
    },
  };
  const attributes = contentAttributes(version, content, undefined, path);
  const plans = planLevels(levels, labels, image.axes, options, version, path);
  const fill = async (place: string): Promise<void> => {
    let level = labels;
    for (const { path: at, shape, factors, array: plan } of plans) {
      level = shrink(level, shape, factors, method);
      await saveInside(store, joinKey(place, at), level, plan, { signal });
    }
  };
  const zarrFormat = zarrFormatOf(version);
  const plan = { zarrFormat, attributes, fill };
  await placeGroup(store, path, plan, { mayReplace: options.ifExists === "replace", signal });
  await requireGroup(store, group, zarrFormat, { signal });
  await changeAttributes(
    store,
    group,
    (before) => {
      const listed = fromAttributes(before)?.content.labels;
      const names = Array.isArray(listed) ? (listed as string[]) : [];
      return withContent(before, version, { labels: names.includes(name) ? names : [...names, name] });
    },
    { signal },
  );
}

/** A view of the labels with the axes of the image. */
function expand(
  array: NdArray,
  given: readonly string[] | undefined,
  axes: readonly NgffAxis[],
  context: ErrorContext,
): NdArray {
  const all = axes.map(({ name }) => name);
  const names = given ?? all.slice(-array.shape.length);
  const places = names.map((name) => all.indexOf(name));
  const isOrdered = places.every((place, at) => place >= 0 && (at === 0 || place > (places[at - 1] as number)));
  if (names.length !== array.shape.length || !isOrdered) {
    const message = `Labels of axes ${names.join(", ")} do not fit an image of axes ${all.join(", ")}`;
    throw new StorageError("INVALID_DATA", message, context);
  }
  const shape = all.map((name) => array.shape[names.indexOf(name)] ?? 1);
  const stride = all.map((name) => array.stride[names.indexOf(name)] ?? 0);
  return { ...array, shape, stride };
}

/** Levels as those of the image; axes of length 1 stay so. */
function levelsLike(
  labels: NdArray,
  image: NgffImage,
  shapes: readonly (readonly number[])[],
  context: ErrorContext,
): { path: string; shape: readonly number[]; factors: readonly number[] }[] {
  const full = shapes[0] ?? [];
  const fits = labels.shape.every((length, axis) => length === 1 || length === full[axis]);
  if (!fits) {
    const message = `Labels of [${labels.shape.join(", ")}] do not fit an image of [${full.join(", ")}]; each axis must be as long, or 1`;
    throw new StorageError("SHAPE_MISMATCH", message, context);
  }
  let before = labels.shape;
  return shapes.map((of, index) => {
    const shape = of.map((length, axis) => (labels.shape[axis] === 1 ? 1 : length));
    // By the scales, and not by the lengths: 5 elements halved are 3, or 2 where the odd one was cut off.
    const scale = image.levels[index]?.scale ?? [];
    const finer = image.levels[Math.max(0, index - 1)]?.scale ?? [];
    const factors = shape.map((_, axis) => Math.max(1, Math.round((scale[axis] as number) / (finer[axis] as number))));
    // What other programs cut off at an odd edge, the labels lose as well.
    const isReached = shape.every(
      (length, axis) => Math.ceil((before[axis] as number) / (factors[axis] as number)) >= length,
    );
    if (!isReached) {
      const message = `Level ${index} of the image, [${of.join(", ")}], is no whole part of the one before, [${before.join(", ")}]`;
      throw new StorageError("SHAPE_MISMATCH", message, context);
    }
    before = shape;
    return { path: String(index), shape, factors };
  });
}

function shrink(
  array: NdArray,
  shape: readonly number[],
  factors: readonly number[],
  method: "mode" | "nearest",
): NdArray {
  if (factors.every((factor) => factor === 1)) return array;
  const kept = shape.map((length, axis) => Math.min(array.shape[axis] as number, length * (factors[axis] as number)));
  return downsample(
    sliceArray(
      array,
      kept.map((length) => [0, length] as const),
    ),
    factors,
    method,
  );
}

/** Axes and transformations of the image, with the names of our own levels. */
function multiscaleLike(image: NgffImage, name: string, method: string): NgffMultiscale {
  return {
    name,
    axes: image.axes,
    datasets: image.levels.map(({ scale, translation }, index) => ({
      path: String(index),
      coordinateTransformations: [
        { type: "scale", scale },
        ...(translation.some((at) => at !== 0) ? [{ type: "translation" as const, translation }] : []),
      ],
    })),
    type: method,
    metadata: { method },
  };
}
