/** How the files of a plate are named. Light: patterns are compiled when names are read. */
import { describe } from "../../src/core/checks.ts";
import { StorageError } from "../../src/core/errors.ts";
import { field, optionsSchema } from "../../src/core/options-schema.ts";

/** The parts of a name that are numbers. */
export type PlateAxis = "field" | "channel" | "z" | "t";

/** A grammar as it is declared, in code or in a session file. */
export interface PlateGrammarOptions {
  /** Name of the grammar, for messages. */
  readonly name: string;
  /**
   * A regular expression for the whole name, or several, of which the first that fits counts. Named groups: `well`, or
   * `row` and `column`; `field`, `channel`, `z`, `t`; `plate`. Only `well` (or `row` and `column`) must be there.
   *
   * Patterns are matched in time that is linear in the length of the name, whatever they are: look-around and
   * back-references do not exist.
   */
  readonly pattern: string | RegExp | readonly (string | RegExp)[];
  /** What the pattern is about: the name of a file, or its path below the folder. Default `"name"`. */
  readonly subject?: "name" | "path" | undefined;
  /** The number that stands for the first of each kind: `{ field: 0 }` for names that count fields from 0. Default 1. */
  readonly first?: Readonly<Partial<Record<PlateAxis | "row" | "column", number>>> | undefined;
  /** Globs of files that belong to no image: previews, metadata. */
  readonly ignore?: string | readonly string[] | undefined;
  /** What the pages of a file are, where it has several: they become images of their own. */
  readonly pages?: PlateAxis | undefined;
}

/** A checked grammar. */
export interface PlateGrammar extends PlateGrammarOptions {
  readonly pattern: readonly (string | RegExp)[];
  readonly ignore: readonly string[];
}

const axes: readonly string[] = ["field", "channel", "z", "t"];

const isPattern = (value: unknown) => value instanceof RegExp || (typeof value === "string" && value !== "");

const schema = optionsSchema<PlateGrammarOptions>({
  name: (value) => (typeof value === "string" && value !== "" ? undefined : "text"),
  pattern: (value) =>
    isPattern(value) || (Array.isArray(value) && value.length > 0 && value.every(isPattern))
      ? undefined
      : "a regular expression, or a list of them",
  subject: field.oneOf("name", "path"),
  first: (value) =>
    typeof value === "object" &&
    value !== null &&
    Object.entries(value).every(([name, first]) => [...axes, "row", "column"].includes(name) && Number.isInteger(first))
      ? undefined
      : `numbers of ${axes.join(", ")}, row and column`,
  ignore: (value) =>
    typeof value === "string" || (Array.isArray(value) && value.every((glob) => typeof glob === "string"))
      ? undefined
      : "a glob, or a list of them",
  pages: field.oneOf(...axes),
});

/**
 * Declares how the files of a plate are named.
 *
 * @throws A {@link StorageError} `CONFIG_INVALID` that names each mistake. Mistakes in a pattern show when it is used.
 * @example
 * ```ts
 * import { definePlateGrammar } from "sluice/backends/virtual";
 * export const scanner = definePlateGrammar({
 *   name: "scanner",
 *   pattern: "(?<well>[A-Z]+[0-9]+)-(?<field>[0-9]+)-(?<channel>DAPI|GFP)\\.tif",
 *   first: { field: 0 },
 * });
 * ```
 */
export function definePlateGrammar(options: PlateGrammarOptions): PlateGrammar {
  const name = (options as Partial<PlateGrammarOptions> | null)?.name;
  const result = schema["~standard"].validate(options);
  if (result instanceof Promise) throw new TypeError("optionsSchema answers at once");
  const issues = [...(result.issues ?? [])].map(({ path = [], message }) => `${path.join(".")} ${message}`.trim());
  if (typeof options === "object" && options !== null) {
    if (options.name === undefined) issues.push("name is missing");
    if (options.pattern === undefined) issues.push("pattern is missing");
  }
  if (issues.length > 0) {
    const shown = typeof name === "string" ? `Plate grammar "${name}"` : "A plate grammar";
    throw new StorageError("CONFIG_INVALID", `${shown}: ${issues.join("; ")}`, { identifier: String(name) });
  }
  const { pattern, ignore = [] } = options;
  return Object.freeze({
    ...options,
    pattern: listOf<string | RegExp>(pattern),
    ignore: listOf<string>(ignore),
  });
}

/**
 * The grammar of an option: a built-in one by name, or one that is declared on the spot.
 *
 * @param known - Grammars by name.
 * @throws A {@link StorageError} `CONFIG_INVALID`.
 */
export function grammarOf(option: unknown, known: Readonly<Record<string, PlateGrammar>>): PlateGrammar {
  if (typeof option === "object" && option !== null) return definePlateGrammar(option as PlateGrammarOptions);
  const grammar = typeof option === "string" && Object.hasOwn(known, option) ? known[option] : undefined;
  if (grammar !== undefined) return grammar;
  const given = typeof option === "string" ? `"${option}"` : describe(option);
  const names = Object.keys(known).join(", ");
  throw new StorageError("CONFIG_INVALID", `No plate grammar ${given}; known: ${names}, or { name, pattern, … }`);
}

function listOf<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? [...(value as readonly T[])] : [value as T];
}
