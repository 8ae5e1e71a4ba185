/** Codecs from bytes to bytes, both ways: what packs a chunk after its elements are in order, and what checks it. */
import { type BloscCompressor, BloscEncoder } from "../../src/codecs/blosc.ts";
import { BloscDecoder, type BloscPart } from "../../src/codecs/blosc-decoder.ts";
import { crc32c } from "../../src/codecs/crc32c.ts";
import { Turn } from "../../src/codecs/turn.ts";
import { packOptions, unpackOptions } from "../../src/codecs/zlib-options.ts";
import { StorageError } from "../../src/core/errors.ts";
import { corruptIfFails, corruptIfThrows } from "./damaged-stream.ts";
import { ZstdCodec } from "./zstd-codec.ts";

/** One codec of an array. Calls may run beside each other. */
export interface ByteCodec {
  /**
   * @param bytes - Borrowed until the promise settles; the result may share its memory.
   */
  encode(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /**
   * @param bytes - Handed over: the result may share its memory.
   * @param expectedBytes - Length of the result, where it is known.
   * @throws A {@link StorageError} `CORRUPT`: a checksum, a length or a stream is wrong.
   */
  decode(bytes: Uint8Array, expectedBytes: number | undefined): Uint8Array | Promise<Uint8Array>;
  /** For codecs that can unpack a part without the rest. */
  readonly parts?: PartDecoder;
}

/** Unpacks parts of values. */
export type PartDecoder = Pick<BloscDecoder, "decodePart" | "readPart">;

/** A part of what a codec unpacks, in bytes. */
export type BytePart = BloscPart;

type Configuration = Readonly<Record<string, unknown>>;

/** What is unpacked on the calling thread at a time, at most. */
const NOW_BYTES = 1 << 20;

/** Memory that Blosc may take for chunks that are packed at the same time. */
const BLOSC_BYTES = 64 * 2 ** 20;
const MAX_BLOSC_SLOTS = 4;
/** What is unpacked for one element of a Blosc frame that we write, where the array does not say it. */
const BLOCK_BYTES = 256 << 10;

/**
 * The codec of a name.
 *
 * @param itemSize - Bytes of one element.
 * @returns `undefined` for codecs that we have no code for.
 */
export function byteCodec(name: string, configuration: Configuration, itemSize: number): ByteCodec | undefined {
  // zarr-python puts the codecs that only Zarr v2 had under a prefix of their own.
  const make = makers.get(name.replace(/^numcodecs\.(?=(lz4|zlib)$)/, ""));
  return make?.(configuration, itemSize);
}

const makers = new Map<string, (configuration: Configuration, itemSize: number) => ByteCodec>([
  ["blosc", (configuration, itemSize) => new BloscCodec(configuration, itemSize)],
  ["crc32c", () => checksum],
  ["gzip", ({ level }) => deflateCodec("gzip", numberOr(level, 5))],
  ["lz4", ({ acceleration }) => new Lz4Codec(numberOr(acceleration, 1))],
  ["zlib", ({ level }) => deflateCodec("zlib", numberOr(level, 1))],
  ["zstd", ({ level }) => new ZstdCodec(numberOr(level, 0))],
]);

/** The CRC-32C of all that is before it, as the last four bytes, little-endian. */
const checksum: ByteCodec = {
  encode(bytes) {
    const out = new Uint8Array(bytes.byteLength + 4);
    out.set(bytes);
    new DataView(out.buffer).setUint32(bytes.byteLength, crc32c(bytes), true);
    return out;
  },
  decode(bytes) {
    const length = bytes.byteLength - 4;
    const body = bytes.subarray(0, Math.max(0, length));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (length >= 0 && view.getUint32(length, true) === crc32c(body)) return body;
    throw new StorageError("CORRUPT", "the bytes do not have the checksum that they say");
  },
};

function deflateCodec(format: "gzip" | "zlib", level: number): ByteCodec {
  const turn = new Turn();
  let zlib: typeof import("node:zlib") | undefined;
  return {
    async encode(bytes) {
      zlib ??= await import("node:zlib");
      const pack = format === "gzip" ? zlib.gzip : zlib.deflate;
      const options = { level, ...packOptions(bytes.byteLength) };
      return new Promise((resolve, reject) => {
        pack(bytes, options, (error, out) => (error ? reject(error) : resolve(out)));
      });
    },
    async decode(bytes, expectedBytes) {
      zlib ??= await import("node:zlib");
      const { gunzip, inflate, gunzipSync, inflateSync } = zlib;
      const options = unpackOptions(expectedBytes);
      if (expectedBytes !== undefined && expectedBytes <= NOW_BYTES && turn.isOpen) {
        return corruptIfThrows(() => (format === "gzip" ? gunzipSync : inflateSync)(bytes, options));
      }
      const unpack = format === "gzip" ? gunzip : inflate;
      const unpacked = new Promise<Uint8Array>((resolve, reject) => {
        unpack(bytes, options, (error, result) => (error ? reject(error) : resolve(result)));
      });
      return corruptIfFails(unpacked);
    },
  };
}

/** LZ4 as numcodecs has it: the length as four bytes, little-endian, then one raw block. */
class Lz4Codec implements ByteCodec {
  readonly #acceleration: number;

  constructor(acceleration: number) {
    this.#acceleration = acceleration;
  }

  encode(bytes: Uint8Array): Promise<Uint8Array> {
    return encodeLz4(bytes, this.#acceleration);
  }

  async decode(bytes: Uint8Array, expectedBytes: number | undefined): Promise<Uint8Array> {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    // Checked here, before any memory is taken.
    if (bytes.byteLength < 4 || (expectedBytes !== undefined && view.getUint32(0, true) !== expectedBytes)) {
      throw new StorageError("CORRUPT", `${bytes.byteLength} bytes do not hold the length that is needed`);
    }
    const { default: Lz4 } = await import("numcodecs/lz4");
    return corruptIfFails(Promise.resolve(Lz4.fromConfig({ id: "lz4" }).decode(bytes)));
  }
}

/** Blosc. Our own frames for the compressors that we have, those of numcodecs for the others and for the bit shuffle. */
class BloscCodec implements ByteCodec {
  readonly #configuration: Configuration;
  readonly #itemSize: number;
  readonly parts = new BloscDecoder();
  #encoder: Promise<BloscEncoder> | undefined;
  /** Bytes that the encoder has room for, how many chunks it takes at once, and how many it has. */
  #capacity = 0;
  #slots = 0;
  #used = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(configuration: Configuration, itemSize: number) {
    this.#configuration = configuration;
    const { typesize } = configuration;
    this.#itemSize = Number.isInteger(typesize) && (typesize as number) > 0 ? (typesize as number) : itemSize;
  }

  decode(bytes: Uint8Array, expectedBytes: number | undefined): Promise<Uint8Array> {
    return this.parts.decode(bytes, expectedBytes);
  }

  async encode(bytes: Uint8Array): Promise<Uint8Array> {
    const { cname, clevel, blocksize } = this.#configuration;
    const compressor = bloscCompressors[cname as keyof typeof bloscCompressors];
    const shuffle = shuffleNumber(this.#configuration.shuffle, this.#itemSize);
    const level = numberOr(clevel, 5);
    if (compressor === undefined || shuffle === 2 || level === 0 || bytes.byteLength === 0) {
      const { default: Blosc } = await import("numcodecs/blosc");
      const options = { cname: String(cname), clevel: level, shuffle, blocksize: numberOr(blocksize, 0) };
      return Blosc.fromConfig({ id: "blosc", ...options } as never).encode(bytes);
    }
    const blockBytes = numberOr(blocksize, 0) || BLOCK_BYTES;
    const encoder = await this.#take(bytes.byteLength, { level, blockBytes, shuffle: shuffle === 1, ...compressor() });
    try {
      encoder.input(bytes.byteLength).set(bytes);
      const [header, body] = await encoder.encode(bytes.byteLength);
      const frame = new Uint8Array(header.byteLength + body.byteLength);
      frame.set(header);
      frame.set(body, header.byteLength);
      return frame;
    } finally {
      this.#used--;
      this.#waiting.shift()?.();
    }
  }

  /** The encoder, with one of its slots, to be given back. */
  async #take(
    byteLength: number,
    options: {
      readonly level: number;
      readonly blockBytes: number;
      readonly shuffle: boolean;
      readonly compressor?: BloscCompressor;
    },
  ): Promise<BloscEncoder> {
    while (this.#used > 0 && this.#used >= this.#slots) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#used++;
    if (this.#encoder === undefined || this.#capacity < byteLength) {
      this.#slots = Math.max(1, Math.min(MAX_BLOSC_SLOTS, Math.floor(BLOSC_BYTES / byteLength)));
      this.#capacity = byteLength;
      this.#encoder = BloscEncoder.create({ byteLength, itemSize: this.#itemSize, slots: this.#slots, ...options });
    }
    return this.#encoder;
  }
}

const bloscCompressors = {
  zstd: () => ({}),
  lz4: () => ({
    compressor: {
      format: 1,
      // The raw block, without the length before it.
      compress: async (bytes: Uint8Array) => (await encodeLz4(bytes, 1)).subarray(4),
    } satisfies BloscCompressor,
  }),
  zlib: () => ({
    compressor: {
      format: 3,
      compress: async (bytes: Uint8Array, level: number) => deflateCodec("zlib", level).encode(bytes),
    } satisfies BloscCompressor,
  }),
};

async function encodeLz4(bytes: Uint8Array, acceleration: number): Promise<Uint8Array> {
  const { default: Lz4 } = await import("numcodecs/lz4");
  return Lz4.fromConfig({ id: "lz4", acceleration }).encode(bytes);
}

/** Zarr v3 names shuffles, v2 numbers them; −1 leaves it to the item size. */
function shuffleNumber(shuffle: unknown, itemSize: number): 0 | 1 | 2 {
  if (shuffle === "bitshuffle" || shuffle === 2) return 2;
  if (shuffle === "noshuffle" || shuffle === 0) return 0;
  if (shuffle === -1) return itemSize === 1 ? 2 : 1;
  return 1;
}

function numberOr(value: unknown, fallback: number): number {
  return typeof value === "number" && Number.isFinite(value) ? value : fallback;
}
