/**
 * The little of MessagePack that points of varying shape need: a list of a list of lengths and the bytes.
 *
 * @see https://github.com/msgpack/msgpack/blob/master/spec.md
 */
import { StorageError } from "../../core/errors.ts";

/** Shape and bytes as `[[…shape], bytes]`. */
export function packShapedBytes(shape: readonly number[], bytes: Uint8Array): Uint8Array {
  const head = [0x92, ...packHead(shape.length, 0x90, 15, [0xdc, 2], [0xdd, 4])];
  for (const length of shape) head.push(...packNumber(length));
  const size = bytes.length;
  if (size < 2 ** 8) head.push(0xc4, size);
  else if (size < 2 ** 16) head.push(0xc5, ...bigEndian(size, 2));
  else head.push(0xc6, ...bigEndian(size, 4));
  const packed = new Uint8Array(head.length + size);
  packed.set(head);
  packed.set(bytes, head.length);
  return packed;
}

/**
 * What {@link packShapedBytes} wrote, or another library of MessagePack.
 *
 * @returns The bytes share memory with the argument.
 * @throws A {@link StorageError} `CORRUPT`.
 */
export function unpackShapedBytes(packed: Uint8Array): { shape: number[]; bytes: Uint8Array } {
  const reader = new Reader(packed);
  if (reader.list() !== 2) throw corrupt("a list of two was expected");
  const shape = Array.from({ length: reader.list() }, () => reader.number());
  return { shape, bytes: reader.bytes() };
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  list(): number {
    const tag = this.#take(1);
    if (tag >= 0x90 && tag <= 0x9f) return tag & 0x0f;
    if (tag === 0xdc || tag === 0xdd) {
      const length = this.#take(tag === 0xdc ? 2 : 4);
      if (length <= this.#bytes.length) return length;
    }
    throw corrupt("a list was expected");
  }

  number(): number {
    const tag = this.#take(1);
    if (tag < 0x80) return tag;
    if (tag >= 0xcc && tag <= 0xcf) return this.#take(2 ** (tag - 0xcc));
    throw corrupt("a length was expected");
  }

  bytes(): Uint8Array {
    const tag = this.#take(1);
    if (tag < 0xc4 || tag > 0xc6) throw corrupt("bytes were expected");
    const length = this.#take(2 ** (tag - 0xc4));
    const end = this.#at + length;
    if (end > this.#bytes.length) throw corrupt("it ends too early");
    return this.#bytes.subarray(this.#at, end);
  }

  /** A big-endian number of so many bytes. */
  #take(size: number): number {
    if (this.#at + size > this.#bytes.length) throw corrupt("it ends too early");
    let value = 0;
    for (let i = 0; i < size; i++) value = value * 256 + (this.#bytes[this.#at++] as number);
    return value;
  }
}

function packHead(
  length: number,
  small: number,
  most: number,
  ...sizes: readonly [tag: number, bytes: number][]
): number[] {
  if (length <= most) return [small | length];
  const [tag, bytes] = sizes.find(([, size]) => length < 256 ** size) as [number, number];
  return [tag, ...bigEndian(length, bytes)];
}

function packNumber(value: number): number[] {
  return packHead(value, 0, 0x7f, [0xcc, 1], [0xcd, 2], [0xce, 4], [0xcf, 7]).flatMap((byte, i, all) =>
    // Eight bytes, of which JavaScript fills seven.
    i === 0 && byte === 0xcf && all.length === 8 ? [byte, 0] : [byte],
  );
}

function bigEndian(value: number, size: number): number[] {
  return Array.from({ length: size }, (_, i) => Math.floor(value / 256 ** (size - 1 - i)) % 256);
}

function corrupt(reason: string): StorageError {
  return new StorageError("CORRUPT", `A point of varying shape cannot be read: ${reason}`);
}
