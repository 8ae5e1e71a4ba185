/** Reads the names of a plate's files by a grammar. Heavy: has a matcher of regular expressions in linear time. */
import { RE2JS } from "re2js";
import { nearest, StorageError } from "../../src/core/errors.ts";
import { globMatcher } from "../../src/core/glob.ts";
import { baseName } from "../../src/core/key.ts";
import type { PlateCoordinates } from "./mapping.ts";
import type { PlateAxis, PlateGrammar } from "./plate-grammar.ts";
import { wellName, wellPosition } from "./wells.ts";

/** A file of a plate. */
export interface PlateFile {
  /** Path as it was given. */
  readonly path: string;
  readonly coordinates: PlateCoordinates;
}

/** A file that no pattern fits, or whose name makes no sense. */
export interface UnparsedFile {
  readonly path: string;
  readonly reason: string;
}

/** What the names of a folder say. Each path is in one of the lists. */
export interface PlateNames {
  readonly files: readonly PlateFile[];
  readonly unparsed: readonly UnparsedFile[];
  /** Files that the grammar says to ignore, and those that operating systems leave in every folder. */
  readonly ignored: readonly string[];
}

/** A longer path is read by nobody's grammar: the cost of a match is its length times that of the pattern. */
const MAX_LENGTH = 4096;

/** What macOS and Windows put beside files. `._A01.tif` has the name of an image and is none. */
const clutter = ["._*", ".DS_Store", "Thumbs.db", "desktop.ini"];

const groups = ["plate", "well", "row", "column", "field", "channel", "z", "t"];

/**
 * Reads names.
 *
 * @param paths - Relative to the plate's folder.
 * @throws A {@link StorageError} `CONFIG_INVALID` for a pattern that does not compile, or has no well.
 */
export function readPlateNames(grammar: PlateGrammar, paths: Iterable<string>): PlateNames {
  const patterns = grammar.pattern.map((pattern) => compile(grammar, pattern));
  const ignores = [...clutter, ...grammar.ignore].map(globMatcher);
  const files: PlateFile[] = [];
  const unparsed: UnparsedFile[] = [];
  const ignored: string[] = [];
  for (const path of paths) {
    const found = ignores.some((matches) => matches(path)) ? undefined : parse(grammar, patterns, path);
    if (found === undefined) ignored.push(path);
    else if (typeof found === "string") unparsed.push({ path, reason: found });
    else files.push({ path, coordinates: found });
  }
  return { files, unparsed, ignored };
}

interface Compiled {
  readonly expression: RE2JS;
  readonly names: readonly string[];
}

function compile({ name, pages }: PlateGrammar, pattern: string | RegExp): Compiled {
  const fail = (problem: string, cause?: unknown) =>
    new StorageError("CONFIG_INVALID", `Plate grammar "${name}": ${problem}`, {
      identifier: name,
      ...(cause === undefined ? {} : { cause }),
    });
  const source = typeof pattern === "string" ? pattern : pattern.source;
  const flags = pattern instanceof RegExp && pattern.ignoreCase ? RE2JS.CASE_INSENSITIVE : 0;
  let expression: RE2JS;
  try {
    expression = RE2JS.compile(source, flags);
  } catch (cause) {
    const reason = (cause as Error).message.replace(/^error parsing regexp: /, "");
    throw fail(`the pattern ${source} cannot be used: ${reason} (look-around and back-references do not exist)`, cause);
  }
  const names = Object.keys(expression.namedGroups());
  for (const group of names) {
    if (groups.includes(group)) continue;
    const guess = nearest(group, groups);
    throw fail(`unknown group "${group}"; ${guess ? `did you mean "${guess}"?` : `known: ${groups.join(", ")}`}`);
  }
  const hasWell = names.includes("well");
  const hasRowAndColumn = names.includes("row") && names.includes("column");
  if (!hasWell && !hasRowAndColumn) throw fail("the pattern needs a group well, or groups row and column");
  if (hasWell && (names.includes("row") || names.includes("column"))) throw fail("the well is given twice");
  if (pages !== undefined && names.includes(pages)) throw fail(`${pages} is in the name and in the pages`);
  return { expression, names };
}

/** Coordinates, or why there are none. */
function parse(grammar: PlateGrammar, patterns: readonly Compiled[], path: string): PlateCoordinates | string {
  const subject = grammar.subject === "path" ? path : baseName(path);
  if (subject.length > MAX_LENGTH) return `its name is longer than ${MAX_LENGTH} characters`;
  for (const { expression, names } of patterns) {
    const matcher = expression.matcher(subject);
    if (!matcher.matches()) continue;
    const texts = new Map<string, string>();
    for (const name of names) {
      const text = matcher.group(name);
      if (text !== null) texts.set(name, text);
    }
    return coordinatesOf(grammar, texts);
  }
  return `it does not fit the grammar "${grammar.name}"`;
}

function coordinatesOf({ first }: PlateGrammar, texts: ReadonlyMap<string, string>): PlateCoordinates | string {
  const problems: string[] = [];
  const ordinal = (name: PlateAxis | "row" | "column", text: string | undefined): number => {
    if (text === undefined) return 1;
    const begin = first?.[name] ?? 1;
    const number = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(number)) problems.push(`its ${name} "${text}" is no number`);
    else if (number < begin) problems.push(`its ${name} is ${number}, and the first one is ${begin}`);
    return number - begin + 1;
  };
  const channelText = texts.get("channel");
  const isNumber = channelText === undefined || /^[0-9]+$/.test(channelText);
  const channel = isNumber ? ordinal("channel", channelText) : (channelText as string);
  const [field, z, t] = (["field", "z", "t"] as const).map((axis) => ordinal(axis, texts.get(axis)));
  const well = wellOf(texts, ordinal, problems);
  const [problem] = problems;
  if (problem !== undefined || well === undefined) return problem ?? "it names no well";
  const plate = texts.get("plate");
  const numbers = { field: field as number, channel, z: z as number, t: t as number };
  return { ...(plate === undefined ? {} : { plate }), well, ...numbers };
}

function wellOf(
  texts: ReadonlyMap<string, string>,
  ordinal: (name: "row" | "column", text: string | undefined) => number,
  problems: string[],
): string | undefined {
  const row = texts.get("row") ?? "";
  const text = texts.get("well");
  // A row of letters is a well without its column.
  const letters = /^[0-9]+$/.test(row) ? undefined : `${row}1`;
  try {
    if (text !== undefined) {
      const { row: at, column } = wellPosition(text);
      return wellName(at, column);
    }
    const at = letters === undefined ? ordinal("row", row) - 1 : wellPosition(letters).row;
    const column = ordinal("column", texts.get("column")) - 1;
    return problems.length > 0 ? undefined : wellName(at, column);
  } catch (error) {
    problems.push((error as Error).message);
    return undefined;
  }
}
