/**
 * The parts of a session file that other people check: backends and writers by their descriptors, devices by their
 * classes. Loads what the file names, and opens nothing.
 */
import { type DiscoveredBackends, loadPlugins, type Registry, registerDiscovered } from "../../registry/index.ts";
import type { StandardSchemaV1 } from "../core/descriptor.ts";
import { nearest, StorageError } from "../core/errors.ts";
import { checkLayers } from "../layers/stack.ts";
import { builtinDevices } from "./builtin.ts";
import { type Constructor, neededTokens } from "./container.ts";
import { describeExport, isClass, loadExport } from "./load-export.ts";
import { formatPath, type Mistake, mistakesOf } from "./mistakes.ts";
import { type DeviceConfig, deviceKeys } from "./schema.ts";
import { writerGroupOf } from "./tokens.ts";

/** A device that can be built. */
export interface DevicePart {
  /** Name in the session file. */
  readonly name: string;
  /** Its class. */
  readonly type: Constructor;
  /** Its options, as its schema returns them where it has one. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Group of its writer; `undefined` without a `storage` section. */
  readonly group: string | undefined;
  /** False: the session opens without it if it fails. */
  readonly essential: boolean;
}

/** A device whose code failed while it was loaded. */
export interface BrokenPart {
  readonly name: string;
  readonly essential: boolean;
  readonly error: unknown;
}

/** What is needed of a session file that may be wrong in some places. */
export interface Sections {
  readonly plugins: readonly string[];
  readonly backends: Readonly<Record<string, { readonly use: string }>>;
  readonly writers: Readonly<Record<string, { readonly use: string }>> | undefined;
  readonly devices: Readonly<Record<string, DeviceConfig>>;
}

/** What {@link checkParts} found. */
export interface CheckedParts {
  /** Built-in backends (or those of the given registry) and plugins; belongs to this session alone. */
  readonly registry: Registry;
  readonly devices: readonly (DevicePart | BrokenPart)[];
  readonly mistakes: readonly Mistake[];
  /** What was found in installed packages, if it was looked for. */
  readonly discovery: DiscoveredBackends | undefined;
}

/**
 * Loads and checks everything that a session file names.
 *
 * @param base - Registry to start from. Not changed: plugins go into a copy.
 * @param baseDirectory - Folder of the session file.
 * @param discover - Folder whose installed packages may bring backends. Plugins come first: what a file names keeps its
 * key.
 */
export async function checkParts(
  sections: Sections,
  base: Registry,
  baseDirectory: string,
  discover?: string,
): Promise<CheckedParts> {
  const registry = base.clone();
  const mistakes: Mistake[] = [];
  for (const [index, plugin] of sections.plugins.entries()) {
    try {
      await loadPlugins(registry, [plugin], { base: `${baseDirectory}/`, override: false });
    } catch (error) {
      mistakes.push({ path: `plugins[${index}]`, message: textOf(error), cause: error });
    }
  }
  const discovery =
    discover === undefined ? undefined : await registerDiscovered(registry, discover, { override: false });
  const known: KnownBackends = { registry, problems: discovery?.problems ?? [] };
  for (const [name, config] of Object.entries(sections.backends)) {
    mistakes.push(...(await checkBackend(config, ["backends", name], known, "values")));
  }
  for (const [name, config] of Object.entries(sections.writers ?? {})) {
    mistakes.push(...(await checkBackend(config, ["storage", "writers", name], known, "writer")));
  }
  const devices: (DevicePart | BrokenPart)[] = [];
  const groups = sections.writers && Object.keys(sections.writers);
  for (const [name, config] of Object.entries(sections.devices)) {
    const checked = await checkDevice(name, config, groups, baseDirectory);
    if ("mistakes" in checked) mistakes.push(...checked.mistakes);
    else devices.push(checked);
  }
  return { registry, devices, mistakes, discovery };
}

/** The backends there are, and why there are not more. */
interface KnownBackends {
  readonly registry: Registry;
  readonly problems: readonly StorageError[];
}

async function checkBackend(
  config: { readonly use: string },
  path: readonly string[],
  { registry, problems }: KnownBackends,
  role: "values" | "writer",
): Promise<Mistake[]> {
  const { use, layers, ...rest } = config as { readonly use: string; readonly layers?: unknown };
  // A writer has no layers of its own; its schema says so.
  const options = layers === undefined || role === "values" ? rest : { ...rest, layers };
  const at = `${path.join(".")}.use`;
  const usable = registry.keys().filter((key) => {
    const { opens } = registry.descriptor(key);
    return role === "writer" ? opens.writer : opens.values || opens.store;
  });
  if (!registry.has(use) || !usable.includes(registry.descriptor(use).key)) {
    const what = registry.has(use) ? "this backend has no frame writer" : "no backend of this name";
    const suggestion = nearest(use, usable);
    const guess =
      suggestion && suggestion !== use ? `, did you mean "${suggestion}"?` : `; known: ${usable.join(", ")}`;
    const broken = registry.has(use) ? "" : problems.map(({ message }) => `. ${message}`).join("");
    return [{ path: at, message: what + guess + broken }];
  }
  try {
    const mistakes: Mistake[] = [];
    if (layers !== undefined && role === "values") {
      const where = [...path, "layers"];
      if (registry.descriptor(use).opens.store) mistakes.push(...(await layerMistakes(layers, where)));
      else
        mistakes.push({ path: where.join("."), message: "layers go around a byte store, and this backend has none" });
    }
    const descriptor = await registry.load(use);
    if (descriptor.options) mistakes.push(...(await check(await descriptor.options(), options, path)).mistakes);
    return mistakes;
  } catch (error) {
    return [{ path: at, message: textOf(error), cause: error }];
  }
}

/** Our own messages, which repeat no value; the names of layers in them stay. */
async function layerMistakes(layers: unknown, at: readonly string[]): Promise<Mistake[]> {
  const issues = await checkLayers(layers);
  return issues.map(({ message, path = [] }) => {
    const inner = path.map((part) => (typeof part === "object" ? part.key : part));
    return { path: formatPath([...at, ...inner]), message };
  });
}

async function checkDevice(
  name: string,
  config: DeviceConfig,
  groups: readonly string[] | undefined,
  baseDirectory: string,
): Promise<DevicePart | BrokenPart | { readonly mistakes: Mistake[] }> {
  const essential = config.essential ?? true;
  const path = ["devices", name];
  const wrong = (key: string, message: string) => ({ mistakes: [{ path: [...path, key].join("."), message }] });
  const loaded = await loadExport(config.use, baseDirectory, "device", builtinDevices);
  if (loaded.kind === "failure") return { name, essential, error: loaded.error };
  if (loaded.kind === "missing" && !essential) {
    const context = { operation: "openSession", identifier: name };
    return { name, essential, error: new StorageError("MISSING_DEPENDENCY", loaded.message, context) };
  }
  if (loaded.kind !== "value") return wrong("use", loaded.message);
  if (!isClass(loaded.value)) return wrong("use", `expected a class, found ${describeExport(loaded.value)}`);
  const type = loaded.value as Constructor;
  const mistakes: Mistake[] = [];
  for (const token of neededTokens(type)) {
    const group = writerGroupOf(token);
    if (group === undefined || groups?.includes(group)) continue;
    const known = groups ? `; there are: ${groups.join(", ")}` : ": there is no storage section";
    mistakes.push({ path: path.join("."), message: `its class needs the writer group "${group}"${known}` });
  }
  const own = Object.fromEntries(Object.entries(config).filter(([key]) => !deviceKeys.includes(key)));
  const schema = (type as { options?: unknown }).options;
  const checked = isStandardSchema(schema) ? await check(schema, own, path) : { value: own, mistakes: [] };
  mistakes.push(...checked.mistakes);
  if (mistakes.length > 0) return { mistakes };
  const group = config.writer ?? (groups?.length === 1 ? groups[0] : groups && "default");
  return { name, type, essential, group, options: checked.value as Record<string, unknown> };
}

async function check(
  schema: StandardSchemaV1,
  value: unknown,
  path: readonly string[],
): Promise<{ readonly value: unknown; readonly mistakes: Mistake[] }> {
  const result = await schema["~standard"].validate(value);
  if (result.issues === undefined) return { value: result.value, mistakes: [] };
  const known = shapeKeys(schema);
  return {
    value,
    mistakes: mistakesOf(result.issues, value, path, (inner) => (inner.length === 0 ? known : undefined)),
  };
}

function isStandardSchema(value: unknown): value is StandardSchemaV1 {
  return (typeof value === "object" || typeof value === "function") && value !== null && "~standard" in value;
}

/** The keys that a zod object takes; `undefined` for other validators, which do not tell. */
function shapeKeys(schema: StandardSchemaV1): readonly string[] | undefined {
  const { shape } = schema as { shape?: unknown };
  return typeof shape === "object" && shape !== null ? Object.keys(shape) : undefined;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
