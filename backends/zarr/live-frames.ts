/** Reads the frames of an acquisition that is under way, those of its open shard too. */
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { checkInteger } from "../../src/core/checks.ts";
import type { DType } from "../../src/core/dtype.ts";
import { StorageError } from "../../src/core/errors.ts";
import type { UnfinishedValue } from "../../src/core/journalled-write.ts";
import { normalizeKey } from "../../src/core/key.ts";
import type { LiveFrames } from "../../src/core/live-frames.ts";
import { byteLengthOf, copyInto, type NdArray, ndArray, sizeOf } from "../../src/core/nd-array.ts";
import { findUnfinished, keepsJournals } from "../../src/layers/unfinished.ts";
import { NativeZarrArray, namingChunk } from "./array.ts";
import { readRecords, unlessMissing } from "./open-shards.ts";
import { unsetArray } from "./plain-chunk.ts";
import { openZarrArray } from "./reader.ts";
import { chunkChecksum, decodeRecords, type JournalRecord } from "./shard-journal.ts";

/** Bytes of an open shard that are read at once; one frame always is. */
const READ_BYTES = 16 * 2 ** 20;

/** What is known of a shard under way; records only ever come. */
interface KnownShard {
  readonly value: UnfinishedValue;
  readonly records: JournalRecord[];
}

/** Opens the frames of an array. See `openLiveFrames`. */
export async function openLiveFramesOf(
  store: ByteStore,
  path: string,
  options: OperationOptions = {},
): Promise<LiveFrames> {
  const key = normalizeKey(path);
  const array = await openZarrArray(store, key, options);
  const { layout } = array instanceof NativeZarrArray ? array : {};
  const [, ...frameShape] = array.shape;
  const isByFrame = layout?.chunkShape.every((length, axis) => length === (axis === 0 ? 1 : frameShape[axis - 1]));
  if (array instanceof NativeZarrArray && isByFrame) return new OpenFrames(store, array);
  const message = `"${key}" in "${store.name}" has no chunk for each frame; open it with openZarr`;
  throw new StorageError("UNSUPPORTED", message, { backend: store.name, operation: "openLiveFrames", identifier: key });
}

class OpenFrames implements LiveFrames {
  readonly path: string;
  readonly dtype: DType;
  readonly frameShape: readonly number[];
  readonly #store: ByteStore;
  readonly #array: NativeZarrArray;
  readonly #framesPerShard: number;
  readonly #shards = new Map<number, KnownShard>();
  readonly #looksForJournals: boolean;

  constructor(store: ByteStore, array: NativeZarrArray) {
    this.#store = store;
    this.#array = array;
    this.path = array.path;
    this.dtype = array.dtype;
    this.frameShape = array.shape.slice(1);
    this.#framesPerShard = array.layout.unitShape[0] as number;
    this.#looksForJournals = keepsJournals(store);
  }

  async length(options: OperationOptions = {}): Promise<number> {
    for (;;) {
      await this.#array.refresh(options);
      const shown = this.#array.shape[0] as number;
      if (!this.#looksForJournals) return shown;
      const end = await this.#endFrom(shown, options);
      // A shard that is published meanwhile has no journal any more, and the shape of before does not show it.
      await this.#array.refresh(options);
      if (this.#array.shape[0] === shown) return end;
    }
  }

  async at(index: number, options: OperationOptions = {}): Promise<NdArray> {
    const context = { backend: this.#store.name, operation: "at", identifier: this.path };
    checkInteger(index, "index", Number.MIN_SAFE_INTEGER, context);
    const end = index < 0 ? await this.length(options) : undefined;
    const wanted = end === undefined ? index : end + index;
    const found = wanted < 0 ? undefined : await this.#some(wanted, wanted + 1, options);
    if (found !== undefined) return ndArray(found.data, this.frameShape, this.dtype);
    throw new StorageError("OUT_OF_RANGE", `Frame ${index} of "${this.path}" is not there yet`, context);
  }

  async read(first: number, count: number, options: OperationOptions = {}): Promise<NdArray> {
    const context = { backend: this.#store.name, operation: "read", identifier: this.path };
    checkInteger(first, "first", 0, context);
    checkInteger(count, "count", 1, context);
    await this.#array.refresh(options);
    const end = first + count;
    let out: NdArray | undefined;
    for (let at = first; at < end; ) {
      const some = await this.#some(at, end, options);
      if (some === undefined) {
        throw new StorageError("OUT_OF_RANGE", `Frame ${at} of "${this.path}" is not there yet`, context);
      }
      if (some.shape[0] === count) return some;
      out ??= unsetArray([count, ...this.frameShape], this.dtype);
      copyInto(some, out.data, (at - first) * sizeOf(this.frameShape));
      at += some.shape[0] as number;
    }
    return out as NdArray;
  }

  /** The frame at an index, and those after it up to another that lie together with it; `undefined` if it is not there. */
  async #some(first: number, end: number, options: OperationOptions): Promise<NdArray | undefined> {
    // Looked for where it was found last; then anew, with all that came since.
    const early = (await this.#readShown(first, end, options)) ?? (await this.#readOpen(first, end, options));
    if (early !== undefined) return early;
    const length = await this.length(options);
    const shown = await this.#readShown(first, end, options);
    if (shown !== undefined || first >= length) return shown;
    return this.#readOpen(first, end, options);
  }

  async #readShown(first: number, end: number, options: OperationOptions): Promise<NdArray | undefined> {
    const shown = this.#array.shape[0] as number;
    return first < shown ? this.#array.read([[first, Math.min(end, shown)]], options) : undefined;
  }

  /** Where the frames end that can be read: those that are shown, and those in journals right behind them. */
  async #endFrom(shown: number, options: OperationOptions): Promise<number> {
    let end = shown;
    const shard = Math.floor(shown / this.#framesPerShard);
    for (const known of this.#shards.keys()) if (known < shard) this.#shards.delete(known);
    for (let number = shard; ; number++) {
      const records = await this.#recordsOf(number, options);
      const first = number * this.#framesPerShard;
      end = Math.max(end, first + records);
      if (end < first + this.#framesPerShard) return end;
    }
  }

  /** Reads what came into the journal of a shard; answers how many records there are. */
  async #recordsOf(number: number, options: OperationOptions): Promise<number> {
    const known = this.#shards.get(number) ?? (await this.#find(number, options));
    if (known === undefined) return 0;
    const bytes = await readRecords(known.value, known.records.length, options);
    // Gone: the shard is published, and the shape shows it.
    if (bytes === undefined) return known.records.length;
    known.records.push(...decodeRecords(bytes, known.records.length));
    return known.records.length;
  }

  async #find(number: number, { signal }: OperationOptions): Promise<KnownShard | undefined> {
    const { layout, shape } = this.#array;
    const key = layout.key(shape.map((_, axis) => (axis === 0 ? number : 0)));
    let newest: UnfinishedValue | undefined;
    for await (const value of findUnfinished(this.#store, { key, signal })) newest = value;
    const known = newest && { value: newest, records: [] };
    if (known !== undefined) this.#shards.set(number, known);
    return known;
  }

  /** Frames of one open shard, from one on; `undefined` if no record of it is known, or its bytes are elsewhere by now. */
  async #readOpen(index: number, end: number, options: OperationOptions): Promise<NdArray | undefined> {
    const number = Math.floor(index / this.#framesPerShard);
    const known = this.#shards.get(number);
    const at = index - number * this.#framesPerShard;
    if (known !== undefined && known.records.length < at + end - index) await this.#recordsOf(number, options);
    const records = neighbours(known?.records.slice(at, at + end - index) ?? []);
    const [record] = records;
    if (known === undefined || record === undefined) return undefined;
    const { offset } = record;
    const length = records.reduce((sum, next) => sum + next.length, 0);
    // A published shard has its chunks where they were.
    const bytes =
      (await unlessMissing(known.value.read({ offset, length }, options))) ??
      (await unlessMissing(this.#store.read(known.value.key, { ...options, range: { offset, length } })));
    return bytes && this.#decode(bytes, records, index);
  }

  async #decode(bytes: Uint8Array, records: readonly JournalRecord[], index: number): Promise<NdArray> {
    const { codecs, chunkShape } = this.#array.layout;
    const shape = [records.length, ...this.frameShape];
    const frameBytes = byteLengthOf({ shape: this.frameShape, dtype: this.dtype });
    // Frames that are stored as they are need no copy.
    const isOne = records.length === 1 || (codecs.isPlain && records.every(({ length }) => length === frameBytes));
    const out = isOne ? undefined : unsetArray(shape, this.dtype);
    let from = 0;
    let one: NdArray | undefined;
    for (const [i, { length, crc32 }] of records.entries()) {
      const chunk = [index + i, ...this.frameShape.map(() => 0)];
      const part = bytes.subarray(from, from + length);
      from += length;
      await namingChunk(this.#store, this.path, chunk, async () => {
        if (part.byteLength !== length || chunkChecksum(part) !== crc32) {
          throw new StorageError("CORRUPT", "Its bytes do not have the checksum that its journal says");
        }
        if (out !== undefined) copyInto(await codecs.decode(part, chunkShape), out.data, i * sizeOf(this.frameShape));
        else if (i === records.length - 1) one = await codecs.decode(bytes, shape);
      });
    }
    return out ?? (one as NdArray);
  }
}

/** The first records of a list that lie behind each other, as many as are read at once. */
function neighbours(records: readonly JournalRecord[]): readonly JournalRecord[] {
  let bytes = 0;
  const next = records.findIndex(({ offset, length }, i) => {
    const before = records[i - 1];
    bytes += length;
    return before !== undefined && (before.offset + before.length !== offset || bytes > READ_BYTES);
  });
  return next < 0 ? records : records.slice(0, next);
}
