/** Memory that begins at a page of the machine, which a device can take without a copy in between. */

/** Bytes to which memory and positions are aligned: the page of nearly every machine, and a multiple of every block. */
export const PAGE_BYTES = 4096;

/** What a WebAssembly memory grows by. */
const WASM_PAGE_BYTES = 65_536;

/** The one part of WebAssembly that is needed here; the types of the language alone do not have it. */
interface PageMemory {
  readonly Memory?: new (size: { readonly initial: number }) => { readonly buffer: ArrayBuffer };
}

/**
 * Equal blocks of memory, each beginning at a page, as long as their length is a multiple of {@link PAGE_BYTES}. Nothing
 * in the language says where an `ArrayBuffer` begins; that of a WebAssembly memory begins at a page. Where there is no
 * WebAssembly (`--jitless`), or no room for its address range, the blocks are ordinary memory, and whoever needs them
 * aligned is told by the system.
 *
 * @param count - Blocks that share one range; the system gives a page when it is first written.
 */
export function pageBlocks(blockBytes: number, count: number): Uint8Array[] {
  const byteLength = blockBytes * count;
  const buffer = wasmBuffer(byteLength) ?? new ArrayBuffer(byteLength);
  return Array.from({ length: count }, (_, index) => new Uint8Array(buffer, index * blockBytes, blockBytes));
}

function wasmBuffer(byteLength: number): ArrayBuffer | undefined {
  const { Memory } = (globalThis as { WebAssembly?: PageMemory }).WebAssembly ?? {};
  if (Memory === undefined) return undefined;
  try {
    return new Memory({ initial: Math.ceil(byteLength / WASM_PAGE_BYTES) }).buffer;
  } catch (error) {
    // No room in the address space (`ulimit -v`, many memories): ordinary memory does as well, more slowly.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
