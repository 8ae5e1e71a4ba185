/** Frames that are ranges of files, as they are. */
import { crc32 } from "node:zlib";
import type { BackendSet } from "../../../registry/backend-set.ts";
import { findStore } from "../../../registry/find-store.ts";
import { splitUri } from "../../../registry/uri.ts";
import { crc32c } from "../../codecs/crc32c.ts";
import type { ByteRange, ByteStore } from "../../core/byte-store.ts";
import { isStorageError, StorageError } from "../../core/errors.ts";
import { arrayFromBytes, byteLengthOf, copyInto, type NdArray, sizeOf, zeros } from "../../core/nd-array.ts";
import type { FrameKind, FrameReference } from "../encoding/frames.ts";
import type { CallOptions } from "../engine.ts";

/** Bytes that are read at once; one frame always is. */
const READ_BYTES = 16 * 2 ** 20;

/** Reads such frames out of any byte store. */
export class StoredBytes {
  readonly #backends: BackendSet;

  constructor(backends: BackendSet) {
    this.#backends = backends;
  }

  /**
   * Frames of one file.
   *
   * @param references - One or more, all of one URI.
   * @returns `[n, …frame]`; memory of the caller.
   * @throws A {@link StorageError}: `EXPIRED` if the file was removed; `CORRUPT` for bytes with another checksum, and
   * where a file ends too early; `SHAPE_MISMATCH` for a range that is no frame.
   */
  async read(references: readonly FrameReference[], kind: FrameKind, options: CallOptions): Promise<NdArray> {
    const { shape, dtype, endian } = kind;
    const { uri } = references[0] as FrameReference;
    const length = byteLengthOf({ shape, dtype });
    const ranges = references.map((reference) => rangeOf(reference, length));
    const out = references.length > 1 ? zeros([references.length, ...shape], dtype) : undefined;
    const atOnce = Math.max(1, Math.floor(READ_BYTES / length));
    for (let done = 0; done < ranges.length; done += atOnce) {
      const parts = await this.#bytes(uri, ranges.slice(done, done + atOnce), options);
      for (const [i, bytes] of parts.entries()) {
        check(bytes, length, references[done + i] as FrameReference);
        if (out === undefined) return arrayFromBytes(bytes, dtype, [1, ...shape], endian);
        copyInto(arrayFromBytes(bytes, dtype, shape, endian), out.data, (done + i) * sizeOf(shape));
      }
    }
    return out as NdArray;
  }

  async #bytes(uri: string, ranges: readonly ByteRange[], { signal }: CallOptions): Promise<Uint8Array[]> {
    const { store, key } = await this.#place(uri);
    const [only] = ranges;
    try {
      if (only !== undefined && ranges.length === 1) return [await store.read(key, { range: only, signal })];
      return await store.readRanges(key, ranges, { signal });
    } catch (error) {
      if (isStorageError(error, "OUT_OF_RANGE")) throw corrupt(uri, "ends before them", error);
      if (!isStorageError(error, "NOT_FOUND")) throw error;
      const message = `The file ${uri} was removed, and with it the frames that it had`;
      throw new StorageError("EXPIRED", message, { operation: "read", identifier: uri, cause: error });
    }
  }

  async #place(uri: string): Promise<{ readonly store: ByteStore; readonly key: string }> {
    // A file needs no credentials, and a disk of the set may have any root.
    const named = /^file:/i.test(uri) ? undefined : await findStore(this.#backends, uri);
    if (named !== undefined) return { store: await this.#backends.store(named.name), key: named.key };
    const { store, key } = splitUri(uri);
    return { store: await this.#backends.store(store), key };
  }
}

function rangeOf({ uri, offset = 0, length }: FrameReference, expected: number): ByteRange {
  if (length !== undefined && length !== expected) {
    const message = `A frame takes ${expected} bytes, the reference into ${uri} has ${length}`;
    throw new StorageError("SHAPE_MISMATCH", message, { operation: "read", identifier: uri });
  }
  return { offset, length: expected };
}

function check(bytes: Uint8Array, length: number, reference: FrameReference): void {
  const { uri, offset = 0 } = reference;
  if (bytes.byteLength < length) throw corrupt(uri, "ends before them");
  // Node has CRC-32 as machine code.
  const isIntact =
    reference.crc32 !== undefined
      ? crc32(bytes) === reference.crc32
      : reference.crc32c === undefined || crc32c(bytes) === reference.crc32c;
  if (isIntact) return;
  throw corrupt(uri, `${bytes.byteLength} bytes from ${offset} do not have the checksum that was written`);
}

function corrupt(uri: string, problem: string, cause?: unknown): StorageError {
  const message = `Frames in ${uri} cannot be read: ${problem}`;
  return new StorageError("CORRUPT", message, {
    operation: "read",
    identifier: uri,
    ...(cause === undefined ? {} : { cause }),
  });
}
