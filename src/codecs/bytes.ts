/** Raw bytes, as they are. */
import { describe } from "../core/checks.ts";
import type { Codec } from "./codec.ts";
import { checkCodecOptions, invalidData } from "./codec-options.ts";

/**
 * Opaque bytes: a `Uint8Array` in, a `Uint8Array` out. Arrays are refused, because their shape and dtype would be lost.
 * It needs no registered suffix: bytes may be saved under any name that no other codec claims.
 */
export const bytesCodec: Codec = {
  name: "bytes",
  suffixes: [".bin", ".raw"],
  mimeTypes: ["application/octet-stream"],
  encode(value, context) {
    checkCodecOptions("bytes", context, []);
    if (value instanceof Uint8Array) return value;
    throw invalidData(context, `raw bytes keep a Uint8Array only, got ${describe(value)}; save arrays as .npy or .tif`);
  },
  decode(bytes, context) {
    checkCodecOptions("bytes", context, []);
    // Stores on Node may give Buffers; their slice() shares memory, which callers do not expect.
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  },
};
