/** Assertions of the conformance kits: few, with messages that an author of a backend can act on. */
import { isStorageError, type StorageError, type StorageErrorCode } from "../core/errors.ts";

/** A subject that breaks its contract. The message says what was expected and what came. */
export class ConformanceError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ConformanceError";
  }
}

/** Throws unless the condition holds. */
export function check(condition: unknown, message: string): asserts condition {
  if (!condition) throw new ConformanceError(message);
}

/**
 * Throws unless two values are equal: primitives by `Object.is`, arrays, typed arrays and plain objects by content.
 *
 * @param what - What the value is, for the message.
 */
export function checkEqual(actual: unknown, expected: unknown, what: string): void {
  if (isEqual(actual, expected)) return;
  throw new ConformanceError(`${what}: expected ${show(expected)}, got ${show(actual)}`);
}

/**
 * Throws unless the work rejects with a `StorageError` of one of the given codes.
 *
 * @param work - The call, or its promise. A function may also throw at once.
 * @param codes - Accepted codes; at least one.
 * @param what - What was tried, for the message.
 * @returns The error, for closer looks.
 */
export async function checkRejects(
  work: (() => unknown) | PromiseLike<unknown>,
  codes: StorageErrorCode | readonly StorageErrorCode[],
  what: string,
): Promise<StorageError> {
  const accepted = typeof codes === "string" ? [codes] : codes;
  const wanted = accepted.join(" or ");
  let result: unknown;
  try {
    result = await (typeof work === "function" ? work() : work);
  } catch (error) {
    if (isStorageError(error, ...accepted)) return error;
    const came = isStorageError(error) ? `${error.code} (${error.message})` : String(error);
    throw new ConformanceError(`${what}: expected a StorageError ${wanted}, got ${came}`, { cause: error });
  }
  throw new ConformanceError(`${what}: expected a StorageError ${wanted}, but it resolved with ${show(result)}`);
}

/** Everything an async iterable yields, in order. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

/** True if {@link checkEqual} would accept the pair. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  // The tag is the kind of a typed array, the same for a Buffer and a Uint8Array.
  if (Object.prototype.toString.call(a) !== Object.prototype.toString.call(b)) return false;
  if (ArrayBuffer.isView(a) && ArrayBuffer.isView(b)) {
    const [x, y] = [bytesOf(a), bytesOf(b)];
    return x.length === y.length && x.every((byte, i) => byte === y[i]);
  }
  if (a instanceof Map && b instanceof Map) return isEqual([...a], [...b]);
  if (a instanceof Set && b instanceof Set) return isEqual([...a], [...b]);
  if (a instanceof Date && b instanceof Date) return a.getTime() === b.getTime();
  if (a instanceof Error || b instanceof Error) return false;
  if (Array.isArray(a) && Array.isArray(b) && a.length !== b.length) return false;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  for (const key of keys) {
    if (!isEqual((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key])) return false;
  }
  return true;
}

function bytesOf(value: ArrayBufferView): Uint8Array {
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

function show(value: unknown): string {
  if (value instanceof Uint8Array) {
    const head = Array.from(value.subarray(0, 16)).join(" ");
    return `${value.length} bytes [${head}${value.length > 16 ? " …" : ""}]`;
  }
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "string" || value === undefined || typeof value === "number") return `${quote(value)}`;
  const text = JSON.stringify(value, (_key, part: unknown) => (typeof part === "bigint" ? `${part}n` : part));
  if (text === undefined) return String(value);
  return text.length > 400 ? `${text.slice(0, 400)}…` : text;
}

function quote(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
