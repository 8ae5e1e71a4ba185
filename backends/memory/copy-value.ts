/** Copies of values, exact or refused. */
import { dtypes } from "../../src/core/dtype.ts";
import { StorageError } from "../../src/core/errors.ts";
import { byteLengthOf, copyArray, isNdArray } from "../../src/core/nd-array.ts";

/** A value with the bytes it takes, as far as a quota counts them. */
export interface Measured {
  readonly value: unknown;
  /** Bytes of arrays and strings exactly, 8 for every other primitive and for every key of an object. */
  readonly byteLength: number;
}

/** What {@link copyValue} knows while it walks. */
interface Walk {
  /** Copies by their original: shared parts stay shared, and circles end. */
  readonly seen: Map<object, unknown>;
  /** False: only checks and measures, and keeps the memory. */
  readonly copies: boolean;
  byteLength: number;
}

/**
 * A deep copy that shares no memory with the value: arrays ({@link copyArray}: the result is in C order), typed arrays,
 * buffers, plain objects, lists, maps, sets, dates and primitives. Parts that occur twice in the value are one part in
 * the copy too, and circles are kept.
 *
 * `structuredClone` is not used: it makes plain objects of class instances without a word, and copies the whole buffer
 * behind a view.
 *
 * @throws A {@link StorageError} `INVALID_DATA` that names the path of a function, symbol, class instance or
 * `undefined` at the top.
 */
export function copyValue(value: unknown): unknown {
  return walkValue(value, true).value;
}

/** The value with its size, checked as {@link copyValue} does; a copy only if `copies`. */
export function walkValue(value: unknown, copies: boolean): Measured {
  if (value === undefined) throw refuse("undefined", "");
  const walk: Walk = { seen: new Map(), copies, byteLength: 0 };
  return { value: visit(value, "", walk), byteLength: walk.byteLength };
}

function visit(value: unknown, path: string, walk: Walk): unknown {
  if (typeof value === "function" || typeof value === "symbol") throw refuse(`a ${typeof value}`, path);
  if (typeof value !== "object" || value === null) {
    walk.byteLength += typeof value === "string" ? 2 * value.length : 8;
    return value;
  }
  const known = walk.seen.get(value);
  if (known !== undefined) return known;
  return visitObject(value, path, walk);
}

function visitObject(value: object, path: string, walk: Walk): unknown {
  const keep = <T extends object>(copy: T): T => {
    walk.seen.set(value, copy);
    return copy;
  };
  if (isNdArray(value) && Object.keys(value).every((key) => arrayFields.has(key))) {
    walk.byteLength += byteLengthOf(value);
    return keep(walk.copies ? copyArray(value) : value);
  }
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    walk.byteLength += value.byteLength;
    return keep(walk.copies ? copyBuffer(value, path) : value);
  }
  if (value instanceof Date) {
    walk.byteLength += 8;
    return keep(walk.copies ? new Date(value) : value);
  }
  if (Array.isArray(value)) {
    const target: unknown[] = keep(walk.copies ? new Array(value.length) : value);
    for (let i = 0; i < value.length; i++) if (i in value) target[i] = visit(value[i], `${path}[${i}]`, walk);
    return target;
  }
  if (value instanceof Map) {
    const target = keep(walk.copies ? new Map() : value);
    for (const [key, item] of value) target.set(visit(key, `${path}.keys()`, walk), visit(item, `${path}.get()`, walk));
    return target;
  }
  if (value instanceof Set) {
    const target = keep(walk.copies ? new Set() : value);
    for (const item of value) target.add(visit(item, `${path}.values()`, walk));
    return target;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw refuse(kindOf(value), path);
  const target: object = keep(walk.copies ? Object.create(prototype) : value);
  for (const [key, item] of Object.entries(value)) {
    walk.byteLength += 8;
    const copy = visit(item, path === "" ? key : `${path}.${key}`, walk);
    // Defined, not assigned: "__proto__" is an ordinary key of a JSON document.
    if (walk.copies) {
      Object.defineProperty(target, key, { value: copy, writable: true, enumerable: true, configurable: true });
    }
  }
  return target;
}

/** Objects with more than these are ordinary objects that happen to hold an array's fields, and keep the rest. */
const arrayFields: ReadonlySet<string> = new Set(["data", "shape", "stride", "dtype"]);

/** Typed arrays that a copy can be made of: those of the dtypes and the clamped one. */
function copyBuffer(value: ArrayBufferView | ArrayBuffer, path: string): object {
  if (value instanceof ArrayBuffer) return value.slice(0);
  if (value instanceof DataView) {
    return new DataView(value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength));
  }
  if (value instanceof Uint8ClampedArray) return value.slice();
  const type = Object.values(dtypes).find((info) => value instanceof info.array);
  if (type === undefined) throw refuse(kindOf(value), path);
  // Through a plain Uint8Array: the slice of a Buffer is a view, and of a shared array it would be shared no less.
  const bytes = new Uint8Array(value.byteLength);
  bytes.set(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  return new type.array(bytes.buffer);
}

function kindOf(value: object): string {
  const name: unknown = value.constructor?.name;
  return typeof name === "string" && name !== "" ? `an instance of ${name}` : "an object with a prototype of its own";
}

function refuse(what: string, path: string): StorageError {
  return new StorageError(
    "INVALID_DATA",
    `Memory keeps arrays, buffers, JSON, dates, maps and sets; ${path === "" ? "the value" : `"${path}"`} is ${what}`,
  );
}
