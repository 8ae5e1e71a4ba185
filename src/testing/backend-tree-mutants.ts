/** Mistakes of listings, predicates, and of what changes a tree. */
import { StorageError } from "../core/errors.ts";
import { joinKey, parentKey } from "../core/key.ts";
import { type BackendMutant, mutant } from "./backend-mutant.ts";

/** Mutants of listings, predicates, deleting, copying, moving, directories and links. */
export const treeMutants: readonly BackendMutant[] = [
  mutant("lists broken links as files", ({ listFiles, listDir, stat }) => ({
    listFiles: async (directory, options) => {
      const found = await listFiles(directory, options);
      for (const name of await listDir(directory)) {
        const { kind, exists } = await stat(joinKey(directory, name));
        if (kind === "symlink" && !exists) found.push(joinKey(directory, name));
      }
      return found;
    },
  })),
  mutant("never descends", ({ listFiles }) => ({
    listFiles: (directory, options) => listFiles(directory, { ...options, recursive: false }),
  })),
  mutant("always descends", ({ listFiles }) => ({
    listFiles: (directory, options) => listFiles(directory, { ...options, recursive: true }),
  })),
  mutant("lists in the order of plain paths", ({ listFiles }) => ({
    listFiles: async (directory, options) => (await listFiles(directory, options)).sort(),
  })),
  mutant("minds the case of extensions", ({ listFiles }) => ({
    listFiles: async (directory, options) => {
      const found = await listFiles(directory, options);
      const endings = options?.extensions && [...options.extensions].map((ending) => ending.replace(/^\.?/, "."));
      return endings ? found.filter((path) => endings.some((ending) => path.endsWith(ending))) : found;
    },
  })),
  mutant("takes no extensions for all extensions", ({ listFiles }) => ({
    listFiles: (directory, options) => {
      const { extensions, ...others } = options ?? {};
      return extensions && [...extensions].length === 0 ? listFiles(directory, others) : listFiles(directory, options);
    },
  })),
  mutant("forgets the pattern", ({ listFiles }) => ({
    listFiles: (directory, options) => listFiles(directory, { ...options, pattern: undefined }),
  })),
  mutant("follows links although nobody asked", ({ listFiles }) => ({
    listFiles: (directory, options) => listFiles(directory, { ...options, followSymlinks: true }),
  })),
  mutant("lists names that cannot be loaded", ({ listFiles }) => ({
    listFiles: async (directory, options) =>
      (await listFiles(directory, options)).map((path) => path.slice(path.lastIndexOf("/") + 1)),
  })),
  mutant("lists nothing for a directory that is missing", ({ listFiles, exists }) => ({
    listFiles: async (directory, options) => ((await exists(directory)) ? listFiles(directory, options) : []),
  })),
  mutant("lists names below names", ({ listDir, listFiles }) => ({
    listDir: async (path, options) => {
      const files = await listFiles(path, { recursive: true });
      const deep = files
        .map((file) => file.slice(path === "" ? 0 : path.length + 1))
        .filter((name) => name.includes("/"));
      return [...(await listDir(path, options)), ...deep];
    },
  })),
  mutant("does not find names with brackets", ({ load, exists }) => ({
    load: (path, options) => load(path.replace(/\[(.)\]/g, "$1"), options),
    exists: (path, options) => exists(path.replace(/\[(.)\]/g, "$1"), options),
  })),
  mutant("cuts keys at the root instead of refusing them", ({ save, load }) => ({
    save: (data, path, options) => save(data, path.replace(/^(\.\.\/)+/, ""), options),
    load: (path, options) => load(typeof path === "string" ? path.replace(/\0/g, "") : path, options),
  })),
  mutant("takes directories for files", ({ isFile, exists }) => ({
    isFile: async (path, options) => (await isFile(path, options)) || exists(path, options),
  })),
  mutant("throws for what is missing where it was asked whether it is there", ({ isFile, exists }) => ({
    isFile: async (path, options) => {
      if (await exists(path, options)) return isFile(path, options);
      throw new StorageError("NOT_FOUND", `No "${path}"`);
    },
  })),
  mutant("says that broken links exist", ({ exists, isSymlink }) => ({
    exists: async (path, options) => (await exists(path, options)) || isSymlink(path, options),
  })),
  mutant("describes what a link leads to instead of the link", ({ stat, isDir }) => ({
    stat: async (path, options) => {
      const { target: _target, ...rest } = await stat(path, options);
      return rest.kind === "symlink" ? { ...rest, kind: (await isDir(path)) ? "directory" : "file" } : rest;
    },
  })),
  mutant("throws where it should describe what is missing", ({ stat }) => ({
    stat: async (path, options) => {
      const found = await stat(path, options);
      if (found.kind !== "missing") return found;
      throw new StorageError("NOT_FOUND", `No "${path}"`);
    },
  })),
  mutant("deletes directories that are not empty", ({ delete: remove, deleteAll, isDir }) => ({
    delete: async (path, options) => ((await isDir(path)) ? deleteAll(path, options) : remove(path, options)),
  })),
  mutant("deletes what is missing without a word", ({ delete: remove, exists, isSymlink }) => ({
    delete: async (path, options) => {
      if ((await exists(path)) || (await isSymlink(path))) await remove(path, options);
    },
  })),
  mutant("deletes nothing", () => ({ delete: async () => {} })),
  mutant("cannot delete a broken link", ({ delete: remove, exists }) => ({
    delete: async (path, options) => {
      if (await exists(path)) return remove(path, options);
      throw new StorageError("NOT_FOUND", `No "${path}"`);
    },
  })),
  mutant("deletes what links in a tree lead to", ({ deleteAll, listDir, stat }) => ({
    deleteAll: async (path, options) => {
      if ((await stat(path)).kind === "directory") {
        for (const name of await listDir(path)) {
          const { target, kind } = await stat(joinKey(path, name));
          if (kind === "symlink" && target !== undefined) await deleteAll(target.replace(/^(\.\.\/)+/, ""), options);
        }
      }
      return deleteAll(path, options);
    },
  })),
  mutant("deletes directories whose names begin alike", ({ deleteAll, listDir }) => ({
    deleteAll: async (path, options) => {
      await deleteAll(path, options);
      for (const name of await listDir(parentKey(path))) {
        const sibling = joinKey(parentKey(path), name);
        if (sibling.startsWith(path)) await deleteAll(sibling, options);
      }
    },
  })),
  mutant("removes a directory with its last file", ({ delete: remove, deleteAll, listDir }) => ({
    delete: async (path, options) => {
      await remove(path, options);
      const parent = parentKey(path);
      if (parent !== "" && (await listDir(parent)).length === 0) await deleteAll(parent, options);
    },
  })),
  mutant("keeps the source of a move", ({ copy }) => ({ move: copy })),
  mutant("loses the source of a copy", ({ move }) => ({ copy: move })),
  mutant("replaces the target of copies and moves", ({ copy, move }) => ({
    copy: (from, to, options) => copy(from, to, { ...options, ifExists: "replace" }),
    move: (from, to, options) => move(from, to, { ...options, ifExists: "replace" }),
  })),
  mutant("never replaces the target of copies and moves", ({ copy, move }) => ({
    copy: (from, to, options) => copy(from, to, { ...options, ifExists: "error" }),
    move: (from, to, options) => move(from, to, { ...options, ifExists: "error" }),
  })),
  mutant("makes the parent of a target unasked", ({ copy, move, ensureDirectory, exists }) => ({
    copy: async (from, to, options) => {
      if (await exists(from)) await ensureDirectory(parentKey(to));
      return copy(from, to, options);
    },
    move: async (from, to, options) => {
      if (await exists(from)) await ensureDirectory(parentKey(to));
      return move(from, to, options);
    },
  })),
  mutant("forgets directories below when it copies", ({ copy, deleteAll, isDir, listDir }) => ({
    copy: async (from, to, options) => {
      await copy(from, to, options);
      if (!(await isDir(to))) return;
      for (const name of await listDir(to)) if (await isDir(joinKey(to, name))) await deleteAll(joinKey(to, name));
    },
  })),
  mutant("moves a directory into itself and loses it", ({ move, deleteAll }) => ({
    move: (from, to, options) => (to.startsWith(`${from}/`) ? deleteAll(from) : move(from, to, options)),
  })),
  mutant("makes a directory only once", ({ ensureDirectory, exists }) => ({
    ensureDirectory: async (path, options) => {
      if (await exists(path)) throw new StorageError("ALREADY_EXISTS", `"${path}" exists`);
      return ensureDirectory(path, options);
    },
  })),
  mutant("makes a directory in place of a file", ({ ensureDirectory, isFile, delete: remove }) => ({
    ensureDirectory: async (path, options) => {
      if (await isFile(path)) await remove(path);
      return ensureDirectory(path, options);
    },
  })),
  mutant("forgets that it made an empty directory", ({ ensureDirectory }) => ({
    ensureDirectory: async (path, options) =>
      path === "d/e" || path === "d/empty" ? undefined : ensureDirectory(path, options),
  })),
  mutant("copies where it should link", ({ copy }) => ({ createSymlink: copy })),
  mutant("replaces files by links", ({ createSymlink, isFile, isSymlink, delete: remove }) => ({
    createSymlink: async (source, link, options) => {
      const isInTheWay = options?.ifExists === "replace" && (await isFile(link)) && !(await isSymlink(link));
      if (isInTheWay) await remove(link);
      return createSymlink(source, link, options);
    },
  })),
];
