/** Finds the items of batches again by the paths that they were saved under. */
import type { ByteStore, OperationOptions } from "../../../src/core/byte-store.ts";
import { type ErrorContext, StorageError } from "../../../src/core/errors.ts";
import { isInside, joinKey, parentKey } from "../../../src/core/key.ts";
import { type AxisSelection, copyArray, type NdArray, sliceArray } from "../../../src/core/nd-array.ts";
import type { BackendStat } from "../../../src/core/readable-backend.ts";
import { concurrently } from "../concurrently.ts";
import { KnownNodes } from "../known-nodes.ts";
import { isRecord } from "../metadata.ts";
import type { ZarrNode } from "../nodes.ts";
import type { ZarrArray } from "../reader-types.ts";
import { fromAttributes } from "./attributes.ts";
import type { NgffMultiscale, NgffWell } from "./model.ts";
import { ownAttributes } from "./place-well.ts";

/** One item of a batch. */
export interface BatchFile {
  /** Key of the group of the image that it is part of. */
  readonly image: string;
  /** Key of the array of that image. */
  readonly array: string;
  /** Its place along the axes before y and x. */
  readonly index: readonly number[];
}

/** The items of a plate by their paths below it. */
type PlateFiles = ReadonlyMap<string, BatchFile>;

/** What is remembered of a well; as long as the plate gives it the same mark. */
interface RememberedWell {
  readonly mark: string;
  readonly files: ReadonlyMap<string, BatchFile>;
}

/** Wells that are looked at at the same time. */
const AT_ONCE = 8;

/**
 * The files of the plates of a store. What wells say is remembered as long as the plate gives them the same mark, so a
 * look at a path costs one read of the plate's metadata; reading changes nothing.
 */
export class BatchFiles {
  readonly #nodes: KnownNodes;
  readonly #wells = new Map<string, RememberedWell>();
  /** The same of whole plates, as long as their metadata is what it was: nodes that are known come back as they are. */
  readonly #plates = new WeakMap<ZarrNode, PlateFiles>();

  /** @param nodes - Finds the nodes of the store; others may use it too. */
  constructor(store: ByteStore, nodes = new KnownNodes(store)) {
    this.#nodes = nodes;
  }

  /** The item that was saved under a path; `undefined` if none was. */
  async find(path: string, options: OperationOptions = {}): Promise<BatchFile | undefined> {
    for (let plate = parentKey(path); ; plate = parentKey(plate)) {
      const files = await this.#filesOf(plate, options);
      const file = files.get(plate === "" ? path : path.slice(plate.length + 1));
      if (file !== undefined) return file;
      if (plate === "") return undefined;
    }
  }

  /** Every item of one plate, by its path below the plate. */
  all(plate: string, options: OperationOptions = {}): Promise<ReadonlyMap<string, BatchFile>> {
    return this.#filesOf(plate, options);
  }

  /** What a path is to batches: an item, a folder that items are in, or nothing. */
  async stat(path: string, options: OperationOptions = {}): Promise<BackendStat> {
    for (let plate = parentKey(path); ; plate = parentKey(plate)) {
      const below = plate === "" ? path : path.slice(plate.length + 1);
      const files = await this.#filesOf(plate, options);
      const file = files.get(below);
      if (file !== undefined) {
        const { shape, dtype } = await this.#open(file.array, options);
        return { kind: "file", exists: true, shape: shape.slice(file.index.length), dtype };
      }
      for (const name of files.keys()) if (name.startsWith(`${below}/`)) return { kind: "directory", exists: true };
      if (plate === "") return { kind: "missing", exists: false };
    }
  }

  /** The names of files and folders right below a directory that only batches know. */
  async list(directory: string, options: OperationOptions = {}): Promise<Map<string, "file" | "directory">> {
    const names = new Map<string, "file" | "directory">();
    for (let plate = directory; ; plate = parentKey(plate)) {
      for (const file of (await this.#filesOf(plate, options)).keys()) {
        const path = joinKey(plate, file);
        if (!isInside(path, directory) || path === directory) continue;
        const [name = "", ...below] = path.slice(directory === "" ? 0 : directory.length + 1).split("/");
        if (below.length > 0 || !names.has(name)) names.set(name, below.length > 0 ? "directory" : "file");
      }
      if (plate === "") return names;
    }
  }

  /** Reads an item, or a part of it: only the chunks that it touches. */
  async load(
    file: BatchFile,
    selection: readonly AxisSelection[] | undefined,
    options: OperationOptions = {},
  ): Promise<NdArray> {
    const array = await this.#open(file.array, options);
    const axes = array.shape.length - file.index.length;
    if (selection !== undefined && selection.length > axes) {
      // Counted without the axes of the batch, of which the caller of a plane knows nothing.
      throw new StorageError("OUT_OF_RANGE", `${selection.length} selections for an array of ${axes} axes`);
    }
    const item = await array.read([...file.index, ...(selection ?? [])], options);
    // A chunk may hold more than the item, and nobody wants to keep all of it in memory.
    return item.data.length > item.shape.reduce((product, length) => product * length, 1)
      ? copyArray(sliceArray(item, []))
      : item;
  }

  async #open(path: string, options: OperationOptions): Promise<ZarrArray> {
    const node = await this.#nodes.find(path, options);
    if (node?.kind === "array") return this.#nodes.open(node, options);
    throw new StorageError("NOT_FOUND", `No Zarr array at "${path}", which a plate says to have`, { identifier: path });
  }

  /** Of two wells with a file of one name, the first has it. */
  async #filesOf(plate: string, options: OperationOptions): Promise<PlateFiles> {
    const node = await this.#nodes.find(plate, options);
    const { batches } = node?.kind === "group" ? ownAttributes(node.attributes) : {};
    if (node === undefined || !isRecord(batches)) return new Map();
    const known = this.#plates.get(node);
    if (known !== undefined) return known;
    const wells = Object.keys(batches);
    await concurrently(wells, AT_ONCE, async (well) => {
      const key = joinKey(plate, well);
      const mark = String(batches[well]);
      if (this.#wells.get(key)?.mark !== mark) this.#wells.set(key, { mark, files: await this.#read(key, options) });
    });
    const files = new Map<string, BatchFile>();
    for (const well of wells) {
      for (const [file, place] of (this.#wells.get(joinKey(plate, well)) as RememberedWell).files) {
        if (!files.has(file)) files.set(file, place);
      }
    }
    this.#plates.set(node, files);
    return files;
  }

  async #read(well: string, options: OperationOptions): Promise<ReadonlyMap<string, BatchFile>> {
    const files = new Map<string, BatchFile>();
    const node = await this.#nodes.find(well, options);
    const content = node?.kind === "group" ? fromAttributes(node.attributes)?.content : undefined;
    for (const { path } of (content?.well as NgffWell | undefined)?.images ?? []) {
      const image = joinKey(well, path);
      const group = await this.#nodes.find(image, options);
      if (group?.kind !== "group") continue;
      const { files: places } = ownAttributes(group.attributes);
      const [multiscale] = (fromAttributes(group.attributes)?.content.multiscales ?? []) as NgffMultiscale[];
      const array = joinKey(image, multiscale?.datasets[0]?.path ?? "0");
      if (!isRecord(places)) continue;
      for (const [file, index] of Object.entries(places)) files.set(file, { image, array, index: index as number[] });
    }
    return files;
  }
}

/** The error of what can be done to files, and not to a part of an array. */
export function partOfPlate(path: string, context: ErrorContext): StorageError {
  const message = `"${path}" is part of an array of a plate; delete its well, or save the batch again`;
  return new StorageError("UNSUPPORTED", message, { identifier: path, ...context });
}
