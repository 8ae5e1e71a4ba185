/** One frame of a run as a picture: read back from the store, so that it shows what is really there. */
import { fileURLToPath } from "node:url";
import { openZarr } from "../../backends/zarr/index.ts";
import { createPngCodec, tiffCodec } from "../codecs/index.ts";
import { type ByteStore, joinBytes } from "../core/byte-store.ts";
import { checkNdArray } from "../core/checks.ts";
import type { InstanceConfig } from "../core/descriptor.ts";
import { dtypes, float16ToNumber } from "../core/dtype.ts";
import { StorageError } from "../core/errors.ts";
import type { FrameWriter } from "../core/frame-writer.ts";
import { joinKey, normalizeKey } from "../core/key.ts";
import { contiguous, type NdArray, ndArray, sliceArray } from "../core/nd-array.ts";
import type { RunSummary } from "./plans/run.ts";
import type { Session } from "./session.ts";

/** Options of {@link writePreview}. */
export interface PreviewOptions {
  /** Device whose frame it is. Default: the first that wrote any. */
  readonly device?: string | undefined;
  /** Index of the frame; negative numbers count from the end. Default: the middle one. */
  readonly frame?: number | undefined;
}

/** What {@link writePreview} made. */
export interface Preview {
  /** Path of the PNG file. */
  readonly path: string;
  readonly device: string;
  /** Index of the frame, from 0. */
  readonly frame: number;
  /** Value that is shown black: the smallest. */
  readonly black: number;
  /** Value that is shown white: the largest. */
  readonly white: number;
}

/** A frame as a picture. */
export interface Picture {
  /** Shape `[y, x]` or `[y, x, 3 or 4]`; uint8 for frames of one byte a pixel, else uint16. */
  readonly pixels: NdArray;
  /** Value that became 0. */
  readonly black: number;
  /** Value that became the largest of the picture's dtype. */
  readonly white: number;
}

/**
 * Writes `preview.png` into the folder of a run: one frame, read from the store, its smallest value black and its largest
 * white.
 *
 * @param summary - What the run returned; the session must still be open.
 * @returns `undefined` if there is nothing to show: no frames, no folder, a format that is not read here, or a store in
 * memory that has no name.
 * @throws A {@link StorageError}: `OUT_OF_RANGE` for a frame that was not written, `ALREADY_EXISTS`, or what reading the
 * store throws.
 */
export async function writePreview(
  session: Session,
  summary: RunSummary,
  options: PreviewOptions = {},
): Promise<Preview | undefined> {
  const device = options.device ?? Object.keys(summary.devices).find((name) => summary.devices[name]?.frames);
  const frames = device === undefined ? 0 : (summary.devices[device]?.frames ?? 0);
  const writer = [...session.writers.values()].find(({ sources }) => device !== undefined && sources.has(device));
  if (device === undefined || frames === 0 || writer === undefined || summary.folder === undefined) return undefined;
  const asked = options.frame ?? Math.floor(frames / 2);
  const index = asked < 0 ? asked + frames : asked;
  if (!Number.isSafeInteger(index) || index < 0 || index >= frames) {
    const message = `"${device}" wrote ${frames} frames; there is no frame ${asked}`;
    throw new StorageError("OUT_OF_RANGE", message, { operation: "preview", identifier: device });
  }
  const frame = await readFrame(session, writer, summary.stores[writer.name] as string, device, index);
  if (frame === undefined) return undefined;
  const { pixels, black, white } = toPicture(frame);
  const png = await createPngCodec().encode(pixels, { identifier: "preview.png", options: {} });
  await using folder = await session.backends.registry.openStore("disk", { root: summary.folder });
  await folder.write("preview.png", png, { ifAbsent: true });
  return { path: `${summary.folder}/preview.png`, device, frame: index, black, white };
}

/**
 * Makes a picture of a frame: its smallest finite value is black, its largest white, the rest in proportion, rounded;
 * NaN is black. Linear and of 16 bits, so that the values of a 16-bit frame can be computed back exactly.
 *
 * @param frame - Any dtype. `[y, x]` stays gray, `[y, x, 3]` and `[y, x, 4]` of uint8 stay colour; of anything else the
 * last two axes are shown, at the first index of the others.
 */
export function toPicture(frame: NdArray): Picture {
  const isColour = frame.shape.length === 3 && frame.dtype === "uint8" && [3, 4].includes(frame.shape[2] as number);
  const leading = isColour ? 0 : Math.max(0, frame.shape.length - 2);
  const plane = contiguous(sliceArray(frame, new Array<number>(leading).fill(0)));
  const shape = plane.shape.length < 2 ? [1, plane.shape[0] ?? 1] : plane.shape;
  const values = Float64Array.from(plane.data as ArrayLike<number | bigint>, numberReader(frame));
  let black = Number.POSITIVE_INFINITY;
  let white = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (value < black) black = value;
    if (value > white) white = value;
  }
  if (black > white) [black, white] = [0, 0]; // nothing finite
  const isByte = dtypes[frame.dtype].itemSize === 1;
  const brightest = isByte ? 255 : 65535;
  const scale = white > black ? brightest / (white - black) : 0;
  const levelOf = (value: number) => {
    const level = Math.round((value - black) * scale);
    return Number.isNaN(level) ? 0 : Math.min(brightest, Math.max(0, level));
  };
  const pixels = isByte ? Uint8Array.from(values, levelOf) : Uint16Array.from(values, levelOf);
  return { pixels: ndArray(pixels, shape), black, white };
}

async function readFrame(
  session: Session,
  writer: FrameWriter,
  storeUri: string,
  device: string,
  index: number,
): Promise<NdArray | undefined> {
  if (hasFrames(writer)) return writer.frames(device, storeUri)[index];
  const isZarr = writer.mimetype === "application/x-zarr";
  const isTiff = writer.mimetype === "multipart/related;type=image/tiff";
  if (!isZarr && !isTiff) return undefined;
  const place = await placeOf(session, writer.name, storeUri);
  if (place === undefined) return undefined;
  const { store, path } = place;
  try {
    if (isZarr) {
      const array = await openZarr(store, joinKey(path, device));
      return array.kind === "array" ? await array.frame(index) : undefined; // before the store closes
    }
    const key = joinKey(path, `${device}/${device}_${String(index).padStart(6, "0")}.tif`);
    return checkNdArray(await tiffCodec.decode(joinBytes(await store.read(key)), { identifier: key, options: {} }));
  } finally {
    await place.close?.();
  }
}

/** A store, and the key in it that a writer wrote to. */
interface Place {
  readonly store: ByteStore;
  readonly path: string;
  /** Absent for a store that belongs to the session. */
  readonly close?: () => Promise<void>;
}

/** Where a writer has put what is at a URI: in the store of its configuration, else in that of the URI. */
async function placeOf(session: Session, writer: string, storeUri: string): Promise<Place | undefined> {
  const reference = session.config.storage?.writers[writer]?.store as string | InstanceConfig | undefined;
  if (reference === undefined && storeUri.startsWith("file:")) {
    const store = await session.backends.registry.openStore("disk", { root: fileURLToPath(storeUri) });
    return { store, path: "", close: () => store.close() };
  }
  const store = await session.backends.store(reference ?? storeUri);
  if (reference === undefined) return { store, path: "" };
  // Opened anew: one in memory is another one than that of the writer.
  if (typeof reference !== "string" && !store.capabilities.persistent) return undefined;
  const root = store.uri("").replace(/\/*$/, "/");
  if (!storeUri.startsWith(root)) return undefined;
  return { store, path: normalizeKey(storeUri.slice(root.length).split("/").map(decodeURIComponent).join("/")) };
}

/** The memory writer keeps its frames itself. */
function hasFrames(writer: FrameWriter): writer is FrameWriter & { frames(name: string, uri: string): NdArray[] } {
  return typeof (writer as { frames?: unknown }).frames === "function";
}

function numberReader({ dtype, data }: NdArray): (value: number | bigint) => number {
  const isBits = dtype === "float16" && data instanceof Uint16Array && dtypes.float16.array.name === "Uint16Array";
  return isBits ? (value) => float16ToNumber(Number(value)) : Number;
}
