/** A stack of frames as a Zarr array with a chunk for each frame. */
import type { ByteStore, OperationOptions } from "../../src/core/byte-store.ts";
import { checkAborted, checkNdArray } from "../../src/core/checks.ts";
import type { DType } from "../../src/core/dtype.ts";
import { StorageError, type StorageErrorCode } from "../../src/core/errors.ts";
import type { FrameStack, FrameStackOptions } from "../../src/core/frame-stack.ts";
import { joinKey } from "../../src/core/key.ts";
import type { NdArray } from "../../src/core/nd-array.ts";
import { NativeZarrArray } from "./array.ts";
import { ChunkWriter } from "./chunk-writer.ts";
import { createZarrArray } from "./create.ts";
import { changeDocument } from "./documents.ts";
import { KeyedQueue } from "./keyed-queue.ts";
import type { ArrayMetadata } from "./metadata.ts";
import type { ArrayLayoutOptions } from "./new-array.ts";
import { type ArrayNode, findNode } from "./nodes.ts";
import { isReserved, reservedName } from "./place-array.ts";

/** Codecs that pack nothing. */
const plainCodecs: ReadonlySet<string> = new Set(["bytes", "transpose", "crc32c"]);

/**
 * Opens a stack, or makes one. Chunks lie in one folder, so that a frame costs one file and no folders.
 *
 * @param layout - How a new array is packed.
 */
export async function openZarrStack(
  store: ByteStore,
  path: string,
  options: FrameStackOptions,
  layout: Pick<ArrayLayoutOptions, "compressor" | "codecs">,
): Promise<FrameStack> {
  const { frameShape, dtype, signal } = options;
  if (path.split("/").some(isReserved)) throw reservedName(store, path);
  if ((await findNode(store, path, { signal })) === undefined) {
    await createZarrArray(store, path, {
      ...layout,
      shape: [0, ...frameShape],
      chunkShape: [1, ...frameShape.map((length) => Math.max(1, length))],
      dtype,
      separator: ".",
      signal,
    });
  }
  const node = await findNode(store, path, { signal });
  if (node?.kind !== "array") {
    const message = `"${path}" in "${store.name}" is a group, not a stack of frames`;
    throw new StorageError("IS_A_DIRECTORY", message, { backend: store.name, operation: "open", identifier: path });
  }
  const array = NativeZarrArray.create(store, node);
  const fits = array?.layout.shards === undefined && array?.layout.unitShape[0] === 1;
  if (array === undefined || !fits || node.metadata === undefined || node.format !== 3) {
    const message = `"${path}" in "${store.name}" is no array of Zarr v3 with a chunk for each frame`;
    throw new StorageError("UNSUPPORTED", message, { backend: store.name, operation: "open", identifier: path });
  }
  const stack = new ZarrStack(store, node, array, node.metadata);
  stack.check(frameShape, dtype, "open");
  return stack;
}

class ZarrStack implements FrameStack {
  readonly path: string;
  readonly storeUri: string;
  readonly frameShape: readonly number[];
  readonly dtype: DType;
  readonly codec: string;
  readonly #store: ByteStore;
  readonly #writer: ChunkWriter;
  readonly #turns = new KeyedQueue();
  #length: number;
  #published: number;

  constructor(store: ByteStore, node: ArrayNode, array: NativeZarrArray, metadata: ArrayMetadata) {
    const [length = 0, ...frameShape] = node.shape;
    const { layout, fillValue } = array;
    this.path = node.path;
    this.storeUri = store.uri("");
    this.frameShape = frameShape;
    this.dtype = array.dtype;
    this.codec = metadata.codecs.find(({ name }) => !plainCodecs.has(name))?.name ?? "none";
    this.#store = store;
    this.#writer = new ChunkWriter({ store, path: node.path, layout, fillValue, isExclusive: true });
    this.#length = length;
    this.#published = length;
  }

  get length(): number {
    return this.#length;
  }

  async append(frame: NdArray, options: OperationOptions = {}): Promise<number> {
    const { shape, dtype } = checkNdArray(frame, { operation: "append", identifier: this.path });
    this.check(shape, dtype, "append");
    return this.#turns.run("frames", async () => {
      checkAborted(options.signal, { operation: "append", identifier: this.path });
      const index = this.#length;
      const stop = [index + 1, ...shape];
      const region = { start: [index, ...shape.map(() => 0)], stop };
      // Once it is being written it is written to its end: half of a frame would be nobody's.
      await this.#writer.write(
        region,
        { ...frame, shape: [1, ...shape], stride: [0, ...frame.stride] },
        () => stop,
        {},
      );
      this.#length = index + 1;
      return index;
    });
  }

  publish(options: OperationOptions = {}): Promise<void> {
    return this.#turns.run("shape", async () => {
      const length = this.#length;
      if (length === this.#published) return;
      await changeDocument(this.#store, joinKey(this.path, "zarr.json"), options, (document) => {
        if (document === undefined) throw this.#error("NOT_FOUND", "publish", `The array at "${this.path}" is gone`);
        return { ...document, shape: [length, ...this.frameShape] };
      });
      this.#published = length;
    });
  }

  /** Refuses frames of another shape or type. */
  check(shape: readonly number[], dtype: DType, operation: string): void {
    if (shape.join() !== this.frameShape.join()) {
      const message = `"${this.path}" holds frames of [${this.frameShape.join(", ")}], not of [${shape.join(", ")}]`;
      throw this.#error("SHAPE_MISMATCH", operation, message);
    }
    if (dtype === this.dtype) return;
    throw this.#error("DTYPE_MISMATCH", operation, `"${this.path}" holds frames of ${this.dtype}, not of ${dtype}`);
  }

  #error(code: StorageErrorCode, operation: string, message: string): StorageError {
    return new StorageError(code, message, { backend: this.#store.name, operation, identifier: this.path });
  }
}
