/**
 * The header of a Zstandard frame.
 *
 * @see RFC 8878, "Frame_Header"
 */
const MAGIC = 0xfd2fb528;
const SINGLE_SEGMENT = 0x20;

/** Length of what a frame holds, if its header says it. */
export function zstdContentSize(frame: Uint8Array): number | undefined {
  const header = headerOf(frame);
  if (header === undefined) return undefined;
  const { view, sizeAt: at, sizeBytes } = header;
  if (sizeBytes === 0 || frame.byteLength < at + sizeBytes) return undefined;
  if (sizeBytes === 1) return view.getUint8(at);
  if (sizeBytes === 2) return view.getUint16(at, true) + 256;
  return sizeBytes === 4 ? view.getUint32(at, true) : Number(view.getBigUint64(at, true));
}

/** Bytes that have to be kept while a frame is unpacked piece by piece; `undefined` for what is no frame. */
export function zstdWindowBytes(frame: Uint8Array): number | undefined {
  const header = headerOf(frame);
  if (header === undefined) return undefined;
  const { view, descriptor } = header;
  if ((descriptor & SINGLE_SEGMENT) !== 0) return zstdContentSize(frame);
  if (frame.byteLength < 6) return undefined;
  const exponent = view.getUint8(5) >> 3;
  const mantissa = view.getUint8(5) & 7;
  return 2 ** (10 + exponent) * (1 + mantissa / 8);
}

/**
 * The frame with the length of what it holds in its header, which encoders of streams leave out: numcodecs up to 0.16.1
 * reads no others.
 *
 * @param frame - One frame. Answered as it is if it says a length, or is none.
 * @param byteLength - Length of what it holds.
 */
export function withZstdContentSize(frame: Uint8Array, byteLength: number): Uint8Array {
  const header = headerOf(frame);
  if (header === undefined || header.sizeBytes > 0) return frame;
  const { descriptor, sizeAt } = header;
  const sizeBytes = byteLength < 2 ** 32 ? 4 : 8;
  const sized = new Uint8Array(frame.byteLength + sizeBytes);
  sized.set(frame.subarray(0, sizeAt));
  sized.set(frame.subarray(sizeAt), sizeAt + sizeBytes);
  sized[4] = descriptor | (sizeBytes === 4 ? 0x80 : 0xc0);
  const view = new DataView(sized.buffer);
  if (sizeBytes === 4) view.setUint32(sizeAt, byteLength, true);
  else view.setBigUint64(sizeAt, BigInt(byteLength), true);
  return sized;
}

/** Where the length is in the header, and how many bytes it has there; 0 where it is left out. */
function headerOf(frame: Uint8Array) {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.byteLength < 5 || view.getUint32(0, true) !== MAGIC) return undefined;
  const descriptor = view.getUint8(4);
  const isSingleSegment = (descriptor & SINGLE_SEGMENT) !== 0;
  const sizeAt = 5 + (isSingleSegment ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] as number);
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] as number;
  return { view, descriptor, sizeAt, sizeBytes };
}
