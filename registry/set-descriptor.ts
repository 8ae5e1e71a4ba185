/** What another thread or process needs to have the same backends: plain JSON, without secrets. */
import { resolve as resolvePath } from "node:path";
import type { InstanceConfig } from "../src/core/descriptor.ts";
import { BUILT_IN, type Registry } from "./registry.ts";

/**
 * A set of backends as JSON: send it to a worker or a process, and `fromDescriptor` makes the set again.
 *
 * It has no secrets. What cannot go along is in `unavailable` with the reason, and asking for it there is `UNSUPPORTED`
 * with that reason:
 *
 * - backends whose values live in the memory of one process, such as `memory`;
 * - live instances, and backends that were registered in code and not as plug-ins;
 * - configurations with a secret: a user or a password in a URL, a query (which may be a signature), headers, and
 *   options that are called so (`password`, `token`, …); and those with anything that is no JSON.
 */
export interface BackendSetDescriptor {
  readonly version: 1;
  /** Folder that relative paths are relative to, absolute. */
  readonly baseDirectory: string;
  /** URLs of the modules of backends that do not come with Sluice. Importing them runs their code. */
  readonly plugins: readonly string[];
  /** Configurations by name. */
  readonly instances: Readonly<Record<string, InstanceConfig>>;
  /** Reasons by name. */
  readonly unavailable: Readonly<Record<string, string>>;
  /** True if file-like instances have codecs of their own, which `fromDescriptor` must be given again. */
  readonly hasOwnCodecs: boolean;
}

/** The descriptor of a set; `undefined` instead of a configuration is a live instance. */
export function describeSet(
  registry: Registry,
  configs: Iterable<readonly [name: string, config: InstanceConfig | undefined]>,
  options: {
    readonly baseDirectory?: string | undefined;
    readonly codecs?: object | undefined;
    readonly unavailable?: Readonly<Record<string, string>> | undefined;
  },
): BackendSetDescriptor {
  const instances: Record<string, InstanceConfig> = {};
  const unavailable: Record<string, string> = { ...options.unavailable };
  const plugins = new Set<string>();
  for (const [name, config] of configs) {
    const reason = config === undefined ? "it is a live object of another process" : reasonAgainst(registry, config);
    if (config === undefined || reason !== undefined) {
      unavailable[name] = reason as string;
      continue;
    }
    // A copy: nobody changes the set through its descriptor.
    instances[name] = structuredClone(config);
    for (const use of backendsIn(registry, config)) {
      const specifier = registry.specifierOf(use) as string;
      if (specifier !== BUILT_IN) plugins.add(specifier);
    }
  }
  return {
    version: 1,
    baseDirectory: resolvePath(options.baseDirectory ?? "."),
    plugins: [...plugins],
    instances,
    unavailable,
    hasOwnCodecs: options.codecs !== undefined,
  };
}

/** Why a configuration stays here; `undefined` if it may go. */
function reasonAgainst(registry: Registry, config: InstanceConfig): string | undefined {
  for (const use of backendsIn(registry, config)) {
    const { capabilities } = registry.descriptor(use);
    if (capabilities.read && !capabilities.persistent) return `"${use}" keeps its values in the memory of one process`;
    if (registry.specifierOf(use) === undefined) {
      return `its backend "${use}" was registered in code; as a plug-in, another process finds it`;
    }
  }
  return reasonIn(config, "");
}

/** Keys of the backends that a configuration opens: its own, and those of stores that it has within. */
function backendsIn(registry: Registry, config: InstanceConfig): string[] {
  // Layers have a "use" too.
  return [config.use, ...Object.values(config).flatMap((part) => usesIn(part).filter((use) => registry.has(use)))];
}

function usesIn(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  const { use } = value as Partial<InstanceConfig>;
  return [...(typeof use === "string" ? [use] : []), ...Object.values(value).flatMap(usesIn)];
}

/** Names of options whose values are nobody's business. */
const SECRET =
  /secret|passw|passphrase|token|credential|authorization|cookie|^headers$|api_?key|(access|private)_?key/i;

function reasonIn(value: unknown, path: string): string | undefined {
  if (typeof value === "string")
    return hasSecretUrl(value) ? `its ${path} has a user, a password or a query` : undefined;
  if (value === null || value === undefined || typeof value === "boolean") return undefined;
  if (typeof value === "number") return Number.isFinite(value) ? undefined : `its ${path} is no JSON`;
  const prototype: unknown = typeof value === "object" ? Object.getPrototypeOf(value) : undefined;
  const isPlain = Array.isArray(value) || prototype === Object.prototype || prototype === null;
  if (!isPlain) return `its ${path} is no JSON`;
  for (const [key, part] of Object.entries(value as object)) {
    const here = path === "" ? key : `${path}.${key}`;
    if (SECRET.test(key) && part !== undefined) return `its ${here} may be a secret`;
    const reason = reasonIn(part, here);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/** True for URLs, also one in another, with what may be a secret; the path of a file may have a `?`. */
function hasSecretUrl(text: string): boolean {
  if (!/[a-z][a-z0-9+.-]*:\/\//i.test(text)) return false;
  return /\/\/[^/?#]*@/.test(text) || /\?/.test(text.replace(/^file:.*/i, ""));
}
