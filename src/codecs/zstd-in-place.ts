/**
 * Zstandard on the calling thread, into memory of the caller, by the native `zstd-napi`. A small block takes no way to a
 * thread of the pool and back, no new pages, and of a large frame no more is unpacked than up to what is wanted.
 */
import type { DCtx } from "zstd-napi/binding.js";

/** Unpacks frames in place. */
export interface ZstdInPlace {
  /**
   * Unpacks one frame.
   *
   * @param bytes - One whole frame.
   * @param into - At least as long as what the frame holds.
   * @returns How many bytes came.
   * @throws Whatever the package throws, for bytes that are no frame, or one that is damaged or too long.
   */
  unpack(bytes: Uint8Array, into: Uint8Array): number;
  /** Begins to unpack one frame, piece by piece. */
  open(bytes: Uint8Array): ZstdPieces;
}

/** A frame that is unpacked piece by piece. */
export interface ZstdPieces {
  /**
   * Unpacks as much as there is room for; less only at the end of the frame.
   *
   * @returns How many bytes came.
   * @throws Whatever the package throws, for a frame that is damaged or ends too early.
   */
  next(into: Uint8Array): number;
}

/** The package, as far as it is used here. */
export interface ZstdBinding {
  readonly DCtx: new () => DCtx;
}

/** Makes a {@link ZstdInPlace} of the package. */
export function zstdInPlace({ DCtx }: ZstdBinding): ZstdInPlace {
  let context: DCtx | undefined;
  return {
    unpack: (bytes, into) => {
      if (bytes.byteLength === 0) throw new Error("There is no Zstandard frame");
      context ??= new DCtx();
      return context.decompress(into, bytes);
    },
    // A frame under way has a context of its own: another one may come before it has ended.
    open: (bytes) => pieces(new DCtx(), bytes),
  };
}

function pieces(context: DCtx, bytes: Uint8Array): ZstdPieces {
  let rest = bytes;
  let isOver = false;
  return {
    next: (into) => {
      let filled = 0;
      while (filled < into.byteLength && !isOver) {
        const [left, written, taken] = context.decompressStream(into.subarray(filled), rest);
        filled += written;
        rest = rest.subarray(taken);
        isOver = left === 0;
        if (!isOver && written === 0 && taken === 0) throw new Error("The Zstandard frame ends too early");
      }
      return filled;
    },
  };
}
