/** What the checks of byte stores share. */
import type { ByteStore, ListOptions } from "../core/byte-store.ts";
import { check, checkEqual, collect } from "./assertions.ts";
import type { ByteStoreSubject } from "./byte-store-kit.ts";
import type { KitCheck } from "./kit.ts";

/** A check of a byte store. */
export type ByteStoreCheck = KitCheck<ByteStoreSubject>;

/** The bytes of a text. */
export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

/** Bytes that are no valid UTF-8 anywhere and differ from place to place: no two pieces of a value are alike. */
export function pattern(byteLength: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(byteLength);
  for (let i = 0; i < byteLength; i++) {
    bytes[i] = 0x80 | ((i * 31 + (i >> 7) * 17 + (i >> 14) * 29 + (i >> 21) * 43 + seed * 7) & 0x7f);
  }
  return bytes;
}

/** The keys of a listing, in its order. */
export async function keysOf(store: ByteStore, options: ListOptions = {}): Promise<string[]> {
  return (await collect(store.list(options))).map((entry) => entry.key);
}

/** Everything that a stream gives, and how many pieces it came in. */
export async function drain(stream: ReadableStream<Uint8Array>): Promise<{ bytes: Uint8Array; pieces: number }> {
  const parts: Uint8Array[] = [];
  const reader = stream.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) parts.push(next.value);
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.byteLength;
  }
  return { bytes, pieces: parts.length };
}

/** A signal that has fired. */
export function fired(): AbortSignal {
  return AbortSignal.abort(new Error("the caller changed its mind"));
}

/** Checks a value by the side door. */
export async function checkStored(
  { side }: ByteStoreSubject,
  key: string,
  expected: Uint8Array | undefined,
  what = `what is stored under "${key}"`,
): Promise<void> {
  checkEqual(await side.get(key), expected, what);
}

/** Checks by the side door that exactly these keys are there: nothing lost, and nothing left lying about. */
export async function checkKeys({ side }: ByteStoreSubject, expected: readonly string[], what: string): Promise<void> {
  checkEqual((await side.keys()).sort(), [...expected].sort(), what);
}

/** Runs steps at the same time and answers how each ended. */
export async function race<T>(steps: readonly (() => Promise<T>)[]): Promise<PromiseSettledResult<T>[]> {
  return Promise.allSettled(steps.map((step) => step()));
}

/** Checks that a tag is a tag. */
export function checkEtag(etag: unknown): asserts etag is string {
  check(typeof etag === "string" && etag.length > 0, `An etag is a non-empty string, got ${String(etag)}`);
}
