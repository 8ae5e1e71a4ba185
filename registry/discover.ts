/**
 * Opt-in discovery: which installed packages say in their package.json that they bring backends.
 *
 * ```json
 * { "name": "@lab/tape-backend", "sluice": { "backends": ["./backend.js"] } }
 * ```
 *
 * @see OpenHCS `metaclass_registry`, which imports every module of a package to find out
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { runAll, StorageError } from "../src/core/errors.ts";
import { compareKeys } from "../src/core/key.ts";
import type { BackendInfo } from "./backend-info.ts";
import { loadPlugins, type PluginOptions } from "./plugins.ts";
import type { Registry } from "./registry.ts";

/** A package that says it brings backends. */
export interface DiscoveredPackage {
  /** Name of the package. */
  readonly name: string;
  /** Version by its package.json; empty if it has none. */
  readonly version: string;
  /** URLs of the modules that export descriptors. */
  readonly modules: readonly string[];
}

/** What {@link discoverBackends} found. */
export interface Discovery {
  /** Packages with backends, ordered by name. */
  readonly packages: readonly DiscoveredPackage[];
  /** Packages whose package.json is broken or says something that cannot be: `CONFIG_INVALID`, one each. */
  readonly problems: readonly StorageError[];
}

/**
 * Looks through `node_modules` of a folder. Reads package.json files and imports nothing.
 *
 * @param folder - The folder that holds `node_modules`: that of the session file, for example.
 * @returns Also what is broken; a broken package hides no other.
 * @throws A {@link StorageError} `CONFIG_INVALID` if there is no such folder. One without `node_modules` has no packages.
 */
export async function discoverBackends(folder: string): Promise<Discovery> {
  if (!(await absentAsUndefined(stat(folder)))?.isDirectory()) {
    const message = `No folder "${folder}" to discover backends in`;
    throw new StorageError("CONFIG_INVALID", message, { operation: "discoverBackends", identifier: folder });
  }
  const packages: DiscoveredPackage[] = [];
  const problems: StorageError[] = [];
  for (const directory of await packageFolders(join(folder, "node_modules"))) {
    try {
      const found = await readPackage(directory);
      if (found !== undefined) packages.push(found);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const message = `${join(directory, "package.json")}: ${reason}`;
      problems.push(
        new StorageError("CONFIG_INVALID", message, { operation: "discoverBackends", identifier: directory, cause }),
      );
    }
  }
  return { packages: packages.sort((a, b) => compareKeys(a.name, b.name)), problems };
}

/** What {@link registerDiscovered} found and registered. */
export interface DiscoveredBackends extends Discovery {
  /** What is registered now. */
  readonly backends: readonly BackendInfo[];
}

/**
 * Imports the modules of a discovery and registers what they export. All are tried; those that work stay registered.
 *
 * @throws A {@link StorageError}, as {@link loadPlugins}; an `AggregateError` for several failures.
 */
export async function loadDiscovered(
  registry: Registry,
  discovery: Discovery,
  options: Omit<PluginOptions, "base"> = {},
): Promise<BackendInfo[]> {
  const registered: BackendInfo[] = [];
  await runAll(
    discovery.packages.flatMap(({ modules }) =>
      modules.map((module) => async () => registered.push(...(await loadPlugins(registry, [module], options)))),
    ),
    "Discovered backends failed to load",
  );
  return registered;
}

/**
 * Looks through `node_modules` of a folder and registers what the packages there bring. This runs code that nobody has
 * named, so it is for callers who want just that; a session file cannot ask for it.
 *
 * @param folder - The folder that holds `node_modules`.
 * @returns What is registered, and a problem for each package that is broken or whose key is taken. None hides another.
 */
export async function registerDiscovered(
  registry: Registry,
  folder: string,
  options: Omit<PluginOptions, "base"> = {},
): Promise<DiscoveredBackends> {
  const { packages, problems } = await discoverBackends(folder);
  const found = { packages, problems: [...problems], backends: [] as BackendInfo[] };
  for (const each of packages) {
    try {
      found.backends.push(...(await loadDiscovered(registry, { packages: [each], problems: [] }, options)));
    } catch (cause) {
      const message = `Package "${each.name}" brings a backend that cannot be used: ${reasonsOf(cause)}`;
      found.problems.push(
        new StorageError("CONFIG_INVALID", message, { operation: "discover", identifier: each.name, cause }),
      );
    }
  }
  return found;
}

function reasonsOf(error: unknown): string {
  const failures: readonly unknown[] = error instanceof AggregateError ? error.errors : [error];
  return failures.map((failure) => (failure instanceof Error ? failure.message : String(failure))).join("; ");
}

async function packageFolders(modules: string): Promise<string[]> {
  const folders: string[] = [];
  for (const name of await namesIn(modules)) {
    if (name.startsWith(".")) continue;
    if (!name.startsWith("@")) folders.push(join(modules, name));
    else for (const inner of await namesIn(join(modules, name))) folders.push(join(modules, name, inner));
  }
  return folders;
}

async function namesIn(folder: string): Promise<string[]> {
  return (await absentAsUndefined(readdir(folder))) ?? [];
}

async function readPackage(directory: string): Promise<DiscoveredPackage | undefined> {
  const text = await absentAsUndefined(readFile(join(directory, "package.json"), "utf8"));
  // Most packages have nothing to do with us: the text is looked at before it is parsed.
  if (text === undefined || !text.includes('"sluice"')) return undefined;
  const manifest = JSON.parse(text) as Record<string, unknown>;
  if (!Object.hasOwn(manifest, "sluice")) return undefined;
  const { name, version, sluice } = manifest;
  if (typeof name !== "string") throw new Error("the package has no name");
  const backends = (sluice as { readonly backends?: unknown } | null)?.backends;
  if (!Array.isArray(backends) || !backends.every((path) => typeof path === "string" && path.startsWith("./"))) {
    throw new Error(`"sluice" must be { "backends": ["./module.js"] }, got ${JSON.stringify(sluice)}`);
  }
  const root = pathToFileURL(`${directory}/`);
  const modules = backends.map((path: string) => new URL(path, root).href);
  const outside = modules.find((url) => !url.startsWith(root.href));
  if (outside !== undefined) throw new Error(`"sluice.backends" leaves the package: ${outside}`);
  return { name, version: typeof version === "string" ? version : "", modules };
}

/** What is read, or `undefined` where nothing is. */
async function absentAsUndefined<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}
