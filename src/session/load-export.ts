/** Loads what a session file names: a built-in thing, or `package-or-file#Export`. */
import { access } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { resolve as resolveModule } from "import-meta-resolve";
import { describe } from "../core/checks.ts";
import { nearest } from "../core/errors.ts";

/**
 * What {@link loadExport} found: the exported value; a module that is not there; a mistake of the file; or code that
 * failed while it loaded.
 */
export type Loaded =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "missing"; readonly message: string }
  | { readonly kind: "mistake"; readonly message: string }
  | { readonly kind: "failure"; readonly error: unknown };

/** Built-in things by name. */
export type BuiltinTable = Readonly<Record<string, () => Promise<unknown>>>;

/**
 * Loads a `use` of a session file.
 *
 * @param use - A key of `builtins`; `./file.js#Export` relative to the session file; or `package#Export`, resolved from
 * where the session file is. Without `#`, a package or file stands for its default export.
 * @param baseDirectory - Folder of the session file.
 * @param what - What is looked for, for messages.
 */
export async function loadExport(
  use: string,
  baseDirectory: string,
  what: string,
  builtins: BuiltinTable = {},
): Promise<Loaded> {
  const builtin = Object.hasOwn(builtins, use) ? builtins[use] : undefined;
  if (builtin) return { kind: "value", value: await builtin() };
  const names = Object.keys(builtins);
  const hash = use.lastIndexOf("#");
  if (hash < 0 && names.length > 0 && !isFile(use)) {
    const suggestion = nearest(use, names);
    const guess = suggestion ? `did you mean "${suggestion}"? ` : "";
    return {
      kind: "mistake",
      message: `no built-in ${what} of this name; ${guess}Built in: ${names.join(", ")}. Others: package-or-file#Export`,
    };
  }
  const specifier = hash < 0 ? use : use.slice(0, hash);
  const name = hash < 0 ? "default" : use.slice(hash + 1);
  const url = await findModule(specifier, baseDirectory);
  if (url === undefined) {
    const message = isFile(specifier)
      ? `no such file, looked for it relative to ${baseDirectory}`
      : `this package is not installed where the session file is: npm install ${packageOf(specifier)}`;
    return { kind: "missing", message };
  }
  let module: Readonly<Record<string, unknown>>;
  try {
    module = (await import(/* @vite-ignore */ url)) as Readonly<Record<string, unknown>>;
  } catch (error) {
    return { kind: "failure", error };
  }
  if (Object.hasOwn(module, name)) return { kind: "value", value: module[name] };
  const exports = Object.keys(module);
  const suggestion = nearest(name, exports);
  const guess = suggestion ? `, did you mean "${suggestion}"?` : `; it exports: ${exports.join(", ") || "nothing"}`;
  return { kind: "mistake", message: `the module has no export of this name${guess}` };
}

/** True if the value is a class or another constructor function. */
export function isClass(value: unknown): boolean {
  return typeof value === "function" && typeof value.prototype === "object";
}

/** What a wrong export is, for messages. */
export function describeExport(value: unknown): string {
  return typeof value === "function" ? "a function" : describe(value);
}

/** The URL of a module; `undefined` if the file or the package is not there. */
async function findModule(specifier: string, baseDirectory: string): Promise<string | undefined> {
  try {
    const url = resolveModule(specifier, pathToFileURL(`${baseDirectory}/session.yaml`).href);
    if (url.startsWith("file:")) await access(new URL(url));
    return url;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ERR_MODULE_NOT_FOUND" || code === "ERR_PACKAGE_PATH_NOT_EXPORTED")
      return undefined;
    throw error;
  }
}

function isFile(specifier: string): boolean {
  return /^[./]|^file:/.test(specifier);
}

function packageOf(specifier: string): string {
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}
