/** Memory of a fixed size in equal blocks, taken and given back, so that writing frames allocates nothing. */
export class BlockPool {
  /** Bytes of one block. */
  readonly blockBytes: number;
  readonly #limit: number;
  readonly #free: Uint8Array[] = [];
  readonly #waiting: (() => void)[] = [];
  #made = 0;

  /** @param limit - Most blocks that exist at one time; made when they are first needed. */
  constructor(blockBytes: number, limit: number) {
    this.blockBytes = blockBytes;
    this.#limit = limit;
  }

  /** A block, or `undefined` while all are in use. Its contents are whatever was there last. */
  take(): Uint8Array | undefined {
    const block = this.#free.pop();
    if (block !== undefined || this.#made === this.#limit) return block;
    this.#made++;
    return new Uint8Array(this.blockBytes);
  }

  /** Hands a block back. */
  give(block: Uint8Array): void {
    this.#free.push(block);
    this.#waiting.shift()?.();
  }

  /** Resolves when a block was handed back since. */
  whenGiven(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
