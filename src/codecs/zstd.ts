/**
 * Zstandard, by whatever this runtime has: Node's own (from 22.15), the native `@mongodb-js/zstd`, or numcodecs' WebAssembly;
 * on the calling thread the native `zstd-napi`. All make and read ordinary Zstandard frames.
 */
import { isStorageError, StorageError } from "../core/errors.ts";
import { packOptions, unpackOptions } from "./zlib-options.ts";
import { type ZstdInPlace, type ZstdPieces, zstdInPlace } from "./zstd-in-place.ts";

/** One way to compress. Calls that give promises run beside each other on the thread pool, except those of `numcodecs`. */
export interface ZstdProvider {
  /** Where it comes from. */
  readonly name: "node:zlib" | "@mongodb-js/zstd" | "numcodecs";
  /**
   * Compresses a block.
   *
   * @param bytes - Borrowed until the promise settles.
   * @param level - From 1 (fast) to 19; negative levels are faster still, where the provider has them.
   * @returns Memory that belongs to the caller.
   */
  compress(bytes: Uint8Array, level: number): Promise<Uint8Array>;
  /**
   * Decompresses one frame. Rejects, with whatever the provider throws, for bytes that are none.
   *
   * @param bytes - Borrowed until the promise settles.
   * @param byteLength - Length of what comes out, where it is known: Node's own decoder is up to ten times as fast then.
   * @returns Memory that belongs to the caller.
   */
  decompress(bytes: Uint8Array, byteLength?: number): Promise<Uint8Array>;
  /**
   * The same on the calling thread, where that is as fast: without the way to a thread of the pool and back, which takes
   * longer than a small block itself.
   *
   * @param into - Memory of that length that may be used, and is cheaper than new one.
   * @returns `into`, or a part of it if less comes, or memory that belongs to the caller.
   */
  decompressNow?(bytes: Uint8Array, byteLength: number, into?: Uint8Array | undefined): Uint8Array;
  /** Begins to unpack a frame on the calling thread, piece by piece. */
  open?(bytes: Uint8Array): ZstdPieces;
}

/** A way to look for a provider: resolves to `undefined` where it is not there. */
export type ZstdLoader = () => Promise<ZstdProvider | undefined>;

/** The providers in order of preference. */
export const zstdLoaders: readonly ZstdLoader[] = [fromNode, fromAddon, fromNumcodecs];

/**
 * The first provider that this installation has. Loads nothing before it is called.
 *
 * @param loaders - Where to look, in order.
 * @throws A {@link StorageError} `MISSING_DEPENDENCY` with the command that installs one.
 */
export async function loadZstd(loaders: readonly ZstdLoader[] = zstdLoaders): Promise<ZstdProvider> {
  for (const load of loaders) {
    const provider = await load();
    if (provider !== undefined) return provider;
  }
  throw new StorageError(
    "MISSING_DEPENDENCY",
    "Zstandard needs Node 22.15 or newer, or a package: npm install @mongodb-js/zstd@1.2.2",
  );
}

/** The part of `node:zlib` that is used here; older Nodes do not have it. */
interface NodeZstd {
  readonly constants: { readonly ZSTD_c_compressionLevel: number };
  zstdCompress(bytes: Uint8Array, options: object, callback: NodeCallback): void;
  zstdDecompress(bytes: Uint8Array, options: object, callback: NodeCallback): void;
  zstdDecompressSync(bytes: Uint8Array, options: object): Uint8Array;
}

type NodeCallback = (error: Error | null, result: Uint8Array) => void;

async function fromNode(): Promise<ZstdProvider | undefined> {
  const zlib = (await import("node:zlib")) as unknown as Partial<NodeZstd>;
  const { zstdCompress, zstdDecompress, zstdDecompressSync, constants } = zlib;
  if (zstdCompress === undefined || zstdDecompress === undefined || constants === undefined) return undefined;
  return {
    name: "node:zlib",
    compress: (bytes, level) => {
      const params = { [constants.ZSTD_c_compressionLevel]: level };
      return promise((done) => zstdCompress(bytes, { params, ...packOptions(bytes.byteLength) }, done));
    },
    decompress: (bytes, byteLength) => promise((done) => zstdDecompress(bytes, unpackOptions(byteLength), done)),
    ...(zstdDecompressSync && {
      decompressNow: (bytes, byteLength) => zstdDecompressSync(bytes, unpackOptions(byteLength)),
    }),
    ...(await onCallingThread()),
  };
}

async function fromAddon(): Promise<ZstdProvider | undefined> {
  const addon = await optional(() => import("@mongodb-js/zstd"));
  if (addon === undefined) return undefined;
  const { compress, decompress } = addon.default ?? addon;
  return {
    name: "@mongodb-js/zstd",
    compress: (bytes, level) => compress(asBuffer(bytes), level),
    decompress: (bytes) => decompress(asBuffer(bytes)),
    ...(await onCallingThread()),
  };
}

async function fromNumcodecs(): Promise<ZstdProvider | undefined> {
  const numcodecs = await optional(() => import("numcodecs/zstd"));
  if (numcodecs === undefined) return undefined;
  const codec = (level: number) => numcodecs.default.fromConfig({ id: "zstd", level });
  return {
    name: "numcodecs",
    compress: async (bytes, level) => codec(level).encode(bytes),
    decompress: async (bytes) => codec(1).decode(bytes),
    ...(await onCallingThread()),
  };
}

/** What `zstd-napi` adds to any provider; nothing where it is not installed. */
async function onCallingThread(): Promise<Pick<ZstdProvider, "decompressNow" | "open">> {
  const binding = await optional(() => import("zstd-napi/binding.js"));
  if (binding === undefined) return {};
  const inPlace: ZstdInPlace = zstdInPlace(binding.default ?? binding);
  return {
    decompressNow: (bytes, byteLength, into = unset(byteLength)) => {
      const length = inPlace.unpack(bytes, into.subarray(0, byteLength));
      return into.subarray(0, length);
    },
    open: (bytes) => inPlace.open(bytes),
  };
}

/** Memory that is not zeroed, and not from the pool that Buffers share. */
function unset(byteLength: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(byteLength).buffer);
}

function promise(start: (done: NodeCallback) => void): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    start((error, result) => (error ? reject(error) : resolve(result)));
  });
}

/** The same memory as a `Buffer`, which native addons ask for. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** An optional package, or `undefined` where it, or its binary for this platform, is not installed. */
async function optional<T>(load: () => Promise<T>): Promise<T | undefined> {
  try {
    return await load();
  } catch (error) {
    if (isStorageError(error) || !isMissing(error)) throw error;
    return undefined;
  }
}

function isMissing(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND" || code === "ERR_DLOPEN_FAILED") return true;
  // What bindings made by napi-rs throw where no binary was installed for this platform.
  return /Failed to load native binding|Unsupported (OS|architecture)/i.test(String(message));
}
