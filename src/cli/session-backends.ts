/** The named backends of a session file, without opening the session. Heavy: reads YAML and checks it. */
import { resolve } from "node:path";
import { loadPlugins } from "../../registry/plugins.ts";
import type { Registry } from "../../registry/registry.ts";
import type { InstanceConfig } from "../core/descriptor.ts";
import { configError } from "../session/mistakes.ts";
import { readConfig } from "../session/read-config.ts";
import { checkSession } from "../session/schema.ts";

/**
 * Reads the `backends` of a session file and registers its plug-ins.
 *
 * @param registry - Gets the plug-ins.
 * @throws A {@link StorageError}: `NOT_FOUND` or `CONFIG_INVALID`.
 */
export async function readBackends(
  file: string,
  registry: Registry,
): Promise<Readonly<Record<string, InstanceConfig>>> {
  const { config, mistakes } = checkSession(await readConfig(file));
  if (config === undefined) throw configError(file, mistakes);
  await loadPlugins(registry, config.plugins, { base: resolve(file), override: false });
  return config.backends;
}
