/**
 * Mistakes in a session file: every one with its path, all in one error. Values are never repeated, only their kind: a
 * session file may hold credentials, and error messages end up in logs.
 */
import type { StandardIssue } from "../core/descriptor.ts";
import { nearest, StorageError } from "../core/errors.ts";

/** One thing that is wrong in a configuration. */
export interface Mistake {
  /** Where, for example `devices.camera.shape[1]`; `""` is the whole file. */
  readonly path: string;
  /** What is wrong and what would be right. */
  readonly message: string;
  /** The error behind it, if there was one. */
  readonly cause?: unknown;
}

/** Where a value is: keys and indices from the top. */
export type ConfigPath = readonly PropertyKey[];

/** The parts of a zod issue that a {@link StandardIssue} does not promise. Absent for other validators. */
interface DetailedIssue extends StandardIssue {
  readonly code?: string;
  readonly expected?: string;
  readonly keys?: readonly string[];
  readonly values?: readonly unknown[];
  readonly issues?: readonly StandardIssue[];
}

/** Answers which keys an object at a path may have; `undefined` if that is not known. */
export type KnownKeys = (path: ConfigPath) => readonly string[] | undefined;

/**
 * Turns the issues of a validator into mistakes. Detailed for zod; path and message for every other Standard Schema.
 *
 * @param value - What was validated; only the kind of its parts is mentioned.
 * @param at - Path of `value` within the file.
 */
export function mistakesOf(
  issues: readonly StandardIssue[],
  value: unknown,
  at: ConfigPath = [],
  knownKeys: KnownKeys = () => undefined,
): Mistake[] {
  return issues.flatMap((issue: DetailedIssue) => {
    const inner = (issue.path ?? []).map((part) => (typeof part === "object" ? part.key : part));
    const path = [...at, ...inner];
    if (issue.code === "unrecognized_keys" && issue.keys) {
      const known = knownKeys(inner);
      return issue.keys.map((key) => ({ path: formatPath([...path, key]), message: unknownKey(key, known) }));
    }
    return [{ path: formatPath(path), message: explain(issue, valueAt(value, inner), value) }];
  });
}

/** The sentence for a key that nobody knows. */
export function unknownKey(key: string, known: readonly string[] | undefined): string {
  if (!known) return "unknown key";
  const suggestion = nearest(key, known);
  return suggestion ? `unknown key, did you mean "${suggestion}"?` : `unknown key; known: ${known.join(", ")}`;
}

/** A path as people write it: `devices.camera.shape[1]`. */
export function formatPath(path: ConfigPath): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    return text === "" ? String(part) : `${text}.${String(part)}`;
  }, "");
}

/** The one error of a configuration, with a line for each mistake. Its cause is the first that a mistake has. */
export function configError(where: string, mistakes: readonly Mistake[]): StorageError {
  const cause = mistakes.find((mistake) => mistake.cause !== undefined)?.cause;
  const lines = mistakes.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`));
  const count = lines.length === 1 ? "1 mistake" : `${lines.length} mistakes`;
  return new StorageError("CONFIG_INVALID", `${where} has ${count}:\n  ${lines.join("\n  ")}`, {
    operation: "openSession",
    identifier: where,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The kind of a value in the words of JSON, for messages. */
export function kindOf(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

function explain(issue: DetailedIssue, value: unknown, whole: unknown): string {
  if (issue.code === "invalid_type" && issue.expected) {
    const expected =
      issue.expected === "int" ? "whole number" : issue.expected === "record" ? "object" : issue.expected;
    return value === undefined ? `missing, expected ${expected}` : `expected ${expected}, got ${kindOf(value)}`;
  }
  if (issue.code === "invalid_value" && issue.values) {
    const known = issue.values.map(String);
    const suggestion = typeof value === "string" && known.length > 1 ? nearest(value, known) : undefined;
    const hint = suggestion ? `, did you mean "${suggestion}"?` : `, got ${kindOf(value)}`;
    const options = issue.values.map((option) => JSON.stringify(option)).join(", ");
    return issue.values.length === 1 ? `expected ${options}${hint}` : `expected one of ${options}${hint}`;
  }
  if (issue.code === "invalid_key" && issue.issues?.[0]) return issue.issues[0].message;
  const message = issue.message.replace(/^(Invalid input|Too small|Too big): /, "");
  return withoutValues(message.replace(", received ", ", got "), whole);
}

/**
 * A validator of somebody else may repeat what it got. Every text of the configuration that stands in its message is
 * replaced by its kind: in quotes always, and bare if it is long enough not to be a word of the sentence by chance.
 */
function withoutValues(message: string, value: unknown): string {
  if (typeof value === "string") {
    const quoted = message.replaceAll(JSON.stringify(value), "string").replaceAll(`'${value}'`, "string");
    return value.length < 6 ? quoted : quoted.replaceAll(value, "string");
  }
  if (typeof value !== "object" || value === null) return message;
  return Object.values(value).reduce<string>(withoutValues, message);
}

function valueAt(value: unknown, path: ConfigPath): unknown {
  let current = value;
  for (const part of path) {
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, part)) return undefined;
    current = (current as Record<PropertyKey, unknown>)[part];
  }
  return current;
}
