/**
 * Completeness checks, loud and early: a backend that lacks something is refused when it is registered (or, where its
 * module comes later, when that arrives), never dropped in silence.
 *
 * @see OpenHCS `metaclass_registry`, which skips incomplete classes without a word
 */
import { storageCapabilities } from "../src/core/capabilities.ts";
import type { BackendDescriptor } from "../src/core/descriptor.ts";
import { StorageError } from "../src/core/errors.ts";
import { type BackendInfo, infoOf, type LazyBackend } from "./backend-info.ts";

/** The contract that this registry speaks. */
export const CONTRACT_VERSION = 1;

const KEY = /^[a-z0-9@][a-z0-9@+._/-]*$/i;
const SCHEME = /^[a-z][a-z0-9+.-]*$/i;
const openers = ["openStore", "open", "openWriter"] as const;

/**
 * Checks a descriptor from outside.
 *
 * @throws A {@link StorageError} `CONFIG_INVALID` that lists every mistake.
 */
export function checkDescriptor(value: unknown): asserts value is BackendDescriptor {
  const problems = commonProblems(value);
  if (isRecord(value)) {
    for (const name of [...openers, "options"] as const) {
      if (value[name] !== undefined && typeof value[name] !== "function") problems.push(`${name} is not a function`);
    }
    if (openers.every((name) => value[name] === undefined)) {
      problems.push("it has none of openStore, open and openWriter");
    }
    problems.push(...framesProblem(value.capabilities, value.openWriter !== undefined));
  }
  refuse(value, problems);
}

/**
 * Checks the entry of a backend whose module comes later.
 *
 * @throws A {@link StorageError} `CONFIG_INVALID` that lists every mistake.
 */
export function checkLazy(value: unknown): asserts value is LazyBackend {
  const problems = commonProblems(value);
  if (isRecord(value)) {
    if (typeof value.load !== "function") problems.push("load is not a function");
    const opens = value.opens;
    if (!isRecord(opens) || !["store", "values", "writer"].every((name) => typeof opens[name] === "boolean")) {
      problems.push("opens does not say true or false for store, values and writer");
    } else {
      problems.push(...framesProblem(value.capabilities, opens.writer === true));
    }
  }
  refuse(value, problems);
}

/**
 * Checks that a module holds what its entry promised.
 *
 * @param entry - What the registry was told.
 * @param loaded - What the module exports.
 * @throws A {@link StorageError} `CONFIG_INVALID` that names each difference.
 */
export function checkLoaded(entry: BackendInfo, loaded: unknown): asserts loaded is BackendDescriptor {
  checkDescriptor(loaded);
  const found = infoOf(loaded);
  const problems: string[] = [];
  for (const field of ["key", "aliases", "schemes"] as const) {
    const [promised, actual] = [String(entry[field]), String(found[field])];
    if (promised !== actual) problems.push(`${field} is "${actual}" where "${promised}" was registered`);
  }
  for (const field of ["opens", "capabilities"] as const) {
    for (const [name, promised] of Object.entries(entry[field])) {
      const actual = (found[field] as unknown as Record<string, unknown>)[name];
      if (actual !== promised) problems.push(`${field}.${name} is ${actual} where ${promised} was registered`);
    }
  }
  refuse({ key: entry.key }, problems);
}

function commonProblems(value: unknown): string[] {
  if (!isRecord(value)) return [`a descriptor is an object, got ${value === null ? "null" : typeof value}`];
  const problems: string[] = [];
  if (typeof value.key !== "string" || !KEY.test(value.key)) {
    problems.push(`key must be letters, digits and "@+._/-", got ${JSON.stringify(value.key)}`);
  }
  problems.push(...listProblems(value, "aliases", KEY), ...listProblems(value, "schemes", SCHEME));
  if (value.contractVersion !== CONTRACT_VERSION) {
    problems.push(
      `contractVersion is ${String(value.contractVersion)}, this version of sluice speaks ${CONTRACT_VERSION}`,
    );
  }
  const { capabilities } = value;
  if (!isRecord(capabilities)) return [...problems, "capabilities are missing"];
  for (const [name, example] of Object.entries(storageCapabilities)) {
    if (typeof capabilities[name] !== typeof example) problems.push(`capabilities.${name} is missing`);
  }
  return problems;
}

function listProblems(value: Record<string, unknown>, field: string, form: RegExp): string[] {
  const list = value[field];
  if (list === undefined) return [];
  const isGood = Array.isArray(list) && list.every((name) => typeof name === "string" && form.test(name));
  return isGood ? [] : [`${field} must be a list of names, got ${JSON.stringify(list)}`];
}

function framesProblem(capabilities: unknown, hasWriter: boolean): string[] {
  if (!isRecord(capabilities) || typeof capabilities.frames !== "boolean" || capabilities.frames === hasWriter)
    return [];
  return [
    hasWriter
      ? "it opens writers, but capabilities.frames is false"
      : "capabilities.frames is true, but it opens no writer",
  ];
}

function refuse(value: unknown, problems: readonly string[]): void {
  if (problems.length === 0) return;
  const key = isRecord(value) && typeof value.key === "string" ? value.key : undefined;
  const what = key === undefined ? "Backend descriptor" : `Backend "${key}"`;
  throw new StorageError("CONFIG_INVALID", `${what} cannot be registered: ${problems.join("; ")}`, {
    backend: key,
    operation: "register",
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
