/** What it takes to write a level block by block: how large blocks may be, and how many bytes one of them needs. */
import { dtypes } from "../../../src/core/dtype.ts";
import { byteLengthOf, sizeOf } from "../../../src/core/nd-array.ts";
import type { ArrayLayout } from "../layout.ts";

/** Chunks that are packed, and shards that are put together, at the same time; see `ChunkWriter`. */
const CHUNKS_PACKED = 8;
const SHARDS_PACKED = 2;
/** Chunks that one read has in memory at the same time, at most. */
const CHUNKS_READ = 64;
/** Elements of a level that are made at once, in bytes: enough for a read to be worth it. */
const PIECE_BYTES = 4 * 2 ** 20;

/** Bytes beside those of a block while it is packed: copies of chunks in order, and what was made of them. */
export function packingBytes(layout: ArrayLayout, blockShape: readonly number[]): number {
  const chunk = byteLengthOf({ shape: layout.chunkShape, dtype: layout.dtype });
  const units = partsOf(blockShape, layout.unitShape);
  if (layout.shards === undefined) return 2 * chunk * Math.min(units, CHUNKS_PACKED);
  const unit = byteLengthOf({ shape: layout.unitShape, dtype: layout.dtype });
  const chunks = Math.min(partsOf(layout.unitShape, layout.chunkShape), CHUNKS_PACKED);
  return Math.min(units, SHARDS_PACKED) * (unit + chunks * chunk);
}

/** Bytes beside those of a block while it is read from chunks: these, packed and not. */
export function readingBytes(
  blockShape: readonly number[],
  { chunkShape, itemSize }: { readonly chunkShape: readonly number[]; readonly itemSize: number },
): number {
  return 2 * sizeOf(chunkShape) * itemSize * Math.min(partsOf(blockShape, chunkShape), CHUNKS_READ);
}

/** Bytes that it takes to make a piece of a level from the one before. */
export function shrinkingBytes(before: ArrayLayout, layout: ArrayLayout, factors: readonly number[]): number {
  const { dtype } = layout;
  const piece = pieceShapeOf(layout);
  const read = piece.map((length, axis) => length * (factors[axis] as number));
  const { chunkShape } = before;
  const transient = readingBytes(read, { chunkShape, itemSize: dtypes[dtype].itemSize });
  return byteLengthOf({ shape: piece, dtype }) + byteLengthOf({ shape: read, dtype }) + transient;
}

/** Shape of what is made of the level before at once: chunks, several where they are small. */
export function pieceShapeOf({ chunkShape, unitShape, dtype }: ArrayLayout): number[] {
  return growBlock(chunkShape, unitShape, (shape) => byteLengthOf({ shape, dtype }) <= PIECE_BYTES);
}

/**
 * The largest block of whole units, up to what is wanted, that fits.
 *
 * @returns At least one unit, whether it fits or not.
 */
export function growBlock(
  unitShape: readonly number[],
  wanted: readonly number[],
  fits: (shape: readonly number[]) => boolean,
): number[] {
  let block = [...unitShape];
  for (let axis = unitShape.length - 1; axis >= 0; axis--) {
    const unit = unitShape[axis] as number;
    let units = Math.ceil((wanted[axis] as number) / unit);
    while (units > 1 && !fits(block.with(axis, units * unit))) units = Math.ceil(units / 2);
    block = block.with(axis, Math.max(1, units) * unit);
  }
  return block;
}

/** Parts of a shape that a block touches, wherever it begins that its length fits to. */
function partsOf(blockShape: readonly number[], partShape: readonly number[]): number {
  return blockShape.reduce((product, length, axis) => {
    const part = partShape[axis] as number;
    const isAligned = length % part === 0 || part % length === 0;
    return product * (Math.ceil(length / part) + (isAligned ? 0 : 1));
  }, 1);
}
