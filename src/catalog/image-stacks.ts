/** Where the images of one run go: a stack of frames for each field. */
import type { OperationOptions } from "../core/byte-store.ts";
import { StorageError } from "../core/errors.ts";
import type { FrameStack, FrameStackSource } from "../core/frame-stack.ts";
import type { NdArray } from "../core/nd-array.ts";

/** An image that was stored. */
export interface StoredImage {
  readonly stack: FrameStack;
  /** Index in its stack, from 0. */
  readonly index: number;
}

/** The stacks of one run, each opened with its first image. */
export class ImageStacks {
  readonly #open: () => Promise<FrameStackSource>;
  readonly #folder: string;
  readonly #stacks = new Map<string, Promise<FrameStack>>();
  /** Images that are being stored. */
  readonly #underWay = new Set<Promise<unknown>>();

  /** @param folder - Key that the stacks are below. */
  constructor(folder: string, open: () => Promise<FrameStackSource>) {
    this.#folder = folder;
    this.#open = open;
  }

  /**
   * Stores an image behind the others of its field.
   *
   * @param finish - Called with the image before anybody who waits for {@link ImageStacks.settled} goes on.
   */
  append<T>(field: string, image: NdArray, options: OperationOptions, finish: (stored: StoredImage) => T): Promise<T> {
    const storing = this.#append(field, image, options).then(finish);
    const settled: Promise<unknown> = storing.then(
      () => this.#underWay.delete(settled),
      () => this.#underWay.delete(settled),
    );
    this.#underWay.add(settled);
    return storing;
  }

  /** True if images are being stored. */
  get isBusy(): boolean {
    return this.#underWay.size > 0;
  }

  /** Resolves when the images that are being stored now are, or have failed. */
  async settled(): Promise<void> {
    await Promise.all([...this.#underWay]);
  }

  /** Makes the images that were stored parts of their arrays. */
  async publish(): Promise<void> {
    const stacks = await Promise.allSettled(this.#stacks.values());
    await Promise.all(stacks.map((stack) => (stack.status === "fulfilled" ? stack.value.publish() : undefined)));
  }

  async #append(field: string, image: NdArray, options: OperationOptions): Promise<StoredImage> {
    const stack = await this.#stack(field, image);
    return { stack, index: await stack.append(image, options) };
  }

  #stack(field: string, image: NdArray): Promise<FrameStack> {
    const known = this.#stacks.get(field);
    if (known !== undefined) return known;
    const opening = this.#openStack(field, image);
    this.#stacks.set(field, opening);
    // A failed opening is forgotten, so that the next image tries again.
    opening.catch(() => this.#stacks.delete(field));
    return opening;
  }

  async #openStack(field: string, image: NdArray): Promise<FrameStack> {
    const { length } = new TextEncoder().encode(field);
    if (field === "" || field === "." || field === ".." || field.includes("/") || length > 200) {
      const message = `"${field}" cannot be the name of a field of images: it is part of a path`;
      throw new StorageError("INVALID_KEY", message, { operation: "writeImage", identifier: field });
    }
    const source = await this.#open();
    return source.openFrameStack(`${this.#folder}/${field}`, { frameShape: image.shape, dtype: image.dtype });
  }
}
