/** A mapping made of a plate's folder. */
import type { BackendBase } from "../../src/core/backend.ts";
import { mapBatch } from "../../src/core/batch.ts";
import type { OperationOptions } from "../../src/core/byte-store.ts";
import { DataSource } from "../../src/core/data-source.ts";
import { StorageError } from "../../src/core/errors.ts";
import { joinKey } from "../../src/core/key.ts";
import { compareNatural } from "../../src/core/natural-sort.ts";
import { isNdArray } from "../../src/core/nd-array.ts";
import { isRegionSource } from "../../src/core/region.ts";
import type { PlateCoordinates, WorkspaceEntry, WorkspaceMapping } from "./mapping.ts";
import type { PlateGrammar } from "./plate-grammar.ts";
import { type PlateFile, readPlateNames, type UnparsedFile } from "./plate-names.ts";
import { wellPosition } from "./wells.ts";

/** Options of {@link workspaceFromFolder}. */
export interface FromFolderOptions extends OperationOptions {
  /** Name of the backend in the mapping. Default: that of the instance. */
  readonly backendName?: string | undefined;
  /**
   * Virtual path of an image, without the suffix, which stays that of its file: `{plate}`, `{well}`, `{field}`,
   * `{channel}`, `{z}` and `{t}`; `{field:3}` has at least three digits. Default
   * `"{well}/{well}_f{field:3}_c{channel}_z{z:3}_t{t:3}"`.
   */
  readonly paths?: string | undefined;
}

/** A mapping, and what of the folder is not in it. */
export interface PlateWorkspace {
  readonly mapping: WorkspaceMapping;
  /** Files that the grammar does not read, with the reason. */
  readonly unparsed: readonly UnparsedFile[];
  /** Files that the grammar says to ignore, and what operating systems leave behind. */
  readonly ignored: readonly string[];
}

const DEFAULT_PATHS = "{well}/{well}_f{field:3}_c{channel}_z{z:3}_t{t:3}";

/** Pairs of files that a message names before it only counts the rest. */
const SHOWN_PAIRS = 5;

interface PlateImage extends PlateFile {
  /** Index of the page; `undefined` for a file of one page. */
  readonly page?: number;
}

/** Makes the mapping; see `workspaceFromFolder` in the index. */
export async function mappingOfFolder(
  backend: BackendBase,
  folder: string,
  grammar: PlateGrammar,
  options: FromFolderOptions,
): Promise<PlateWorkspace> {
  const { backendName = backend.name, paths: template = DEFAULT_PATHS, ...operation } = options;
  if (!(backend instanceof DataSource)) {
    throw new StorageError("UNSUPPORTED", `Backend "${backend.name}" cannot be listed`, { backend: backend.name });
  }
  const source = backend as BackendBase & DataSource;
  const listed = await source.listFiles(folder, { ...operation, recursive: true });
  // Listings begin with the folder as it was given, so that they can be loaded.
  const skip = joinKey(folder, "x").length - 1;
  const names = readPlateNames(
    grammar,
    listed.map((path) => path.slice(skip)),
  );
  const images = await pagesOf(source, folder, names.files, grammar, operation);
  checkDistinct(images, template);
  const entries: [string, WorkspaceEntry][] = inPlateOrder(images).map(({ path, coordinates, page }) => [
    virtualPath(template, coordinates, path),
    {
      backend: backendName,
      address: joinKey(folder, path),
      ...(page === undefined ? {} : { axes: [page] }),
      coordinates,
    },
  ]);
  checkPaths(entries, template);
  return {
    mapping: { version: 1, entries: Object.fromEntries(entries) },
    unparsed: names.unparsed,
    ignored: names.ignored,
  };
}

/** One image for each page, where the grammar says what pages are. */
async function pagesOf(
  source: DataSource,
  folder: string,
  files: readonly PlateFile[],
  { pages }: PlateGrammar,
  options: OperationOptions,
): Promise<PlateImage[]> {
  if (pages === undefined) return [...files];
  const counts = await mapBatch(
    files,
    ({ path }) => pageCount(source, joinKey(folder, path), options),
    options,
    (error) => {
      throw error;
    },
  );
  return files.flatMap((file, index) => {
    const count = counts[index];
    if (count === undefined) return [file];
    return Array.from({ length: count }, (_, page) => ({
      path: file.path,
      page,
      coordinates: { ...file.coordinates, [pages]: page + 1 },
    }));
  });
}

/** Length of the first axis; `undefined` for a single image. Loads the file where its shape is not known otherwise. */
async function pageCount(source: DataSource, path: string, options: OperationOptions): Promise<number | undefined> {
  let { shape } = await source.stat(path, options);
  if (shape === undefined && isRegionSource(source)) shape = (await source.levels(path, options))[0]?.shape;
  if (shape === undefined) {
    const value = await source.load(path, options);
    if (isNdArray(value)) shape = value.shape;
  }
  return shape !== undefined && shape.length > 2 ? shape[0] : undefined;
}

function checkDistinct(images: readonly PlateImage[], template: string): void {
  const plates = [...new Set(images.map(({ coordinates }) => coordinates.plate ?? ""))];
  if (plates.length > 1 && !template.includes("{plate}")) {
    const names = plates.map((plate) => `"${plate}"`).join(", ");
    throw new StorageError(
      "INVALID_DATA",
      `The folder has images of several plates, ${names}; put {plate} into paths to keep them apart`,
    );
  }
  const seen = new Map<string, PlateImage>();
  const pairs: string[] = [];
  for (const image of images) {
    const { plate = "", well, field, channel, z, t } = image.coordinates;
    const key = JSON.stringify([plate, well, field, channel, z, t]);
    const other = seen.get(key);
    if (other === undefined) seen.set(key, image);
    else pairs.push(`"${other.path}" and "${image.path}" are both ${described(image.coordinates)}`);
  }
  if (pairs.length === 0) return;
  const rest = pairs.length > SHOWN_PAIRS ? `; and ${pairs.length - SHOWN_PAIRS} more` : "";
  throw new StorageError("INVALID_DATA", `Two files for one image: ${pairs.slice(0, SHOWN_PAIRS).join("; ")}${rest}`);
}

function checkPaths(entries: readonly (readonly [string, WorkspaceEntry])[], template: string): void {
  const seen = new Map<string, WorkspaceEntry>();
  for (const [path, entry] of entries) {
    const other = seen.get(path);
    if (other !== undefined) {
      throw new StorageError(
        "CONFIG_INVALID",
        `paths ("${template}") gives "${other.address}" and "${entry.address}" the one path "${path}"`,
        { identifier: path },
      );
    }
    seen.set(path, entry);
  }
}

function virtualPath(template: string, coordinates: PlateCoordinates, path: string): string {
  const stem = template.replace(/\{([a-z]+)(?::([0-9]{1,2}))?\}/g, (whole, name: string, width = "0") => {
    if (!Object.hasOwn(placeholders, name)) {
      throw new StorageError("CONFIG_INVALID", `${whole} in paths is none of ${Object.keys(placeholders).join(", ")}`);
    }
    const value = coordinates[name as keyof PlateCoordinates] ?? "";
    // A name may hold a slash, which would make a directory.
    return String(value).replaceAll("/", "_").padStart(Number(width), "0");
  });
  const suffix = /\.[A-Za-z0-9]{1,8}$/.exec(path)?.[0] ?? "";
  return stem + suffix.toLowerCase();
}

const placeholders = { plate: 1, well: 1, field: 1, channel: 1, z: 1, t: 1 } satisfies Record<
  keyof PlateCoordinates,
  1
>;

/** By plate, row, column, field, channel, z, t. */
function inPlateOrder(images: readonly PlateImage[]): PlateImage[] {
  const placed = images.map((image) => ({ image, at: image.coordinates, ...wellPosition(image.coordinates.well) }));
  placed.sort(
    (a, b) =>
      compareNatural(a.at.plate ?? "", b.at.plate ?? "") ||
      a.row - b.row ||
      a.column - b.column ||
      a.at.field - b.at.field ||
      compareNatural(String(a.at.channel), String(b.at.channel)) ||
      a.at.z - b.at.z ||
      a.at.t - b.at.t,
  );
  return placed.map(({ image }) => image);
}

function described({ plate, well, field, channel, z, t }: PlateCoordinates): string {
  const of = plate === undefined ? "" : ` of plate ${plate}`;
  return `well ${well}${of}, field ${field}, channel ${channel}, z ${z}, t ${t}`;
}
