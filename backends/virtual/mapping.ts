/** The mapping of a virtual workspace: its form, its checks, and its text. */
import { describe } from "../../src/core/checks.ts";
import { nearest, StorageError } from "../../src/core/errors.ts";
import type { AxisSelection } from "../../src/core/nd-array.ts";
import { repeatedKeys } from "./repeated-keys.ts";

/** Which image of a plate a path is. All numbers begin at 1, whatever the instrument's own names do. */
export interface PlateCoordinates {
  /** The plate, where names say it. */
  readonly plate?: string | undefined;
  /** Row letters and at least two digits: `A01`, `AF48`. */
  readonly well: string;
  /** Field of view, also called site. */
  readonly field: number;
  /** Number, or the name that the instrument gives it. */
  readonly channel: number | string;
  readonly z: number;
  readonly t: number;
}

/** What one virtual path stands for: a value of some backend, or a part of it. */
export interface WorkspaceEntry {
  /** Name of the instance that has the value, or a URL. */
  readonly backend: string;
  /** Path of the value in that backend, in that backend's own terms. */
  readonly address: string;
  /** Indices along the first axes of the array, which they drop: `[1]` is the second plane of a stack. */
  readonly axes?: readonly number[] | undefined;
  /** What to take of the axes that are left: an index (which drops the axis), `[start, stop]`, or null for all. */
  readonly selection?: readonly AxisSelection[] | undefined;
  /** Which image of a plate it is. Not used for loading. */
  readonly coordinates?: PlateCoordinates | undefined;
}

/** A virtual workspace as it is stored. */
export interface WorkspaceMapping {
  /** Version of this form: 1. */
  readonly version: 1;
  /** What each virtual path stands for. */
  readonly entries: Readonly<Record<string, WorkspaceEntry>>;
}

/** Mistakes that a message names before it only counts the rest. */
const SHOWN_MISTAKES = 10;

const entryFields = ["backend", "address", "axes", "selection", "coordinates"];

/**
 * Reads the text of a mapping.
 *
 * @param where - What the text is of, for messages.
 * @throws A {@link StorageError}: `CORRUPT` for what is no JSON; `CONFIG_INVALID` for a path that stands twice, with the
 * lines of both, and for each wrong entry, by name.
 */
export function parseMapping(text: string, where: string): WorkspaceMapping {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new StorageError("CORRUPT", `${where} is no JSON: ${(cause as Error).message}`, { cause });
  }
  // JSON.parse keeps the last of two equal keys and drops the other in silence.
  const [twice] = repeatedKeys(text);
  if (twice !== undefined) {
    const [first, second] = twice.lines;
    throw new StorageError("CONFIG_INVALID", `${where} has "${twice.key}" twice, on lines ${first} and ${second}`, {
      identifier: twice.key,
    });
  }
  return checkMapping(value, where);
}

/** The text of a mapping: JSON, indented, its paths in the order of the mapping. */
export function formatMapping(mapping: WorkspaceMapping): string {
  return `${JSON.stringify(mapping, null, 2)}\n`;
}

/**
 * Checks the form of a mapping.
 *
 * @returns The value itself.
 * @throws A {@link StorageError} `CONFIG_INVALID` that names each wrong entry.
 */
export function checkMapping(value: unknown, where: string): WorkspaceMapping {
  const mistakes = [...mistakesOf(value)];
  if (mistakes.length === 0) return value as WorkspaceMapping;
  const shown = mistakes.slice(0, SHOWN_MISTAKES).join("; ");
  const rest = mistakes.length > SHOWN_MISTAKES ? `; and ${mistakes.length - SHOWN_MISTAKES} more` : "";
  throw new StorageError("CONFIG_INVALID", `${where} is no workspace mapping: ${shown}${rest}`);
}

function* mistakesOf(value: unknown): Generator<string> {
  if (!isRecord(value)) return yield `it is ${describe(value)}, and must be { "version": 1, "entries": {…} }`;
  const { version, entries, ...others } = value;
  if (version !== 1) {
    return yield `version must be 1, which is what this release reads; got ${JSON.stringify(version) ?? "none"}`;
  }
  for (const name of Object.keys(others)) yield unknownField(name, ["version", "entries"], "");
  if (!isRecord(entries)) return yield `entries must be an object of virtual paths, got ${describe(entries)}`;
  for (const [path, entry] of Object.entries(entries)) yield* entryMistakes(path, entry);
}

function* entryMistakes(path: string, entry: unknown): Generator<string> {
  const at = `"${path}"`;
  if (!isRecord(entry)) {
    return yield `${at} must be { "backend": …, "address": … }, got ${describe(entry)}`;
  }
  for (const name of Object.keys(entry)) {
    if (!entryFields.includes(name)) yield unknownField(name, entryFields, `${at}: `);
  }
  const { backend, address, axes, selection, coordinates } = entry;
  if (!isText(backend)) yield `${at}: backend must be the name of a backend, got ${describe(backend)}`;
  if (!isText(address)) yield `${at}: address must be a path in the backend, got ${describe(address)}`;
  if (axes !== undefined && !(Array.isArray(axes) && axes.every(Number.isSafeInteger))) {
    yield `${at}: axes must be a list of whole numbers, one for each leading axis`;
  }
  if (selection !== undefined && !(Array.isArray(selection) && selection.every(isSelection))) {
    yield `${at}: selection must be a list of whole numbers, [start, stop] and null, one for each axis`;
  }
  if (coordinates !== undefined) yield* coordinateMistakes(at, coordinates);
}

function* coordinateMistakes(at: string, coordinates: unknown): Generator<string> {
  if (!isRecord(coordinates)) return yield `${at}: coordinates must be an object, got ${describe(coordinates)}`;
  const { plate, well, field, channel, z, t } = coordinates;
  const isOrdinal = (number: unknown) => Number.isSafeInteger(number) && (number as number) >= 1;
  if (plate !== undefined && !isText(plate)) yield `${at}: plate must be text`;
  if (!isText(well)) yield `${at}: well must be text, as "A01"`;
  for (const [name, number] of Object.entries({ field, z, t })) {
    if (!isOrdinal(number)) yield `${at}: ${name} must be a whole number ≥ 1`;
  }
  if (!isText(channel) && !isOrdinal(channel)) yield `${at}: channel must be a whole number ≥ 1 or a name`;
}

function unknownField(name: string, known: readonly string[], at: string): string {
  const guess = nearest(name, known);
  return `${at}unknown field "${name}"; ${guess === undefined ? `known: ${known.join(", ")}` : `did you mean "${guess}"?`}`;
}

function isSelection(part: unknown): boolean {
  if (part === null || Number.isSafeInteger(part)) return true;
  return Array.isArray(part) && part.length === 2 && part.every(Number.isSafeInteger);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "" && !value.includes("\0");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
