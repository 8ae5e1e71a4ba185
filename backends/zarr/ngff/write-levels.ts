/** Writes the resolutions of an image, also of one that is larger than memory. */
import type { ByteStore, OperationOptions } from "../../../src/core/byte-store.ts";
import { checkAborted } from "../../../src/core/checks.ts";
import { dtypes } from "../../../src/core/dtype.ts";
import { StorageError } from "../../../src/core/errors.ts";
import { joinKey } from "../../../src/core/key.ts";
import { byteLengthOf, isNdArray, type NdArray, zeros } from "../../../src/core/nd-array.ts";
import type { ChunkWriter } from "../chunk-writer.ts";
import { concurrently } from "../concurrently.ts";
import { type ArrayLayout, arrayLayout } from "../layout.ts";
import { saveParts } from "../place-array.ts";
import { openZarrArray } from "../reader.ts";
import { type Box, chunkBox, chunksOf, copyBox, intersect } from "../region.ts";
import { downsample } from "./downsample.ts";
import { type ImageInput, type ImageParts, type ImageSource, isImageSource } from "./image-source.ts";
import { growBlock, packingBytes, pieceShapeOf, readingBytes, shrinkingBytes } from "./level-memory.ts";
import { PartCollector } from "./part-collector.ts";
import { saveInside } from "./place-group.ts";
import type { ImagePlan, LevelPlan } from "./plan-image.ts";

/** Memory for elements on their way, unless one step needs more and nothing else was said. */
const USUAL_BYTES = 256 * 2 ** 20;
/** Steps that run at the same time: one reads while another packs. */
const STEPS_AT_ONCE = 4;

/** How one level of an image that is not in memory is written. */
interface LevelSteps {
  readonly layout: ArrayLayout;
  readonly blockShape: readonly number[];
  /** Bytes of elements in memory for each block that is under way. */
  readonly blockBytes: number;
  /** Blocks that are under way at once. */
  readonly atOnce: number;
  /** Bytes that all of them may have. */
  readonly maxBytes: number;
}

/** How the levels of an image are written; none for one that is in memory. */
export type LevelSchedule = readonly LevelSteps[];

/**
 * Decides how an image that is not in memory is cut into blocks. Touches no store.
 *
 * @param maxBytes - Most bytes of elements that may be in memory. Default 256 MiB, or what the largest chunk (or shard)
 * needs.
 * @throws A {@link StorageError} `INVALID_DATA` if a chunk, or a shard, cannot be written in so many bytes.
 */
export function scheduleLevels(
  { levels }: Pick<ImagePlan, "levels">,
  input: ImageInput,
  maxBytes: number | undefined,
): LevelSchedule {
  if (maxBytes !== undefined && !(Number.isSafeInteger(maxBytes) && maxBytes >= 1)) {
    throw new StorageError("INVALID_DATA", `maxBytes must be a whole number ≥ 1, got ${String(maxBytes)}`);
  }
  if (isNdArray(input)) return [];
  const layouts = levels.map(({ array, path }) => arrayLayout(array.metadata, path) as ArrayLayout);
  const chunkShape = isImageSource(input) ? input.chunkShape : undefined;
  return levels.map(({ shape, path, factors }, index) => {
    const layout = layouts[index] as ArrayLayout;
    const { unitShape, dtype } = layout;
    const bytesOf = (block: readonly number[]) => {
      const bytes = byteLengthOf({ shape: block, dtype }) + packingBytes(layout, block);
      if (index > 0) return bytes + shrinkingBytes(layouts[index - 1] as ArrayLayout, layout, factors);
      return bytes + (chunkShape ? readingBytes(block, { chunkShape, itemSize: dtypes[dtype].itemSize }) : 0);
    };
    const least = bytesOf(unitShape);
    const most = Math.max(maxBytes ?? USUAL_BYTES, least);
    if (maxBytes !== undefined && most > maxBytes) {
      const unit = layout.shards === undefined ? "chunk" : "shard";
      const message = `To write a ${unit} of [${unitShape.join(", ")}] of level "${path}" takes ${least} bytes of memory, more than maxBytes (${maxBytes}); allow more, or pass a smaller ${unit}Shape`;
      throw new StorageError("INVALID_DATA", message);
    }
    // What the source reads at once is read once, where there is room for it.
    const wanted = shape.map((length, axis) => Math.min(length, (index === 0 && chunkShape?.[axis]) || 1));
    const blockShape = growBlock(unitShape, wanted, (block) => bytesOf(block) <= most / 2);
    const blockBytes = bytesOf(blockShape);
    const atOnce = Math.min(STEPS_AT_ONCE, Math.floor(most / blockBytes));
    return { layout, blockShape, blockBytes, atOnce, maxBytes: most };
  });
}

/** What {@link writeLevels} needs beside the image. */
export interface LevelTarget extends OperationOptions {
  readonly store: ByteStore;
  /** Key of the group that is being made. */
  readonly place: string;
  /** Called before each block; rejects if the group is no longer ours. */
  readonly keep: () => Promise<void>;
}

/** Writes the levels of an image, each made of the one before. */
export async function writeLevels(
  plan: ImagePlan,
  input: ImageInput,
  schedule: LevelSchedule,
  target: LevelTarget,
): Promise<void> {
  const { store, place, keep, signal } = target;
  let array = isNdArray(input) ? input : undefined;
  for (const [index, level] of plan.levels.entries()) {
    const key = joinKey(place, level.path);
    await keep();
    if (array !== undefined) {
      if (index > 0) array = downsample(array, level.factors, plan.method);
      await saveInside(store, key, array, level.array, { signal });
      continue;
    }
    const steps = schedule[index] as LevelSteps;
    const before = plan.levels[index - 1];
    const write =
      before !== undefined
        ? blockWriter(level, steps, await shrunk(joinKey(place, before.path), plan, level, steps, target), target)
        : isImageSource(input as ImageSource)
          ? blockWriter(level, steps, readerOf(input as ImageSource, key, signal), target)
          : (writer: ChunkWriter) => writeParts(writer, input as ImageParts, plan, steps, target);
    await saveParts(store, key, level.array, { mayReplace: false, prepare: async () => {}, signal }, write);
  }
}

/** Makes the elements of a block. */
type BlockReader = (block: Box) => Promise<NdArray>;

function blockWriter(
  { shape }: LevelPlan,
  { blockShape, atOnce }: LevelSteps,
  read: BlockReader,
  { place, keep, signal }: LevelTarget,
): (writer: ChunkWriter) => Promise<void> {
  return (writer) =>
    concurrently(blocksOf(shape, blockShape), atOnce, async (block) => {
      checkAborted(signal, { operation: "writeImage", identifier: place });
      await keep();
      await writer.write(block, await read(block), () => shape, { signal });
    });
}

function readerOf(source: ImageSource, identifier: string, signal: AbortSignal | undefined): BlockReader {
  return async ({ start, stop }) => {
    const selection = start.map((from, axis) => [from, stop[axis] as number] as const);
    const array = await source.read(selection, { signal });
    const isRight = isNdArray(array) && array.dtype === source.dtype && array.shape.length === start.length;
    if (isRight && array.shape.every((length, axis) => (start[axis] as number) + length === stop[axis])) return array;
    const got = isNdArray(array) ? `[${array.shape.join(", ")}] of ${array.dtype}` : typeof array;
    const message = `The source of "${identifier}" read ${got} for ${JSON.stringify(selection)} of ${source.dtype}`;
    throw new StorageError("SHAPE_MISMATCH", message, { operation: "writeImage", identifier });
  };
}

/** Makes blocks of the level before, a piece after the other, so that little of that one is in memory. */
async function shrunk(
  before: string,
  { method }: ImagePlan,
  { factors }: LevelPlan,
  { layout }: LevelSteps,
  { store, signal }: LevelTarget,
): Promise<BlockReader> {
  const array = await openZarrArray(store, before, { signal });
  const pieceShape = pieceShapeOf(layout);
  return async (block) => {
    const out = zeros(
      block.stop.map((to, axis) => to - (block.start[axis] as number)),
      layout.dtype,
    );
    for (const at of chunksOf(block, pieceShape)) {
      const { start, stop } = intersect(chunkBox(at, pieceShape), block);
      const selection = start.map((from, axis) => {
        const factor = factors[axis] as number;
        return [from * factor, Math.min((stop[axis] as number) * factor, array.shape[axis] as number)] as const;
      });
      copyBox(downsample(await array.read(selection, { signal }), factors, method), start, out, block.start);
    }
    return out;
  };
}

async function writeParts(
  writer: ChunkWriter,
  { parts, order }: ImageParts,
  { axes, levels }: ImagePlan,
  { layout, maxBytes }: LevelSteps,
  { place, keep, signal }: LevelTarget,
): Promise<void> {
  const { shape } = levels[0] as LevelPlan;
  const { unitShape, dtype } = layout;
  const unitBytes = packingBytes(layout, unitShape);
  const names = axes.map(({ name }) => name);
  const collector = new PartCollector({ shape, dtype, unitShape, axes: names, order, maxBytes: maxBytes - unitBytes });
  for await (const part of parts) {
    checkAborted(signal, { operation: "writeImage", identifier: place });
    await keep();
    const ready = collector.add(part);
    const bytes = ready.reduce((sum, { array }) => sum + byteLengthOf(array), collector.pendingBytes);
    const atOnce = Math.max(1, Math.min(STEPS_AT_ONCE, Math.floor((maxBytes - bytes) / unitBytes)));
    await concurrently(ready, atOnce, ({ box, array }) => writer.write(box, array, () => shape, { signal }));
  }
  collector.finish();
}

function* blocksOf(shape: readonly number[], blockShape: readonly number[]): Generator<Box> {
  const whole: Box = { start: shape.map(() => 0), stop: shape };
  for (const at of chunksOf(whole, blockShape)) yield intersect(chunkBox(at, blockShape), whole);
}
