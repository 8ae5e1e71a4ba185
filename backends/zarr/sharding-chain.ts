/**
 * Shards that are no outermost codec: within shards, behind a transposition, or packed once more as a whole. One of them
 * is unpacked as one, whatever is wanted of it.
 *
 * @see Zarr extensions, `sharding_indexed` codec
 */
import { joinBytes } from "../../src/core/byte-store.ts";
import { type DType, dtypes } from "../../src/core/dtype.ts";
import { isStorageError, StorageError } from "../../src/core/errors.ts";
import { contiguous, contiguousStride, type NdArray, sliceArray } from "../../src/core/nd-array.ts";
import { type ByteCodec, byteCodec } from "./byte-codecs.ts";
import { CodecChain } from "./codec-chain.ts";
import { filledArray, isFilled } from "./fill-value.ts";
import type { ChunkCodecs, ShardLayout } from "./layout.ts";
import { isRecord, isShape, type NamedConfiguration } from "./metadata.ts";
import { type Box, chunkBox, chunksOf, copyBox } from "./region.ts";
import { composeShard, splitShard } from "./shard.ts";

/** What is known of the chunks that an array, or a shard, is made of. */
export interface ChunkForm {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly fillValue: unknown;
}

/** The inside of a shard. */
export interface ShardInside {
  readonly chunkShape: readonly number[];
  readonly shards: ShardLayout;
  readonly codecs: ChunkCodecs;
}

/**
 * Understands a list of codecs.
 *
 * @returns `undefined` for those that are not ours.
 */
export function chunkCodecs(codecs: readonly NamedConfiguration[], form: ChunkForm): ChunkCodecs | undefined {
  return CodecChain.create(codecs, form.dtype, form.shape.length) ?? ShardingChain.create(codecs, form);
}

/**
 * Reads what shards of this form have inside.
 *
 * @returns `undefined` for what is not ours to read.
 */
export function readSharding(
  configuration: Readonly<Record<string, unknown>>,
  form: ChunkForm,
): ShardInside | undefined {
  const {
    chunk_shape: chunkShape,
    codecs,
    index_codecs: indexCodecs,
    index_location: location = "end",
  } = configuration;
  if (!isCodecList(codecs) || !isCodecList(indexCodecs)) return undefined;
  const [indexBytes, checksum, ...others] = indexCodecs;
  const indexEndian = indexBytes?.configuration?.endian ?? "little";
  if (!isShape(chunkShape) || chunkShape.length !== form.shape.length || chunkShape.includes(0)) return undefined;
  if (!form.shape.every((length, axis) => length % (chunkShape[axis] as number) === 0)) return undefined;
  if (indexBytes?.name !== "bytes" || others.length > 0 || (checksum && checksum.name !== "crc32c")) return undefined;
  if (location !== "start" && location !== "end") return undefined;
  if (indexEndian !== "little" && indexEndian !== "big") return undefined;
  const chain = chunkCodecs(codecs, { ...form, shape: chunkShape });
  if (chain === undefined) return undefined;
  const chunksPerShard = form.shape.map((length, axis) => length / (chunkShape[axis] as number));
  const shards = { chunksPerShard, indexEndian, hasChecksum: checksum !== undefined, location } as const;
  return { chunkShape, shards, codecs: chain };
}

/** A codec that packs a shard as a whole, with its name for messages. */
interface Step {
  readonly name: string;
  readonly codec: ByteCodec;
}

/** Any `transpose`, then shards, then codecs that pack them as wholes. */
class ShardingChain implements ChunkCodecs {
  readonly #form: ChunkForm;
  /** Axis of the array for each axis of the shard. */
  readonly #order: readonly number[];
  readonly #inside: ShardInside;
  /** In the order of encoding. */
  readonly #steps: readonly Step[];

  private constructor(form: ChunkForm, order: readonly number[], inside: ShardInside, steps: readonly Step[]) {
    this.#form = form;
    this.#order = order;
    this.#inside = inside;
    this.#steps = steps;
  }

  static create(codecs: readonly NamedConfiguration[], form: ChunkForm): ShardingChain | undefined {
    const at = codecs.findIndex(({ name }) => name !== "transpose");
    const sharding = codecs[at];
    if (sharding?.name !== "sharding_indexed") return undefined;
    let order = form.shape.map((_, axis) => axis);
    for (const { configuration } of codecs.slice(0, at)) {
      const axes = configuration?.order;
      const isOrder = Array.isArray(axes) && axes.length === order.length;
      if (!isOrder || !order.every((_, axis) => axes.includes(axis))) return undefined;
      order = axes.map((axis: number) => order[axis] as number);
    }
    const shape = order.map((axis) => form.shape[axis] as number);
    const inside = readSharding(sharding.configuration ?? {}, { ...form, shape });
    const steps = codecs.slice(at + 1).map(({ name, configuration }) => {
      return { name, codec: byteCodec(name, configuration ?? {}, dtypes[form.dtype].itemSize) };
    });
    const known = steps.filter((step): step is Step => step.codec !== undefined);
    return inside && known.length === steps.length ? new ShardingChain(form, order, inside, known) : undefined;
  }

  async encode(chunk: NdArray): Promise<Uint8Array> {
    const { shards, codecs } = this.#inside;
    const { fillValue } = this.#form;
    const stored = permuted(chunk, this.#order);
    const parts: (Uint8Array | undefined)[] = [];
    for (const { start, stop } of this.#chunks(stored.shape)) {
      const ranges = start.map((from, axis) => [from, stop[axis] as number] as const);
      const inner = contiguous(sliceArray(stored, ranges));
      parts.push(isFilled(inner, fillValue) ? undefined : await codecs.encode(inner));
    }
    let bytes = joinBytes(composeShard(parts, shards));
    for (const { codec } of this.#steps) bytes = await codec.encode(bytes);
    return bytes;
  }

  async decode(bytes: Uint8Array, shape: readonly number[]): Promise<NdArray> {
    const { chunkShape, shards, codecs } = this.#inside;
    const { dtype, fillValue } = this.#form;
    let plain = bytes;
    for (const { name, codec } of this.#steps.toReversed()) {
      plain = await naming(name, () => codec.decode(plain, undefined));
    }
    const storedShape = this.#order.map((axis) => shape[axis] as number);
    const stored = filledArray(storedShape, dtype, fillValue);
    const origin = shape.map(() => 0);
    await naming("sharding_indexed", async () => {
      const shard = splitShard(plain, shards);
      let number = 0;
      for (const { start } of this.#chunks(storedShape)) {
        const inner = shard.chunk(number++);
        if (inner !== undefined) copyBox(await codecs.decode(inner, chunkShape), start, stored, origin);
      }
    });
    const stride = contiguousStride(shape);
    this.#order.forEach((axis, at) => {
      stride[axis] = stored.stride[at] as number;
    });
    return { ...stored, shape: [...shape], stride };
  }

  /** The chunks of a shard, in the order of its index. */
  *#chunks(shape: readonly number[]): Generator<Box> {
    const { chunkShape } = this.#inside;
    const whole: Box = { start: shape.map(() => 0), stop: shape };
    for (const at of chunksOf(whole, chunkShape)) yield chunkBox(at, chunkShape);
  }
}

function permuted(array: NdArray, order: readonly number[]): NdArray {
  const pick = (of: readonly number[]) => order.map((axis) => of[axis] as number);
  return { ...array, shape: pick(array.shape), stride: pick(array.stride) };
}

async function naming<T>(codec: string, run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (!isStorageError(cause, "CORRUPT")) throw cause;
    throw new StorageError("CORRUPT", `codec "${codec}": ${cause.message}`, { cause });
  }
}

function isCodecList(value: unknown): value is NamedConfiguration[] {
  return Array.isArray(value) && value.every((codec) => isRecord(codec) && typeof codec.name === "string");
}
