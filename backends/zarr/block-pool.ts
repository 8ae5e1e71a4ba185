import { pageBlocks } from "../../src/core/page-memory.ts";

/** Memory of a fixed size in equal blocks, taken and given back, so that writing frames allocates nothing. */
export class BlockPool {
  /** Bytes of one block. */
  readonly blockBytes: number;
  readonly #limit: number;
  readonly #waiting: (() => void)[] = [];
  #free: Uint8Array[] | undefined;

  /** @param limit - Most blocks that exist at one time; each takes memory once it is used. */
  constructor(blockBytes: number, limit: number) {
    this.blockBytes = blockBytes;
    this.#limit = limit;
  }

  /** A block, or `undefined` while all are in use. Its contents are whatever was there last. */
  take(): Uint8Array | undefined {
    // At pages, so that a store which writes past the cache of the system takes them without a copy.
    this.#free ??= pageBlocks(this.blockBytes, this.#limit);
    return this.#free.pop();
  }

  /** Hands a block back. */
  give(block: Uint8Array): void {
    this.#free?.push(block);
    this.#waiting.shift()?.();
  }

  /** Resolves when a block was handed back since. */
  whenGiven(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
