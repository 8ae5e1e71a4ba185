/** JSON, strictly. */
import { describe } from "../core/checks.ts";
import { isNdArray } from "../core/nd-array.ts";
import type { Codec, CodecContext } from "./codec.ts";
import { checkCodecOptions, corrupt, invalidData } from "./codec-options.ts";
import { decodeText } from "./text.ts";

/**
 * JSON in UTF-8, indented by two spaces, with a newline at its end.
 *
 * Only what comes back equal is written: plain objects, lists, strings, finite numbers, booleans and null. Everything
 * that `JSON.stringify` would drop or change (`undefined`, NaN, Infinity, bigint, functions, dates, maps, class
 * instances, arrays of pixels, cycles) is refused with its path. −0 is written as 0.
 */
export const jsonCodec: Codec = {
  name: "json",
  suffixes: [".json"],
  mimeTypes: ["application/json"],
  encode(value, context) {
    checkCodecOptions("json", context, []);
    checkJson(value, "$", new Set(), context);
    return new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`);
  },
  decode(bytes, context) {
    checkCodecOptions("json", context, []);
    const text = decodeText(bytes, context, false);
    try {
      return JSON.parse(text) as unknown;
    } catch (error) {
      throw corrupt(context, `not JSON: ${(error as Error).message}`, error);
    }
  },
};

/** Refuses what JSON would lose; `above` holds the containers that lead to the value, to find cycles. */
export function checkJson(value: unknown, path: string, above: Set<object>, context: CodecContext): void {
  if (value === null || typeof value === "string" || typeof value === "boolean") return;
  if (typeof value === "number") {
    if (Number.isFinite(value)) return;
    throw invalidData(context, `JSON has no ${value} (at ${path}); store null or a string`);
  }
  if (typeof value !== "object") throw invalidData(context, `JSON cannot keep ${describe(value)} (at ${path})`);
  if (isNdArray(value)) throw invalidData(context, `JSON cannot keep ${describe(value)} (at ${path}); save it as .npy`);
  if (above.has(value)) throw invalidData(context, `${path} leads back to an object that holds it`);
  above.add(value);
  if (Array.isArray(value)) {
    // By index, so that holes are found too.
    for (let i = 0; i < value.length; i++) checkJson(value[i], `${path}[${i}]`, above, context);
    if (Object.keys(value).length !== value.length) {
      throw invalidData(context, `the list at ${path} has named properties, which JSON would drop`);
    }
  } else {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== null && prototype !== Object.prototype) {
      throw invalidData(context, `JSON cannot keep ${describe(value)} (at ${path}); convert it to plain data`);
    }
    if (Object.getOwnPropertySymbols(value).length > 0) {
      throw invalidData(context, `the object at ${path} has symbol keys, which JSON would drop`);
    }
    for (const [key, part] of Object.entries(value)) checkJson(part, `${path}.${key}`, above, context);
  }
  above.delete(value);
}
