/** Plug-ins: packages or files whose default export is a backend descriptor, or a list of them. */
import { isAbsolute, resolve as resolvePath } from "node:path";
import { pathToFileURL } from "node:url";
import { isStorageError, StorageError, throwFailures } from "../src/core/errors.ts";
import type { BackendClass } from "./backend.ts";
import type { AnyBackendDescriptor, BackendInfo } from "./backend-info.ts";
import type { RegisterOptions, Registry } from "./registry.ts";

/** Options of {@link loadPlugins}. */
export interface PluginOptions extends RegisterOptions {
  /**
   * File (or its `file:` URL) that specifiers are resolved against, as an import in it would be; a path that ends with
   * `/` is a folder. Default: the working directory.
   */
  readonly base?: string | URL | undefined;
  /** Imports a resolved URL. Default: `import()`. For tests, and for hosts with a module system of their own. */
  readonly importer?: ((url: string) => Promise<unknown>) | undefined;
}

/**
 * Imports plug-ins and registers what they export. All are tried; those that work stay registered.
 *
 * @param specifiers - Package names, subpaths, relative paths (`./backend.js`) or URLs.
 * @returns What was registered, in order.
 * @throws A {@link StorageError}: `MISSING_DEPENDENCY` for what cannot be found, `CONFIG_INVALID` for what exports no
 * backend or fails while it is imported, `ALREADY_EXISTS` for a taken key; an `AggregateError` for several failures.
 */
export async function loadPlugins(
  registry: Registry,
  specifiers: readonly string[],
  options: PluginOptions = {},
): Promise<BackendInfo[]> {
  const { importer = (url: string) => import(url), override } = options;
  const base = baseUrl(options.base ?? "./");
  const registered: BackendInfo[] = [];
  const failures: unknown[] = [];
  for (const specifier of specifiers) {
    try {
      const url = await resolveSpecifier(specifier, base);
      for (const backend of backendsOf(await importPlugin(specifier, url, importer), specifier)) {
        registered.push(registry.register(backend, { override, specifier: url }));
      }
    } catch (error) {
      failures.push(error);
    }
  }
  throwFailures(failures, "Plug-ins failed to load");
  return registered;
}

async function resolveSpecifier(specifier: string, base: string): Promise<string> {
  try {
    if (isAbsolute(specifier)) return pathToFileURL(specifier).href;
    const { resolve } = await import("import-meta-resolve");
    return resolve(specifier, base);
  } catch (error) {
    throw missing(specifier, error, `looked from ${base}`);
  }
}

async function importPlugin(
  specifier: string,
  url: string,
  importer: (url: string) => Promise<unknown>,
): Promise<unknown> {
  try {
    return await importer(url);
  } catch (error) {
    if (isStorageError(error)) throw error;
    if ((error as { code?: unknown } | null)?.code === "ERR_MODULE_NOT_FOUND") throw missing(specifier, error, url);
    throw invalid(specifier, `failed while it was imported: ${reasonOf(error)}`, error);
  }
}

function backendsOf(module: unknown, specifier: string): (AnyBackendDescriptor | BackendClass)[] {
  const exported = (module as { readonly default?: unknown } | null)?.default;
  const list: unknown[] = Array.isArray(exported) ? exported : [exported];
  if (list.length > 0 && list.every((item) => typeof item === "function" || (typeof item === "object" && item))) {
    return list as (AnyBackendDescriptor | BackendClass)[];
  }
  throw invalid(specifier, "has no default export that is a backend descriptor, a @backend class, or a list of them");
}

/** The URL that specifiers are resolved against. */
function baseUrl(base: string | URL): string {
  if (base instanceof URL || /^file:/i.test(base)) return new URL(base).href;
  const path = resolvePath(base);
  return pathToFileURL(/[\\/]$/.test(base) ? `${path}/` : path).href;
}

function missing(specifier: string, cause: unknown, where: string): StorageError {
  const hint = /^[./]|:/.test(specifier) ? "" : `. Install it: npm install ${specifier}`;
  return new StorageError(
    "MISSING_DEPENDENCY",
    `Plug-in "${specifier}" was not found (${where}): ${reasonOf(cause)}${hint}`,
    { operation: "loadPlugins", identifier: specifier, cause },
  );
}

function invalid(specifier: string, problem: string, cause?: unknown): StorageError {
  return new StorageError("CONFIG_INVALID", `Plug-in "${specifier}" ${problem}`, {
    operation: "loadPlugins",
    identifier: specifier,
    ...(cause === undefined ? {} : { cause }),
  });
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
