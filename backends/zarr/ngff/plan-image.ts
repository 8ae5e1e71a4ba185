/** Decides everything about an image before a byte of it is written. */
import { StorageError } from "../../../src/core/errors.ts";
import type { NdArray } from "../../../src/core/nd-array.ts";
import { type ArrayPlan, planArray } from "../create.ts";
import type { Attributes } from "../metadata.ts";
import { type ArrayLayoutOptions, checkAttributes } from "../new-array.ts";
import { withContent, zarrFormatOf } from "./attributes.ts";
import { validateAttributes } from "./check-attributes.ts";
import type { DownsampleMethod } from "./downsample.ts";
import { type AxisInput, axesOf, type ChannelInput, multiscaleOf, omeroOf, type PerAxis, perAxis } from "./metadata.ts";
import type { NgffAxis, NgffContent, NgffVersion } from "./model.ts";

/** How the arrays of an image are stored. */
export type LevelLayoutOptions = Pick<
  ArrayLayoutOptions,
  "chunkShape" | "shardShape" | "indexLocation" | "compressor" | "codecs" | "fillValue"
>;

/** What an image is; everything has a default. */
export interface ImageOptions extends LevelLayoutOptions {
  /** Axes, slowest first. Default: the last of t, c, z, y, x. */
  readonly axes?: readonly AxisInput[] | undefined;
  /** Unit of each axis by its name, for those that do not say it: `{ y: "micrometer", x: "micrometer" }`. */
  readonly units?: Readonly<Record<string, string>> | undefined;
  /** Physical size of an element, along all axes or those named. Default 1. */
  readonly scale?: PerAxis<number> | undefined;
  /** Physical place of the first element. Default 0. */
  readonly translation?: PerAxis<number> | undefined;
  /** Names, colours and windows of the channels. Default: none are written. */
  readonly channels?: readonly ChannelInput[] | undefined;
  /** Resolutions in all. Default: as many as it takes for an image plane to have no side of more than 256 elements. */
  readonly levels?: number | undefined;
  /** Elements that become one from level to level, along all axes or those named. Default: 2 in the image plane. */
  readonly factors?: PerAxis<number> | undefined;
  /** How they become one. Default `"mean"`; `"mode"` for `bool`. */
  readonly method?: DownsampleMethod | undefined;
  /** Name of the image. */
  readonly name?: string | undefined;
  /** Default: 0.4 below groups of Zarr v2, 0.5 otherwise. */
  readonly version?: NgffVersion | undefined;
  /**
   * Most bytes of elements that are in memory while an image is written that is not. Default 256 MiB, or what it takes to
   * write the largest chunk or shard.
   */
  readonly maxBytes?: number | undefined;
  /** More attributes of the group, beside those of OME-NGFF. */
  readonly attributes?: Attributes | undefined;
}

/** One resolution that is to be written. */
export interface LevelPlan {
  readonly path: string;
  readonly shape: readonly number[];
  /** Elements of the level before that one of this stands for; all 1 for the first. */
  readonly factors: readonly number[];
  readonly array: ArrayPlan;
}

/** An image that is ready to be written. */
export interface ImagePlan {
  readonly version: NgffVersion;
  readonly axes: readonly NgffAxis[];
  readonly method: DownsampleMethod;
  readonly levels: readonly LevelPlan[];
  readonly attributes: Attributes;
}

/** What is known of the array of an image. */
export type ImageArray = Pick<NdArray, "shape" | "dtype">;

/** The longest side of an image plane that nobody needs smaller. */
const SMALL = 256;

/**
 * Checks what an image shall be, and makes its metadata. Touches no store.
 *
 * @param path - For messages.
 * @throws A {@link StorageError} `INVALID_DATA`, `SHAPE_MISMATCH`, `DTYPE_MISMATCH`.
 */
export function planImage(array: ImageArray, options: ImageOptions, version: NgffVersion, path: string): ImagePlan {
  const { shape, dtype } = array;
  const axes = axesOf(options.axes, shape.length, options.units);
  const scale = perAxis("scale", options.scale, axes, 1);
  const translation = perAxis("translation", options.translation, axes, 0);
  const method = options.method ?? (dtype === "bool" ? "mode" : "mean");
  if (!["mean", "nearest", "mode"].includes(method)) {
    throw invalid(`method must be "mean", "nearest" or "mode", got ${String(method)}`);
  }
  if (dtype === "bool" && method === "mean") throw invalid('There is no mean of bool; use method "mode" or "nearest"');
  const shapes = levelShapes(shape, axes, options);
  const total = shape.map(() => 1);
  const levels = shapes.map(({ factors, shape: small }, index) => {
    factors.forEach((factor, axis) => {
      total[axis] = (total[axis] as number) * factor;
    });
    return { path: String(index), shape: small, factors, total: [...total] };
  });
  checkChannels(options.channels, shape, axes);
  const { name, channels } = options;
  const content: NgffContent = {
    multiscales: [
      multiscaleOf({
        axes,
        levels: levels.map((level) => ({ path: level.path, factors: level.total })),
        scale,
        translation,
        name,
        ...(levels.length > 1 ? { method } : {}),
      }),
    ],
    ...(channels === undefined ? {} : { omero: omeroOf(channels, dtype, name) }),
  };
  const attributes = contentAttributes(version, content, options.attributes, path);
  const plans = planLevels(levels, array, axes, options, version, path);
  return { version, axes, method, levels: plans, attributes };
}

/**
 * Attributes that hold up: those of the caller with the content.
 *
 * @throws A {@link StorageError} `INVALID_DATA` for content that breaks a rule which is a must.
 */
export function contentAttributes(
  version: NgffVersion,
  content: NgffContent,
  more: Attributes | undefined,
  path: string,
): Attributes {
  const attributes = withContent(checkAttributes(more ?? {}), version, content);
  const errors = validateAttributes(attributes, path).filter(({ level }) => level === "error");
  if (errors.length === 0) return attributes;
  throw invalid(
    `"${path}" would break OME-NGFF ${version}: ${errors.map(({ at, message }) => `${at}: ${message}`).join("; ")}`,
  );
}

/** The arrays of the levels. */
export function planLevels(
  levels: readonly Omit<LevelPlan, "array">[],
  { dtype }: ImageArray,
  axes: readonly NgffAxis[],
  options: LevelLayoutOptions,
  version: NgffVersion,
  path: string,
): LevelPlan[] {
  const { chunkShape, shardShape, indexLocation, compressor, codecs, fillValue } = options;
  const dimensionNames = axes.map(({ name }) => name);
  return levels.map(({ path: name, shape, factors }) => {
    const layout = { chunkShape, shardShape, indexLocation, compressor, codecs, fillValue };
    const array = { shape, dtype, ...layout, ...(version === "0.5" ? { dimensionNames } : {}) };
    return { path: name, shape, factors, array: planArray(array, zarrFormatOf(version), `${path}/${name}`) };
  });
}

function levelShapes(
  shape: readonly number[],
  axes: readonly NgffAxis[],
  { levels, factors }: ImageOptions,
): { shape: readonly number[]; factors: readonly number[] }[] {
  const plane = axes.flatMap(({ type }, axis) => (type === "space" ? [axis] : [])).slice(-2);
  const usual = Object.fromEntries(plane.map((axis) => [(axes[axis] as NgffAxis).name, 2]));
  const steps = perAxis("factors", factors ?? usual, axes, 1);
  if (!steps.every((step) => Number.isSafeInteger(step) && step >= 1)) {
    throw invalid(`factors must be whole numbers ≥ 1, got [${steps.join(", ")}]`);
  }
  if (levels !== undefined && (!Number.isSafeInteger(levels) || levels < 1)) {
    throw invalid(`levels must be a whole number ≥ 1, got ${String(levels)}`);
  }
  const list = [{ shape, factors: shape.map(() => 1) }];
  for (;;) {
    const last = (list.at(-1) as (typeof list)[number]).shape;
    const isSmall = plane.every((axis) => (last[axis] as number) <= SMALL);
    if (levels === undefined ? isSmall : list.length === levels) return list;
    // An axis of one element stays as it is, and so does its scale.
    const now = steps.map((step, axis) => ((last[axis] as number) > 1 ? step : 1));
    if (now.every((step) => step === 1)) {
      if (levels === undefined) return list;
      throw invalid(
        `An image of [${shape.join(", ")}] has no ${levels} levels: after ${list.length} it is of one element`,
      );
    }
    list.push({ shape: last.map((length, axis) => Math.ceil(length / (now[axis] as number))), factors: now });
  }
}

function checkChannels(
  channels: readonly ChannelInput[] | undefined,
  shape: readonly number[],
  axes: readonly NgffAxis[],
): void {
  if (channels === undefined) return;
  const axis = axes.findIndex(({ type }) => type === "channel");
  const length = axis < 0 ? 1 : (shape[axis] as number);
  if (channels.length !== length) throw invalid(`${channels.length} channels are described, the image has ${length}`);
}

function invalid(message: string): StorageError {
  return new StorageError("INVALID_DATA", message);
}
