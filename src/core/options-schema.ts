/** A checker of plain options, for backends that need no validation library. */
import { describe } from "./checks.ts";
import type { StandardIssue, StandardSchemaV1 } from "./descriptor.ts";
import { nearest } from "./errors.ts";

/** Says what a value should be, for example `"a folder"`, if it is not; `undefined` if it is. */
export type FieldCheck = (value: unknown) => string | undefined;

/**
 * A schema of an object whose fields are all optional. Unknown fields are mistakes, with a guess at what was meant.
 *
 * @param fields - A check for each field. A field that is left out, or `undefined`, is not checked.
 * @example
 * ```ts
 * import { field, optionsSchema } from "sluice";
 * const schema = optionsSchema<{ reels?: number; speed?: string }>({
 *   reels: field.wholeNumber,
 *   speed: field.oneOf("slow", "fast"),
 * });
 * ```
 */
export function optionsSchema<Options extends object>(
  fields: Readonly<Record<keyof Options & string, FieldCheck>>,
): StandardSchemaV1<Options> {
  const known: Readonly<Record<string, FieldCheck>> = fields;
  const validate = (value: unknown) => {
    if (typeof value !== "object" || value === null) return { issues: [{ message: "must be an object" }] };
    const issues: StandardIssue[] = [];
    for (const [name, given] of Object.entries(value)) {
      const check = Object.hasOwn(known, name) ? known[name] : undefined;
      if (check === undefined) {
        const guess = nearest(name, Object.keys(known));
        const hint = guess === undefined ? `known: ${Object.keys(known).join(", ")}` : `did you mean "${guess}"?`;
        issues.push({ message: `unknown option; ${hint}`, path: [name] });
        continue;
      }
      const expected = given === undefined ? undefined : check(given);
      // The kind, never the value: an option may hold a secret.
      if (expected !== undefined) issues.push({ message: `must be ${expected}, got ${describe(given)}`, path: [name] });
    }
    return issues.length > 0 ? { issues } : { value: value as Options };
  };
  return { "~standard": { version: 1, vendor: "sluice", validate } };
}

/** Checks of the usual fields. */
export const field = {
  /** Text. */
  text: (value: unknown) => (typeof value === "string" ? undefined : "text"),
  /** A whole number of at least 0. */
  wholeNumber: (value: unknown) =>
    Number.isSafeInteger(value) && (value as number) >= 0 ? undefined : "a whole number ≥ 0",
  /** A function. */
  callable: (value: unknown) => (typeof value === "function" ? undefined : "a function"),
  /** One of these words. */
  oneOf: (...words: readonly string[]): FieldCheck => {
    const list = words.map((word) => `"${word}"`).join(" or ");
    return (value) => (typeof value === "string" && words.includes(value) ? undefined : list);
  },
} as const;
