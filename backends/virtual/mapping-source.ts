/** Where a workspace has its mapping from. */
import { StorageError } from "../../src/core/errors.ts";
import type { WorkspaceEntry, WorkspaceMapping } from "./mapping.ts";
import { PathTree } from "./path-tree.ts";

/** A mapping at one time. */
export interface MappingState {
  readonly tree: PathTree;
  /** Tells this state from later ones. */
  readonly version: string;
  /** Files of the folder that the mapping was made of, which are no images of the plate. */
  readonly unparsed: readonly string[];
}

/** An entry to be added. */
export interface NewEntry {
  readonly entry: WorkspaceEntry;
  /** False: nothing may be there by now that leads elsewhere. */
  readonly mayReplace: boolean;
}

/** A mapping that may change. */
export interface MappingSource {
  /** Others may change it, so that it must be looked at. */
  readonly mayChange: boolean;
  /** The mapping as it is now. */
  load(): Promise<MappingState>;
  /** True if a state is still what {@link MappingSource.load} would give. */
  isCurrent(version: string): Promise<boolean>;
  /**
   * Adds or replaces entries, and answers the mapping that has them.
   *
   * @throws A {@link StorageError} `CONFLICT` where somebody else has mapped a path in the meantime.
   */
  add(entries: ReadonlyMap<string, NewEntry>): Promise<MappingState>;
}

/** What a mapping is made of when it is asked for: given in code, or a folder that is read. */
export class MadeMapping implements MappingSource {
  readonly mayChange = false;
  readonly #make: () => Promise<{ readonly mapping: WorkspaceMapping; readonly unparsed: readonly string[] }>;
  /** What was saved through the workspace: nobody else knows of it. */
  readonly #added = new Map<string, WorkspaceEntry>();
  readonly #where: string;
  #state: MappingState | undefined;

  /** @param make - Called by each {@link MadeMapping.load}. */
  constructor(
    where: string,
    make: () => Promise<{ readonly mapping: WorkspaceMapping; readonly unparsed: readonly string[] }>,
  ) {
    this.#where = where;
    this.#make = make;
  }

  async load(): Promise<MappingState> {
    const { mapping, unparsed } = await this.#make();
    const tree = PathTree.of(mapping, this.#where);
    for (const [path, entry] of this.#added) tree.add(path, entry);
    this.#state = { tree, version: "made", unparsed };
    return this.#state;
  }

  async isCurrent(): Promise<boolean> {
    return true;
  }

  async add(entries: ReadonlyMap<string, NewEntry>): Promise<MappingState> {
    const state = this.#state ?? (await this.load());
    addAll(state.tree, entries);
    for (const [path, { entry }] of entries) this.#added.set(path, entry);
    return state;
  }
}

/** Adds entries to a tree, all or none. */
export function addAll(tree: PathTree, entries: ReadonlyMap<string, NewEntry>): void {
  for (const [path, { entry, mayReplace }] of entries) {
    const there = tree.file(path);
    if (there === undefined || mayReplace) continue;
    if (there.backend === entry.backend && there.address === entry.address) continue;
    throw new StorageError("CONFLICT", `"${path}" was mapped to "${there.address}" in "${there.backend}" meanwhile`, {
      identifier: path,
    });
  }
  for (const [path, { entry }] of entries) tree.add(path, entry);
}
