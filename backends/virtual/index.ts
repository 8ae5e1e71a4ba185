/**
 * Virtual workspaces: one tree of paths over the values of several backends, written by hand or made of a plate's folder
 * by a grammar of its names. Light: workspaces and matchers are loaded when they are called for.
 *
 * @module
 */
import type { BackendBase, BackendOptions } from "../../src/core/backend.ts";
import type { ByteStore } from "../../src/core/byte-store.ts";
import type { IfExists } from "../../src/core/data-sink.ts";
import {
  type BackendDescriptor,
  defineBackend,
  type InstanceConfig,
  type OpenContext,
} from "../../src/core/descriptor.ts";
import { StorageError } from "../../src/core/errors.ts";
import { field, optionsSchema } from "../../src/core/options-schema.ts";
import { workspaceCapabilities } from "./capabilities.ts";
import type { FromFolderOptions, PlateWorkspace } from "./from-folder.ts";
import { plateGrammars } from "./grammars.ts";
import { checkMapping, type WorkspaceMapping } from "./mapping.ts";
import type { MappingSource } from "./mapping-source.ts";
import { grammarOf, type PlateGrammar, type PlateGrammarOptions } from "./plate-grammar.ts";
import type { PlateNames } from "./plate-names.ts";
import type { VirtualWorkspace } from "./workspace.ts";
import type { BackendLookup, WriteTarget } from "./workspace-parts.ts";

export type { FromFolderOptions, PlateWorkspace } from "./from-folder.ts";
export { plateGrammars } from "./grammars.ts";
export {
  formatMapping,
  type PlateCoordinates,
  parseMapping,
  type WorkspaceEntry,
  type WorkspaceMapping,
} from "./mapping.ts";
export { mergeMappings } from "./merge-mappings.ts";
export { definePlateGrammar, type PlateAxis, type PlateGrammar, type PlateGrammarOptions } from "./plate-grammar.ts";
export type { PlateFile, PlateNames, UnparsedFile } from "./plate-names.ts";
export { type WellPosition, wellName, wellPosition } from "./wells.ts";
export type { VirtualWorkspace } from "./workspace.ts";
export type { BackendLookup, BrokenEntry, WorkspaceSample, WriteTarget } from "./workspace-parts.ts";

/** Options that every workspace takes. */
export interface WorkspaceOptions {
  /** Where saves go: a backend by name, or a folder of one. Default: nowhere, saves are `READ_ONLY`. */
  readonly writeTo?: string | WriteTarget | undefined;
  /** Bytes that a batch may hold of values that several paths share. A larger one is loaded alone. Default 256 MiB. */
  readonly memoryBytes?: number | undefined;
  /**
   * `"always"` looks at the mapping file before each operation (one `stat`, shared by those that wait for it);
   * `"manual"` only when `refresh()` is called. Default `"always"`.
   */
  readonly refresh?: "always" | "manual" | undefined;
  /** Overwrite policy of saves that name none. Default `"error"`. */
  readonly ifExists?: IfExists | undefined;
}

/** Options of the `virtual_workspace` backend. Either `mapping`, or `source` and `grammar`. */
export interface VirtualWorkspaceOptions extends WorkspaceOptions {
  /** The mapping itself, or the path of its JSON in `store`. */
  readonly mapping?: string | WorkspaceMapping | undefined;
  /** Where the mapping file is: an instance name, a URL or a configuration. Default: the disk, from the session file. */
  readonly store?: string | InstanceConfig | undefined;
  /** A mapping file that is not there is an empty workspace, and is made by the first save. Default `false`. */
  readonly create?: boolean | undefined;
  /** Name of the backend that has a plate's files, from which the mapping is made. */
  readonly source?: string | undefined;
  /** Folder of the plate in it. Default: its root. */
  readonly folder?: string | undefined;
  /** How the plate's files are named: one of {@link plateGrammars} by name, or a grammar. */
  readonly grammar?: string | PlateGrammarOptions | undefined;
  /** Virtual paths of the plate's images; see {@link FromFolderOptions.paths}. */
  readonly paths?: string | undefined;
  /**
   * What happens to files that the grammar does not read. `"error"` refuses to open; `"report"` leaves them out and lists
   * them in `unparsed`. Default `"error"`.
   */
  readonly onUnparsed?: "error" | "report" | undefined;
}

/** What {@link openWorkspace} needs. */
export interface OpenWorkspaceOptions extends WorkspaceOptions, Pick<BackendOptions, "instance"> {
  /** The mapping, or where its file is. The store stays the caller's. */
  readonly mapping:
    | WorkspaceMapping
    | { readonly store: ByteStore; readonly key: string; readonly create?: boolean | undefined };
  /** A `BackendSet`, or a `Map` of live backends. They stay the caller's. */
  readonly backends: BackendLookup;
}

const text = (value: unknown) => (typeof value === "string" || isRecord(value) ? undefined : "a name or an object");

const optionsOfWorkspace = optionsSchema<VirtualWorkspaceOptions>({
  mapping: text,
  store: text,
  create: (value) => (typeof value === "boolean" ? undefined : "true or false"),
  source: field.text,
  folder: field.text,
  grammar: text,
  paths: field.text,
  onUnparsed: field.oneOf("error", "report"),
  writeTo: text,
  memoryBytes: field.wholeNumber,
  refresh: field.oneOf("always", "manual"),
  ifExists: field.oneOf("error", "replace", "skip"),
});

/** The backend of virtual workspaces, key `"virtual_workspace"`, alias `"virtual"`. */
export const virtualWorkspace: BackendDescriptor<VirtualWorkspaceOptions> = defineBackend<VirtualWorkspaceOptions>({
  key: "virtual_workspace",
  aliases: ["virtual"],
  summary: "One tree of paths over the values of several backends",
  capabilities: workspaceCapabilities,
  options: async () => optionsOfWorkspace,
  open: async (options, context) => {
    const backends = backendsOf(context);
    const mapping = await mappingSource(options, backends, context);
    return startWorkspace(mapping, backends, { ...options, instance: context.instance });
  },
});

export default virtualWorkspace;

/**
 * Opens a workspace over backends that are there already.
 *
 * @throws A {@link StorageError}: `CONFIG_INVALID` for a wrong mapping, `NOT_FOUND` or `CORRUPT` for its file.
 * @example
 * ```ts
 * import { BackendSet, createRegistry } from "sluice/registry";
 * import { openWorkspace } from "sluice/backends/virtual";
 * await using backends = new BackendSet(createRegistry(), { raw: { use: "memory" } });
 * await using workspace = await openWorkspace({
 *   backends,
 *   mapping: { version: 1, entries: { "A01/dapi.npy": { backend: "raw", address: "x7.npy", axes: [0] } } },
 * });
 * ```
 */
export async function openWorkspace(options: OpenWorkspaceOptions): Promise<VirtualWorkspace> {
  const { mapping, backends } = options;
  const { MadeMapping } = await import("./mapping-source.ts");
  if ("store" in mapping && "key" in mapping) {
    const { MappingFile } = await import("./mapping-file.ts");
    return startWorkspace(new MappingFile(mapping), backends, options);
  }
  const checked = checkMapping(mapping, "The mapping");
  const made = new MadeMapping("The mapping", async () => ({ mapping: checked, unparsed: [] }));
  return startWorkspace(made, backends, options);
}

/**
 * Makes a mapping of a plate's folder: one virtual path for each image, in the order of the plate.
 *
 * Every file of the folder is in the mapping, in `unparsed` or in `ignored`. Where the grammar says what pages are, each
 * page is a path of its own; a file whose shape its backend does not know is loaded to count them.
 *
 * @param backend - Has the files.
 * @param folder - Path in it; `""` is its root.
 * @param grammar - One of {@link plateGrammars} by name, or a grammar.
 * @throws A {@link StorageError}: `INVALID_DATA` for two files of one image, and names both; `CONFIG_INVALID` for a wrong
 * grammar; `NOT_FOUND` for a folder that is not there.
 * @example
 * ```ts
 * import { createRegistry } from "sluice/registry";
 * import { workspaceFromFolder } from "sluice/backends/virtual";
 * await using raw = await createRegistry().open("memory");
 * const { mapping, unparsed } = await workspaceFromFolder(raw, "", "opera_phenix");
 * ```
 */
export async function workspaceFromFolder(
  backend: BackendBase,
  folder: string,
  grammar: string | PlateGrammarOptions,
  options: FromFolderOptions = {},
): Promise<PlateWorkspace> {
  const { mappingOfFolder } = await import("./from-folder.ts");
  return mappingOfFolder(backend, folder, grammarOf(grammar, plateGrammars), options);
}

/**
 * Reads names of a plate's files.
 *
 * @param paths - Relative to the plate's folder.
 * @throws A {@link StorageError} `CONFIG_INVALID` for a wrong grammar.
 */
export async function parsePlateNames(
  grammar: string | PlateGrammarOptions,
  paths: Iterable<string>,
): Promise<PlateNames> {
  const { readPlateNames } = await import("./plate-names.ts");
  return readPlateNames(grammarOf(grammar, plateGrammars), paths);
}

async function startWorkspace(
  mapping: MappingSource,
  backends: BackendLookup,
  options: WorkspaceOptions & Pick<BackendOptions, "instance">,
): Promise<VirtualWorkspace> {
  const { VirtualWorkspace } = await import("./workspace.ts");
  const { writeTo, memoryBytes, refresh, ifExists, instance } = options;
  const target = typeof writeTo === "string" ? { backend: writeTo } : writeTo;
  if (target !== undefined && typeof target.backend !== "string") {
    throw new StorageError("CONFIG_INVALID", "writeTo must be the name of a backend, or { backend, folder }", {
      backend: instance,
      operation: "open",
      identifier: "writeTo",
    });
  }
  const workspace = new VirtualWorkspace({
    ...{ mapping, backends, memoryBytes, refresh, ifExists, instance },
    writeTo: target,
  });
  await workspace.refresh();
  return workspace;
}

async function mappingSource(
  options: VirtualWorkspaceOptions,
  backends: BackendLookup,
  context: OpenContext,
): Promise<MappingSource> {
  const { mapping, store, create, source, folder = "", grammar, paths, onUnparsed = "error" } = options;
  const { instance } = context;
  const fail = (name: string, problem: string) =>
    new StorageError("CONFIG_INVALID", `${instance}.${name}: ${problem}`, {
      backend: instance,
      operation: "open",
      identifier: name,
    });
  if (mapping !== undefined && source !== undefined)
    throw fail("source", "there is a mapping already; keep one of them");
  const { MadeMapping } = await import("./mapping-source.ts");
  if (typeof mapping === "string") {
    const { MappingFile } = await import("./mapping-file.ts");
    return new MappingFile({ store: await context.store(store ?? localDisk(mapping)), key: mapping, create });
  }
  if (mapping !== undefined) {
    const checked = checkMapping(mapping, `${instance}.mapping`);
    return new MadeMapping(`${instance}.mapping`, async () => ({ mapping: checked, unparsed: [] }));
  }
  if (source === undefined) throw fail("mapping", "a mapping file, a mapping, or source and grammar must be given");
  if (grammar === undefined) throw fail("grammar", `it is missing; known: ${Object.keys(plateGrammars).join(", ")}`);
  const checked: PlateGrammar = grammarOf(grammar, plateGrammars);
  return new MadeMapping(`Folder "${folder}" of "${source}"`, async () => {
    const { mappingOfFolder } = await import("./from-folder.ts");
    const backend = (await backends.get(source)) as BackendBase;
    const made = await mappingOfFolder(backend, folder, checked, { backendName: source, paths });
    const unparsed = made.unparsed.map(({ path }) => path);
    const [first] = made.unparsed;
    if (first === undefined || onUnparsed === "report") return { mapping: made.mapping, unparsed };
    throw new StorageError(
      "INVALID_DATA",
      `${unparsed.length} files of "${folder}" in "${source}" are not read by the grammar "${checked.name}", ` +
        `"${first.path}" among them: ${first.reason}. Let it ignore them, or set onUnparsed: report`,
      { backend: instance, operation: "open", identifier: first.path },
    );
  });
}

function backendsOf(context: OpenContext): BackendLookup {
  return {
    get: (name) => {
      if (context.backend !== undefined) return context.backend(name);
      throw new StorageError(
        "CONFIG_INVALID",
        `Workspace "${context.instance}" asks for the backend "${name}"; open it through a BackendSet`,
        { backend: context.instance, operation: "open", identifier: name },
      );
    },
  };
}

/** The disk that a path is on: all of it for an absolute path, else what is below the folder that paths start from. */
function localDisk(path: string): InstanceConfig {
  return path.startsWith("/") || /^[a-z]:[\\/]/i.test(path) ? { use: "disk" } : { use: "disk", root: "." };
}

function isRecord(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}
