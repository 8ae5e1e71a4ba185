/**
 * The byte shuffle of Blosc and HDF5: all first bytes of the items, then all second bytes, and so on. Neighbouring pixels
 * differ in their low bytes only, so what follows compresses several times better and faster.
 */
import { assembleShuffleKernel, type ShuffleFunction, type ShuffleKernelExports } from "./shuffle-kernel.ts";

const PAGE = 65536;

/**
 * Shuffles bytes.
 *
 * @param source - Items; bytes after the last whole item are copied as they are.
 * @param target - At least as long; must not overlap `source`.
 * @param itemSize - Bytes of one item.
 */
export function shuffle(source: Uint8Array, target: Uint8Array, itemSize: number): void {
  shufflePart(source, target, itemSize, 0);
}

/** Undoes {@link shuffle}; same arguments. */
export function unshuffle(source: Uint8Array, target: Uint8Array, itemSize: number): void {
  unshufflePart(source, target, itemSize, 0);
}

/**
 * Shuffles in memory of its own, by SIMD where an item has 2, 4 or 8 bytes. Holds `slots + 1` blocks of `blockBytes`, so
 * that results of several blocks can be in use while the next one is shuffled. Not shared between threads.
 */
export class Shuffler {
  /** Bytes that one block may have. */
  readonly blockBytes: number;
  /** Number of results that are valid at one time. */
  readonly slots: number;
  readonly #memory: Uint8Array;
  readonly #stride: number;
  readonly #kernel: ShuffleKernelExports;

  constructor(blockBytes: number, slots = 1) {
    this.blockBytes = blockBytes;
    this.slots = slots;
    this.#stride = Math.max(PAGE, Math.ceil(blockBytes / PAGE) * PAGE);
    const module = new wasm.Module(assembleShuffleKernel((this.#stride / PAGE) * (slots + 1)));
    this.#kernel = new wasm.Instance(module).exports;
    this.#memory = new Uint8Array(this.#kernel.memory.buffer);
  }

  /** The block that {@link Shuffler.shuffle} and {@link Shuffler.unshuffle} read: fill its first `byteLength` bytes. */
  input(byteLength: number): Uint8Array {
    return this.#memory.subarray(0, byteLength);
  }

  /**
   * Shuffles bytes of the input.
   *
   * @param start - Which is the first; the result is at the same place of its slot.
   * @returns A view of one slot, valid until that slot is used again.
   */
  shuffle(byteLength: number, itemSize: number, slot = 0, start = 0): Uint8Array {
    const source = this.#memory.subarray(start, start + byteLength);
    const target = this.#slot(slot, start + byteLength).subarray(start);
    const items = Math.floor(byteLength / itemSize);
    const done = this.#run(this.#function("shuffle", itemSize), target, items, start);
    shufflePart(source, target, itemSize, done);
    return target;
  }

  /** Undoes {@link Shuffler.shuffle}; same arguments. */
  unshuffle(byteLength: number, itemSize: number, slot = 0): Uint8Array {
    const source = this.input(byteLength);
    const target = this.#slot(slot, byteLength);
    const items = Math.floor(byteLength / itemSize);
    const done = this.#run(this.#function("unshuffle", itemSize), target, items);
    unshufflePart(source, target, itemSize, done);
    return target;
  }

  /**
   * Undoes a shuffle of any length, or a part of it, piece by piece through this memory, which so stays in the cache of
   * the processor.
   *
   * @param target - Unshuffled bytes of `source`; must not overlap it.
   * @param from - Which is the first of them.
   */
  unshuffleInto(source: Uint8Array, target: Uint8Array, itemSize: number, from = 0): void {
    const items = Math.floor(source.length / itemSize);
    const stop = from + target.length;
    if (from % itemSize !== 0 || (stop % itemSize !== 0 && stop !== source.length)) {
      const whole = new Uint8Array(source.length);
      this.unshuffleInto(source, whole, itemSize);
      target.set(whole.subarray(from, stop));
      return;
    }
    const kernel = this.#function("unshuffle", itemSize);
    const begin = from / itemSize;
    const wanted = Math.min(items, Math.floor(stop / itemSize)) - begin;
    const whole = kernel === undefined ? 0 : wanted - (wanted % 16);
    const most = Math.floor(this.blockBytes / itemSize / 16) * 16;
    for (let first = 0; first < whole; first += most) {
      const count = Math.min(most, whole - first);
      for (let byte = 0; byte < itemSize; byte++) {
        const at = byte * items + begin + first;
        this.#memory.set(source.subarray(at, at + count), byte * count);
      }
      kernel?.(0, this.#stride, count, count);
      target.set(this.#memory.subarray(this.#stride, this.#stride + count * itemSize), first * itemSize);
    }
    for (let byte = 0; byte < itemSize; byte++) {
      const plane = byte * items + begin;
      for (let item = whole, to = whole * itemSize + byte; item < wanted; item++, to += itemSize) {
        target[to] = source[plane + item] as number;
      }
    }
    if (stop > items * itemSize) target.set(source.subarray(items * itemSize), wanted * itemSize);
  }

  #slot(slot: number, byteLength: number): Uint8Array {
    const start = this.#stride * (slot + 1);
    return this.#memory.subarray(start, start + byteLength);
  }

  #function(name: "shuffle" | "unshuffle", itemSize: number): ShuffleFunction | undefined {
    return itemSize === 2 || itemSize === 4 || itemSize === 8 ? this.#kernel[`${name}${itemSize}`] : undefined;
  }

  /** Runs the kernel over whole groups of 16 items; answers how many items are done. */
  #run(kernel: ShuffleFunction | undefined, target: Uint8Array, items: number, source = 0): number {
    const groups = items - (items % 16);
    if (kernel === undefined || groups === 0) return 0;
    kernel(source, target.byteOffset, groups, items);
    return groups;
  }
}

// ECMAScript's own type library has no WebAssembly; this is all that is used of it.
const wasm = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;

interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: ShuffleKernelExports };
}

function shufflePart(source: Uint8Array, target: Uint8Array, itemSize: number, firstItem: number): void {
  const items = Math.floor(source.length / itemSize);
  for (let byte = 0; byte < itemSize; byte++) {
    const plane = byte * items;
    for (let item = firstItem, from = firstItem * itemSize + byte; item < items; item++, from += itemSize) {
      target[plane + item] = source[from] as number;
    }
  }
  target.set(source.subarray(items * itemSize), items * itemSize);
}

function unshufflePart(source: Uint8Array, target: Uint8Array, itemSize: number, firstItem: number): void {
  const items = Math.floor(source.length / itemSize);
  for (let byte = 0; byte < itemSize; byte++) {
    const plane = byte * items;
    for (let item = firstItem, to = firstItem * itemSize + byte; item < items; item++, to += itemSize) {
      target[to] = source[plane + item] as number;
    }
  }
  target.set(source.subarray(items * itemSize), items * itemSize);
}
