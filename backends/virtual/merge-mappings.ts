/** Several mappings as one. */
import { StorageError } from "../../src/core/errors.ts";
import { joinKey, normalizeKey } from "../../src/core/key.ts";
import { checkMapping, type WorkspaceEntry, type WorkspaceMapping } from "./mapping.ts";

/**
 * Puts several mappings together, each below a directory of its own.
 *
 * @param mappings - By directory; `""` is the root.
 * @throws A {@link StorageError} `CONFIG_INVALID` for a path that two of them have, and names both; none wins.
 */
export function mergeMappings(mappings: Readonly<Record<string, WorkspaceMapping>>): WorkspaceMapping {
  const entries = new Map<string, WorkspaceEntry>();
  const owners = new Map<string, string>();
  for (const [directory, mapping] of Object.entries(mappings)) {
    checkMapping(mapping, `The mapping of "${directory}"`);
    for (const [written, entry] of Object.entries(mapping.entries)) {
      const path = normalizeKey(joinKey(directory, written));
      const owner = owners.get(path);
      if (owner !== undefined) {
        const both = `the mappings of "${owner}" and of "${directory}"`;
        throw new StorageError("CONFIG_INVALID", `"${path}" is in two mappings: ${both}`, { identifier: path });
      }
      owners.set(path, directory);
      entries.set(path, entry);
    }
  }
  return { version: 1, entries: Object.fromEntries(entries) };
}
