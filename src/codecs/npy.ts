/** NumPy's `.npy` files. */
import { checkNdArray } from "../core/checks.ts";
import { dtypes, fromTypestr, toTypestr } from "../core/dtype.ts";
import { arrayFromBytes, arrayToBytes, type NdArray, sizeOf } from "../core/nd-array.ts";
import type { Codec, CodecContext } from "./codec.ts";
import { checkCodecOptions, corrupt } from "./codec-options.ts";

const MAGIC = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59);

/**
 * NumPy arrays, exact for every dtype.
 *
 * Written as version 1.0, C order, little-endian, data aligned to 64 bytes; C-order arrays are written from their own
 * memory. Read: versions 1.0 to 3.0, both orders, both byte orders. Fortran order comes back as a strided view, and
 * aligned little-endian data as a view of the bytes that were read. Complex, structured, text and object arrays are
 * refused by name.
 *
 * @see numpy, `numpy.lib.format`
 */
export const npyCodec: Codec = {
  name: "npy",
  suffixes: [".npy"],
  mimeTypes: ["application/x-npy"],
  encode(value, context) {
    checkCodecOptions("npy", context, []);
    const array = checkNdArray(value, { identifier: context.identifier });
    return [npyHeader(array), arrayToBytes(array)];
  },
  decode(bytes, context) {
    checkCodecOptions("npy", context, []);
    return decodeNpy(bytes, context);
  },
};

function npyHeader({ dtype, shape }: NdArray): Uint8Array {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const text = `{'descr': '${toTypestr(dtype)}', 'fortran_order': False, 'shape': ${tuple}, }`;
  // Magic 6, version 2, length 2, then the text, padded so that the data starts at a multiple of 64.
  const total = Math.ceil((10 + text.length + 1) / 64) * 64;
  const header = new Uint8Array(total).fill(0x20);
  header.set(MAGIC);
  header.set([1, 0], 6);
  new DataView(header.buffer).setUint16(8, total - 10, true);
  new TextEncoder().encodeInto(text, header.subarray(10));
  header[total - 1] = 0x0a;
  return header;
}

function decodeNpy(bytes: Uint8Array, context: CodecContext): NdArray {
  if (bytes.length < 10 || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    throw corrupt(context, "not an .npy file: its first bytes are not \\x93NUMPY");
  }
  const version = bytes[6] as number;
  if (version < 1 || version > 3)
    throw corrupt(context, `.npy version ${version}.${bytes[7]} is not known (1 to 3 are)`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = version === 1 ? 10 : 12;
  if (bytes.length < start) throw corrupt(context, "the .npy header is cut off");
  const dataStart = start + (version === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (bytes.length < dataStart) throw corrupt(context, "the .npy header is cut off");
  const header = parseHeader(new TextDecoder("utf-8").decode(bytes.subarray(start, dataStart)), context);

  const { dtype, endian } = fromTypestr(header.descr);
  const byteLength = sizeOf(header.shape) * dtypes[dtype].itemSize;
  const data = bytes.subarray(dataStart);
  if (data.length !== byteLength) {
    throw corrupt(
      context,
      `shape [${header.shape.join(", ")}] of ${dtype} needs ${byteLength} bytes, the file has ${data.length}`,
    );
  }
  if (!header.fortranOrder) return arrayFromBytes(data, dtype, header.shape, endian);
  const reversed = arrayFromBytes(data, dtype, [...header.shape].reverse(), endian);
  return { ...reversed, shape: header.shape, stride: [...reversed.stride].reverse() };
}

interface NpyHeader {
  readonly descr: string;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
}

/** The header is a Python dict literal with three known keys; their order and spacing are free. */
function parseHeader(text: string, context: CodecContext): NpyHeader {
  const descr = /['"]descr['"]\s*:\s*(?:(['"])(.*?)\1|(\[))/.exec(text);
  const order = /['"]fortran_order['"]\s*:\s*(True|False)/.exec(text);
  const shape = /['"]shape['"]\s*:\s*\(([0-9,\sL]*)\)/.exec(text);
  if (!descr || !order || !shape)
    throw corrupt(context, `the .npy header cannot be read: ${text.trim().slice(0, 200)}`);
  const lengths = (shape[1] as string).split(",").map((part) => part.trim().replace(/L$/, ""));
  return {
    // A list is a structured type; its text goes to the dtype parser, which refuses it by name.
    descr: descr[2] ?? `structured ${text.slice(descr.index).trim().slice(0, 100)}`,
    fortranOrder: order[1] === "True",
    shape: lengths.filter((part) => part !== "").map(Number),
  };
}
