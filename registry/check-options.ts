/** Checks the options of a backend before it is opened. */
import type { BackendDescriptor, StandardIssue } from "../src/core/descriptor.ts";
import { StorageError } from "../src/core/errors.ts";

/**
 * The options as the backend's own schema returns them, defaults filled in; untouched where there is no schema.
 *
 * @throws A {@link StorageError} `CONFIG_INVALID` that names every mistake with its path; `identifier` is the first
 * path.
 */
export async function checkOptions(descriptor: BackendDescriptor, options: object, instance: string): Promise<object> {
  if (descriptor.options === undefined) return options;
  const schema = await descriptor.options();
  const result = await schema["~standard"].validate(options);
  if (result.issues === undefined) return result.value;
  const mistakes = result.issues.map((issue) => ({ path: pathOf(issue), message: issue.message }));
  const list = mistakes.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`)).join("; ");
  const name = instance === descriptor.key ? "" : `, instance "${instance}"`;
  throw new StorageError("CONFIG_INVALID", `Options of backend "${descriptor.key}"${name}: ${list}`, {
    backend: instance,
    operation: "open",
    identifier: mistakes[0]?.path,
  });
}

function pathOf(issue: StandardIssue): string {
  let path = "";
  for (const part of issue.path ?? []) {
    const key = typeof part === "object" ? part.key : part;
    if (typeof key === "number") path += `[${key}]`;
    else path += path === "" ? String(key) : `.${String(key)}`;
  }
  return path;
}
