/** One stored frame as a picture, read back from the store, so that it shows what is really there. Heavy. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openZarrArray } from "../../backends/zarr/reader.ts";
import { createCodecs } from "../codecs/default-codecs.ts";
import { createPngCodec } from "../codecs/png.ts";
import { type ByteStore, joinBytes, type OperationOptions } from "../core/byte-store.ts";
import { dtypes, float16ToNumber } from "../core/dtype.ts";
import { isStorageError } from "../core/errors.ts";
import { joinKey } from "../core/key.ts";
import { compareNatural } from "../core/natural-sort.ts";
import { contiguous, isNdArray, type NdArray, ndArray, sliceArray } from "../core/nd-array.ts";
import type { RunSummary } from "../session/plans/run.ts";
import type { Session } from "../session/session.ts";

/** A picture of a frame. */
export interface Preview {
  /** Path of the PNG. */
  readonly path: string;
  readonly device: string;
  /** Index of the frame. */
  readonly frame: number;
  /** The value that is shown black. */
  readonly black: number;
  /** The value that is shown white. */
  readonly white: number;
}

/**
 * Writes `preview.png` into the folder of a run: the last frame of the first device that has frames.
 *
 * @returns `undefined` where there is no folder, no frame, or a store of a kind that this cannot read back.
 */
export async function writePreview(
  session: Session,
  summary: RunSummary,
  options: OperationOptions,
): Promise<Preview | undefined> {
  if (summary.folder === undefined) return undefined;
  for (const [device, { frames }] of Object.entries(summary.devices)) {
    const uri = summary.stores[session.config.devices[device]?.writer ?? "default"];
    if (frames === 0 || !uri?.startsWith("file:")) continue;
    const image = await readFrame(await session.backends.store(uri), device, frames - 1, options);
    if (image === undefined) continue;
    const { picture, black, white } = stretch(image);
    const path = join(summary.folder, "preview.png");
    const context = { identifier: path, options: {}, ...options };
    await writeFile(path, joinBytes(await createPngCodec().encode(picture, context)), { flag: "wx" });
    return { path, device, frame: frames - 1, black, white };
  }
  return undefined;
}

async function readFrame(
  store: ByteStore,
  device: string,
  index: number,
  options: OperationOptions,
): Promise<NdArray | undefined> {
  try {
    return await (await openZarrArray(store, device, options)).frame(index, options);
  } catch (error) {
    if (!isStorageError(error, "NOT_FOUND")) throw error;
  }
  const keys: string[] = [];
  for await (const { key, kind } of store.list({ ...options, prefix: `${device}/`, delimiter: "/" })) {
    if (kind === "file" && /\.tiff?$/i.test(key)) keys.push(key);
  }
  const key = keys.sort(compareNatural)[index];
  if (key === undefined) return undefined;
  const value = await createCodecs()
    .forIdentifier(key)
    .decode(await store.read(key, options), { identifier: joinKey(store.name, key), options: {}, ...options });
  return isNdArray(value) ? value : undefined;
}

/**
 * The last plane of a frame as 16-bit gray, its smallest value black and its largest white. Linear, so that for 16-bit
 * frames the values can be computed back exactly.
 */
export function stretch(frame: NdArray): { picture: NdArray; black: number; white: number } {
  const plane = contiguous(sliceArray(frame, new Array<number>(Math.max(0, frame.shape.length - 2)).fill(-1)));
  const isBits = plane.dtype === "float16" && dtypes.float16.array === Uint16Array;
  const values = Float64Array.from(plane.data as Float64Array, (value) =>
    isBits ? float16ToNumber(value) : Number(value),
  );
  let black = Number.POSITIVE_INFINITY;
  let white = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (value < black) black = value;
    if (value > white) white = value;
  }
  if (black > white) black = white = 0;
  const scale = white > black ? 65535 / (white - black) : 0;
  // What is no number is shown black; infinities are as black or as white as it gets.
  const pixels = Uint16Array.from(values, (value) => {
    const level = Math.round((value - black) * scale);
    return Number.isNaN(level) ? 0 : Math.min(65535, Math.max(0, level));
  });
  const [height = 1, width = 1] = plane.shape.length < 2 ? [1, ...plane.shape] : plane.shape;
  return { picture: ndArray(pixels, [height, width]), black, white };
}
