/** Makes a set of backends again, in another thread or process. */
import type { CodecSet } from "../src/codecs/codec-set.ts";
import type { InstanceConfig } from "../src/core/descriptor.ts";
import { StorageError } from "../src/core/errors.ts";
import { BackendSet } from "./backend-set.ts";
import { createRegistry } from "./builtin.ts";
import { loadPlugins, type PluginOptions } from "./plugins.ts";
import type { Registry } from "./registry.ts";
import type { BackendSetDescriptor } from "./set-descriptor.ts";

/** Options of {@link fromDescriptor}. */
export interface FromDescriptorOptions extends Pick<PluginOptions, "importer"> {
  /** Where keys come from. Default: a new registry with the built-in backends. Plug-ins are registered in it. */
  readonly registry?: Registry | undefined;
  /** Instances of this process: in addition, and instead of those of the same name, such as one with a secret. */
  readonly instances?: Readonly<Record<string, InstanceConfig>> | undefined;
  /** Codecs of the file-like instances, where the described set had its own. */
  readonly codecs?: CodecSet | undefined;
}

/**
 * The set that a descriptor describes. Imports its plug-ins, which runs their code: take descriptors only from whom you
 * trust. Opens nothing; the caller closes the set.
 *
 * @throws A {@link StorageError}: `CONFIG_INVALID` for what is no descriptor, or lacks its codecs; and what a plug-in
 * threw, `MISSING_DEPENDENCY` where it cannot be found.
 * @example
 * ```ts
 * import { BackendSet, createRegistry, fromDescriptor } from "sluice/registry";
 * await using backends = new BackendSet(createRegistry(), { raw: { use: "disk", root: "/data" } });
 * const message = JSON.stringify(backends.toDescriptor());
 * // … in the worker:
 * await using same = await fromDescriptor(JSON.parse(message));
 * ```
 */
export async function fromDescriptor(
  descriptor: BackendSetDescriptor,
  options: FromDescriptorOptions = {},
): Promise<BackendSet> {
  const { registry = createRegistry(), instances = {}, codecs, importer } = options;
  const { version, baseDirectory, plugins, unavailable } = checkDescriptor(descriptor);
  if (descriptor.hasOwnCodecs && codecs === undefined) {
    throw invalid("the set has codecs of its own; pass them as codecs");
  }
  if (version !== 1) throw invalid(`it has version ${String(version)}, and 1 is known here`);
  await loadPlugins(registry, plugins, { importer, override: true });
  const own = new Set(Object.keys(instances).map((name) => name.toLowerCase()));
  const without = <T>(record: Readonly<Record<string, T>>) =>
    Object.fromEntries(Object.entries(record).filter(([name]) => !own.has(name.toLowerCase())));
  const all = { ...without(descriptor.instances), ...instances };
  return new BackendSet(registry, all, { baseDirectory, codecs, unavailable: without(unavailable) });
}

function checkDescriptor(value: unknown): BackendSetDescriptor {
  const { baseDirectory, plugins, instances, unavailable } = (value ?? {}) as Partial<BackendSetDescriptor>;
  const isRecord = (part: unknown) => typeof part === "object" && part !== null && !Array.isArray(part);
  const isWhole =
    typeof baseDirectory === "string" && Array.isArray(plugins) && isRecord(instances) && isRecord(unavailable);
  if (!isWhole)
    throw invalid("it needs baseDirectory, plugins, instances and unavailable, as toDescriptor() gives them");
  return value as BackendSetDescriptor;
}

function invalid(problem: string): StorageError {
  return new StorageError("CONFIG_INVALID", `This describes no set of backends: ${problem}`, {
    operation: "fromDescriptor",
  });
}
