/** The XML that makes a TIFF an OME-TIFF. */
import type { DType } from "../../core/dtype.ts";
import { type ErrorContext, StorageError } from "../../core/errors.ts";
import type { TiffGeometry } from "./encode.ts";

/** OME's names of the types it has. */
const pixelTypes: Readonly<Partial<Record<DType, string>>> = {
  bool: "uint8",
  int8: "int8",
  uint8: "uint8",
  int16: "int16",
  uint16: "uint16",
  int32: "int32",
  uint32: "uint32",
  float32: "float",
  float64: "double",
};

/**
 * The smallest valid description of one image whose pages are in order.
 *
 * @param shape - The array's; its axes are named by the geometry: any of `t`, `c`, `z`, then `yx` or `yxs`.
 * @param pixelSize - Micrometres, `[y, x]`.
 * @throws A {@link StorageError}: `DTYPE_MISMATCH` for (u)int64 and float16, which OME does not have; `INVALID_DATA` for
 * axes that it does not have.
 * @see OME-TIFF specification, OME schema 2016-06
 */
export function omeXml(
  shape: readonly number[],
  dtype: DType,
  geometry: TiffGeometry,
  pixelSize: readonly [y: number, x: number] | undefined,
  where: ErrorContext,
): string {
  const type = pixelTypes[dtype];
  if (type === undefined) {
    throw new StorageError("DTYPE_MISMATCH", `OME-TIFF has no ${dtype}; save it as .tif or .npy`, where);
  }
  const { axes, height, width, samples } = geometry;
  const pageAxes = axes.slice(0, axes.indexOf("yx"));
  const isKnown = /^[tcz]*yxs?$/.test(axes) && new Set(pageAxes).size === pageAxes.length;
  if (!isKnown) {
    throw new StorageError(
      "INVALID_DATA",
      `OME-TIFF has the axes t, c and z before yx, not "${axes}"; pass codecOptions: { axes: "czyx" }`,
      where,
    );
  }
  const length = (axis: string) => (pageAxes.includes(axis) ? shape[pageAxes.indexOf(axis)] : 1) as number;
  // From the fastest axis on: the pages' axes backwards, then those of length 1.
  const order = ["XY", ...[...pageAxes].reverse(), ..."zct".replace(new RegExp(`[${pageAxes}]`, "g"), "")];
  const channels = Array.from(
    { length: length("c") },
    (_, i) => `<Channel ID="Channel:0:${i}" SamplesPerPixel="${samples}"/>`,
  );
  const physical = pixelSize ? ` PhysicalSizeX="${pixelSize[1]}" PhysicalSizeY="${pixelSize[0]}"` : "";
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" Creator="sluice">',
    '<Image ID="Image:0">',
    `<Pixels ID="Pixels:0" DimensionOrder="${order.join("").toUpperCase()}" Type="${type}"`,
    ` SizeX="${width}" SizeY="${height}" SizeZ="${length("z")}" SizeC="${length("c") * samples}" SizeT="${length("t")}"`,
    `${physical} BigEndian="false">`,
    ...channels,
    "<TiffData/></Pixels></Image></OME>",
  ].join("");
}
