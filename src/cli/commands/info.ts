/** `sluice info` */
import { describe } from "../../core/checks.ts";
import { dtypes } from "../../core/dtype.ts";
import { StorageError } from "../../core/errors.ts";
import { byteLengthOf, contiguous, isNdArray, type NdArray } from "../../core/nd-array.ts";
import type { FileManager } from "../../io/file-manager.ts";
import type { TransferEnd } from "../../io/transfer.ts";
import type { CommandContext } from "../command-line.ts";
import { type FoundStores, findStores } from "../find-stores.ts";
import { formatBytes, formatTable, plural } from "../format.ts";
import { type LocationOptions, Locations } from "../location.ts";
import type { ZarrInfo } from "../zarr-info.ts";

/** An array, or another value, that was loaded whole. */
interface ValueInfo {
  readonly kind: "array" | "value";
  readonly description: string;
  readonly dtype?: string;
  readonly shape?: readonly number[];
  readonly byteLength?: number;
  readonly minimum?: number | bigint;
  readonly maximum?: number | bigint;
}

/** A folder of images. */
interface FolderInfo {
  readonly kind: "folder";
  readonly images: number;
  readonly first: string;
  readonly last: string;
  /** The first image. */
  readonly image: ValueInfo;
}

/** A folder with stores of frames below it. */
interface StoresInfo extends FoundStores {
  readonly kind: "stores";
}

/** Describes what is at an address. */
export async function info(
  address: string,
  options: LocationOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  await using locations = await Locations.open(options, terminal);
  const { files } = locations;
  const end = locations.find(address);
  const found =
    (await zarrAt(locations, end, signal)) ??
    ((await files.isDir(end.path, end.backend, { signal }))
      ? ((await storesAt(locations, end, signal)) ?? (await folderAt(files, end, address, signal)))
      : describeValue(await files.load(end.path, end.backend, { signal })));
  terminal.print({ address, ...found }, [address, ...linesOf(found)]);
  return undefined;
}

async function zarrAt(locations: Locations, end: TransferEnd, signal: AbortSignal): Promise<ZarrInfo | undefined> {
  const bytes = await locations.bytes(end);
  if (bytes === undefined) return undefined;
  const { zarrInfo } = await import("../zarr-info.ts");
  return zarrInfo(bytes.store, bytes.key, { signal });
}

async function storesAt(locations: Locations, end: TransferEnd, signal: AbortSignal): Promise<StoresInfo | undefined> {
  const bytes = await locations.bytes(end);
  // What is itself one of these folders, the frames of a TIFF sequence say, is described as what it holds.
  if (bytes === undefined || !bytes.store.capabilities.list) return undefined;
  const found = await findStores(bytes.store, bytes.key, { signal });
  return found.stores.length === 0 ? undefined : { kind: "stores", ...found };
}

async function folderAt(
  files: FileManager,
  { path, backend }: TransferEnd,
  address: string,
  signal: AbortSignal,
): Promise<FolderInfo> {
  const images = await files.listImageFiles(path, backend, { recursive: true, signal });
  const [first] = images;
  const last = images.at(-1);
  if (first === undefined || last === undefined) {
    throw new StorageError(
      "INVALID_DATA",
      `"${address}" is a folder without Zarr metadata and without images; npx sluice ls -r lists what is in it`,
      {
        operation: "info",
        identifier: address,
      },
    );
  }
  const image = describeValue(await files.load(first, backend, { signal }));
  return { kind: "folder", images: images.length, first, last, image };
}

function describeValue(value: unknown): ValueInfo {
  if (!isNdArray(value)) return { kind: "value", description: describe(value) };
  const { dtype, shape } = value;
  return {
    kind: "array",
    description: describe(value),
    dtype,
    shape,
    byteLength: byteLengthOf(value),
    ...rangeOf(value),
  };
}

/** Smallest and largest element; nothing for an empty array. NaN counts as neither. */
function rangeOf(array: NdArray): Pick<ValueInfo, "minimum" | "maximum"> {
  const { data } = contiguous(array);
  // Half floats are bits where the runtime has no type for them, and bits are not in the order of the numbers.
  if (array.dtype === "float16" && dtypes.float16.array === Uint16Array) return {};
  let minimum: number | bigint | undefined;
  let maximum: number | bigint | undefined;
  for (const value of data) {
    if (minimum === undefined || value < minimum || Number.isNaN(minimum)) minimum = value;
    if (maximum === undefined || value > maximum || Number.isNaN(maximum)) maximum = value;
  }
  return minimum === undefined || maximum === undefined ? {} : { minimum, maximum };
}

function linesOf(found: ZarrInfo | StoresInfo | FolderInfo | ValueInfo): string[] {
  if (found.kind === "zarr") return zarrLines(found);
  if (found.kind === "stores") {
    const more = found.isComplete ? "" : ", and perhaps more: there is too much to look through";
    const rows = found.stores.map(({ path, format }) => [`    ${path}`, format]);
    return [`  ${plural(found.stores.length, "store")}${more}`, ...formatTable(rows)];
  }
  if (found.kind === "folder") {
    const range = found.images === 1 ? found.first : `${found.first} … ${found.last}`;
    return [`  ${plural(found.images, "image")}: ${range}`, ...valueLines(found.image)];
  }
  return valueLines(found);
}

function valueLines({ kind, description, dtype, shape, byteLength, minimum, maximum }: ValueInfo): string[] {
  if (kind === "value") return [`  ${description}`];
  const range = minimum === undefined ? "" : `, ${minimum} to ${maximum}`;
  return [`  ${dtype} [${shape?.join(", ")}], ${formatBytes(byteLength ?? 0)}${range}`];
}

function zarrLines({ format, arrays, attributes }: ZarrInfo): string[] {
  const rows = arrays.map((array) => [
    `  ${array.path || "."}`,
    array.dtype,
    shapeText(array.shape, array.axes),
    `chunks [${array.chunks.join(", ")}]`,
    array.shards ? `shards [${array.shards.join(", ")}]` : "not sharded",
    array.codecs.join(" → ") || "not compressed",
    formatBytes(array.byteLength),
  ]);
  return [
    `  Zarr v${format}, ${plural(arrays.length, "array")}`,
    ...formatTable(rows),
    ...attributeLines("attributes", attributes),
    ...arrays.flatMap((array) =>
      array.path === "" ? [] : attributeLines(`${array.path} attributes`, array.attributes),
    ),
  ];
}

function shapeText(shape: readonly number[], axes: readonly (string | null)[]): string {
  return `[${shape.map((length, axis) => (axes[axis] ? `${axes[axis]} ${length}` : String(length))).join(", ")}]`;
}

function attributeLines(title: string, attributes: Readonly<Record<string, unknown>>): string[] {
  const rows = Object.entries(attributes).map(([name, value]) => [`    ${name}`, shorten(JSON.stringify(value))]);
  return rows.length === 0 ? [] : [`  ${title}`, ...formatTable(rows)];
}

function shorten(text: string): string {
  return text.length > 100 ? `${text.slice(0, 99)}…` : text;
}
