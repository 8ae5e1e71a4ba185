/** Changes chunks, and shards as wholes, so that several who change parts of the same one lose nothing. */
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { checkAborted } from "../../src/core/checks.ts";
import { StorageError } from "../../src/core/errors.ts";
import { contiguous, type NdArray } from "../../src/core/nd-array.ts";
import { namingChunk } from "./array.ts";
import { concurrently } from "./concurrently.ts";
import { changeValue } from "./documents.ts";
import { filledArray, isFilled } from "./fill-value.ts";
import { KeyedQueue } from "./keyed-queue.ts";
import type { ArrayLayout } from "./layout.ts";
import { type Box, chunkBox, chunksOf, contains, copyBox, intersect } from "./region.ts";
import { composeShard, type StoredShard, splitShard } from "./shard.ts";

/** Chunks that are packed and stored at the same time. */
const CHUNKS_AT_ONCE = 8;
/** Shards that are: each is in memory as a whole. */
const SHARDS_AT_ONCE = 2;

/** What becomes of one chunk: left as it is, removed, made anew, or changed in memory of its own. */
type Edit = "keep" | "remove" | { readonly make: () => NdArray } | { readonly change: (chunk: NdArray) => NdArray };

/** Options of a {@link ChunkWriter}. */
export interface ChunkWriterOptions {
  readonly store: ByteStore;
  /** Key of the array's node, for messages. */
  readonly path: string;
  readonly layout: ArrayLayout;
  readonly fillValue: unknown;
  /** Nobody else writes to the array: chunks at the edge need no look before they are written. */
  readonly isExclusive?: boolean | undefined;
  /** Called before each value is written; stops everything by rejecting. */
  readonly beforeWrite?: (() => Promise<void>) | undefined;
}

/** Writes parts of one array. */
export class ChunkWriter {
  readonly #options: ChunkWriterOptions;
  readonly #turns = new KeyedQueue();
  readonly #isAlone: boolean;

  constructor(options: ChunkWriterOptions) {
    this.#options = options;
    this.#isAlone = options.isExclusive === true || !canShare(options.store);
  }

  /**
   * Refuses a region that shares a chunk (or a shard) with its surroundings, where the store has no way to do that
   * safely.
   *
   * @throws A {@link StorageError} `UNSUPPORTED`.
   */
  checkRegion(region: Box, shape: readonly number[]): void {
    const { store, layout, path, isExclusive } = this.#options;
    if (isExclusive || canShare(store)) return;
    const isAligned = layout.unitShape.every((length, axis) => {
      const [from, to] = [region.start[axis] as number, region.stop[axis] as number];
      return from === to || (from % length === 0 && (to % length === 0 || to === shape[axis]));
    });
    if (isAligned) return;
    const unit = layout.shards === undefined ? "chunks" : "shards";
    throw new StorageError(
      "UNSUPPORTED",
      `"${store.name}" has no conditional writes, so only whole ${unit} of [${layout.unitShape.join(", ")}] can be ` +
        `written to "${path}", and not [${region.start.join(", ")}] to [${region.stop.join(", ")}]; or open it with ` +
        "exclusive: true, if nobody else writes to it",
      { backend: store.name, operation: "write", identifier: path },
    );
  }

  /**
   * Writes a region. Each chunk (or shard) is one atomic step; the region as a whole is not.
   *
   * @param source - The values of the region, of its shape; borrowed.
   * @param shape - Of the array; asked when it is a chunk's turn, since the array may have grown or shrunk by then.
   */
  async write(region: Box, source: NdArray, shape: () => readonly number[], options: OperationOptions): Promise<void> {
    const { fillValue, layout } = this.#options;
    const { chunkShape, dtype } = layout;
    const edit = (at: readonly number[]): Edit => {
      const box = chunkBox(at, chunkShape);
      const inside = intersect(box, { start: region.start.map(() => 0), stop: shape() });
      if (isEmpty(inside)) return this.#isAlone ? "remove" : "keep";
      if (isEmpty(intersect(box, region))) return "keep";
      const place = (chunk: NdArray): NdArray => {
        copyBox(source, region.start, chunk, box.start);
        return chunk;
      };
      if (contains(region, box)) return { make: () => viewOf(source, region, box) };
      // Beyond the edge may be what somebody has appended meanwhile.
      if (this.#isAlone && contains(region, inside))
        return { make: () => place(filledArray(chunkShape, dtype, fillValue)) };
      return { change: place };
    };
    await this.#eachUnit(chunksOf(region, layout.unitShape), (at) => this.#edit(at, edit, options));
  }

  /** Makes everything beyond a shape the fill value, in the units given. */
  async clip(units: Iterable<readonly number[]>, shape: readonly number[], options: OperationOptions): Promise<void> {
    const array: Box = { start: shape.map(() => 0), stop: shape };
    const { fillValue, layout } = this.#options;
    const { chunkShape, dtype } = layout;
    const edit = (at: readonly number[]): Edit => {
      const box = chunkBox(at, chunkShape);
      if (contains(array, box)) return "keep";
      const inside = intersect(box, array);
      if (isEmpty(inside)) return "remove";
      return {
        change: (chunk) => {
          const clipped = filledArray(chunkShape, dtype, fillValue);
          copyBox(viewOf(chunk, box, inside), inside.start, clipped, box.start);
          return clipped;
        },
      };
    };
    await this.#eachUnit(units, (at) => this.#edit(at, edit, options));
  }

  async #eachUnit(units: Iterable<readonly number[]>, run: (at: readonly number[]) => Promise<void>): Promise<void> {
    const { shards } = this.#options.layout;
    await concurrently(units, shards === undefined ? CHUNKS_AT_ONCE : SHARDS_AT_ONCE, run);
  }

  /** Changes one stored value. */
  #edit(at: readonly number[], edit: (chunk: readonly number[]) => Edit, options: OperationOptions): Promise<void> {
    const { store, path, layout } = this.#options;
    checkAborted(options.signal, { operation: "write", identifier: path });
    const key = layout.key(at);
    const chunks = [...chunksOf(chunkBox(at, layout.unitShape), layout.chunkShape)];
    return this.#turns.run(key, async () => {
      const edits = chunks.map(edit);
      const needsOld = edits.some((one) => one === "keep" || (one !== "remove" && "change" in one));
      if (needsOld) {
        await changeValue(store, key, options, async (old) => {
          const value = await this.#compose(chunks, edits, old, old !== undefined);
          await this.#options.beforeWrite?.();
          return value;
        });
        return;
      }
      const value = await this.#compose(chunks, edits, undefined, false);
      await this.#options.beforeWrite?.();
      if (value === undefined) await store.delete(key, { signal: options.signal });
      else await store.write(key, value, { signal: options.signal });
    });
  }

  /**
   * The new bytes of a stored value.
   *
   * @param mustStay - Where something is, it is written over also by nothing but fill values: a conditional write is
   * safe, and there is no conditional delete.
   * @returns `undefined` if there is nothing to store.
   */
  async #compose(
    chunks: readonly (readonly number[])[],
    edits: readonly Edit[],
    old: Uint8Array | undefined,
    mustStay: boolean,
  ): Promise<Uint8Array | Uint8Array[] | undefined> {
    const { shards } = this.#options.layout;
    if (shards === undefined) {
      return this.#compose1(chunks[0] as readonly number[], edits[0] as Edit, old, mustStay);
    }
    const { store, path } = this.#options;
    const before: StoredShard | undefined =
      old && (await namingChunk(store, path, chunks[0] as readonly number[], async () => splitShard(old, shards)));
    const parts = new Array<Uint8Array | undefined>(chunks.length);
    await concurrently(chunks.keys(), CHUNKS_AT_ONCE, async (i) => {
      parts[i] = await this.#compose1(chunks[i] as readonly number[], edits[i] as Edit, before?.chunk(i), false);
    });
    const isEmptyShard = parts.every((part) => part === undefined);
    return isEmptyShard && !mustStay ? undefined : composeShard(parts, shards);
  }

  /** The new bytes of one chunk, `undefined` for one of nothing but fill values. */
  async #compose1(
    at: readonly number[],
    edit: Edit,
    old: Uint8Array | undefined,
    mustStay: boolean,
  ): Promise<Uint8Array | undefined> {
    if (edit === "keep") return old;
    const { store, path, layout, fillValue } = this.#options;
    const { codecs, chunkShape, dtype } = layout;
    if (edit === "remove") {
      return mustStay ? codecs.encode(filledArray(chunkShape, dtype, fillValue)) : undefined;
    }
    let chunk: NdArray;
    if ("make" in edit) {
      chunk = edit.make();
    } else {
      const current = old && (await namingChunk(store, path, at, () => codecs.decode(old.slice(), chunkShape)));
      chunk = edit.change(current ?? filledArray(chunkShape, dtype, fillValue));
    }
    const whole = contiguous(chunk);
    return isFilled(whole, fillValue) && !mustStay ? undefined : codecs.encode(whole);
  }
}

/** True if several processes can change one value of a store and none of the changes is lost. */
function canShare({ capabilities }: ByteStore): boolean {
  const { ifMatch, ifAbsent, persistent } = capabilities;
  const isSafe = (support: string) => support === "native" || (support === "emulated" && !persistent);
  return isSafe(ifMatch) && isSafe(ifAbsent);
}

/** Part of an array that lies somewhere, without a copy. */
function viewOf(source: NdArray, where: Box, part: Box): NdArray {
  const { stride } = source;
  const offset = part.start.reduce(
    (sum, from, axis) => sum + (from - (where.start[axis] as number)) * (stride[axis] as number),
    0,
  );
  const shape = part.stop.map((to, axis) => to - (part.start[axis] as number));
  return { ...source, shape, stride, data: source.data.subarray(offset) as NdArray["data"] };
}

function isEmpty(box: Box): boolean {
  return box.start.some((from, axis) => from >= (box.stop[axis] as number));
}
