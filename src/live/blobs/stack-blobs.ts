/** Large frames as arrays of a backend: one array for each stream, which is a store of its own. */
import type { FrameStack, FrameStackSource } from "../../core/frame-stack.ts";
import { joinKey } from "../../core/key.ts";
import type { FrameReference } from "../encoding/frames.ts";
import type { CallOptions } from "../engine.ts";
import { type BlobFrames, type BlobPlace, blobFolder } from "./blob-tier.ts";

/** For data that stays: what retention lets go in the engine is still in the array. */
export class StackBlobs implements BlobPlace {
  readonly #backend: FrameStackSource;
  readonly #folder: string;
  readonly #stacks = new Map<string, FrameStack>();

  /**
   * @param backend - Takes frames one at a time, as a Zarr backend does; stays its owner's.
   * @param folder - Key that the arrays are below.
   */
  constructor(backend: FrameStackSource, folder = "") {
    this.#backend = backend;
    this.#folder = folder;
  }

  async put({ stream, kind, frames }: BlobFrames, options: CallOptions = {}): Promise<FrameReference[]> {
    const stack = this.#stacks.get(stream) ?? (await this.#open(stream, kind, options));
    const references: FrameReference[] = [];
    for (const frame of frames) {
      const index = await stack.append(frame, options);
      references.push({ kind: "array", uri: stack.storeUri, path: stack.path, index });
    }
    await stack.publish(options);
    return references;
  }

  /** An array counts its frames by itself. */
  async nextSequence(): Promise<number> {
    return 0;
  }

  async end(stream: string): Promise<void> {
    this.#stacks.delete(stream);
  }

  async trim(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stacks.clear();
  }

  async #open(stream: string, { shape, dtype }: BlobFrames["kind"], options: CallOptions): Promise<FrameStack> {
    const path = joinKey(this.#folder, blobFolder(stream));
    const stack = await this.#backend.openFrameStack(path, { frameShape: shape, dtype, ...options });
    this.#stacks.set(stream, stack);
    return stack;
  }
}
