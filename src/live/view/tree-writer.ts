/** Writes a tree somewhere else. */
import { checkAborted } from "../../core/checks.ts";
import { contiguous, sizeOf } from "../../core/nd-array.ts";
import type { CallOptions } from "../engine.ts";
import { type DatasetSource, followSource, MemorySource } from "./dataset-source.ts";
import type { TreeAttributes, TreeGroup } from "./tree.ts";
import type { RaggedArray, ValueArray } from "./value-array.ts";

/** What a dataset will be. */
export interface NewDataset {
  readonly path: string;
  readonly dtype: DatasetSource["dtype"];
  /** Length of each axis; `null` for a first one that is known at the end. */
  readonly maxShape: readonly (number | null)[];
  readonly attributes: TreeAttributes;
}

/** Takes a tree, each group before what is in it. */
export interface TreeWriter {
  group(path: string, attributes: TreeAttributes): Promise<void>;
  /** @param values - Of no axes. */
  scalar(dataset: NewDataset, values: ValueArray): Promise<void>;
  /** @param pieces - One behind the other along the first axis. */
  dataset(dataset: NewDataset, pieces: AsyncIterable<ValueArray>): Promise<void>;
  softLink(path: string, target: string): Promise<void>;
  externalLink(path: string, file: string, target: string): Promise<void>;
}

/** What a file says of a value that it has no type for: its type. */
export const DTYPE_MARK = "sluice_dtype";

/** Names of the attributes that are booleans, where a format has none. */
export const BOOLEANS_MARK = "sluice_booleans";

/**
 * Writes what is in a group. Datasets that grow are followed to their end; those that are elsewhere, or show parts of
 * others, become plain ones.
 *
 * @param names - Children to write; default all.
 */
export async function writeTree(
  group: TreeGroup,
  path: string,
  writer: TreeWriter,
  options: CallOptions,
  names?: readonly string[],
): Promise<void> {
  for (const name of names ?? (await group.names(options))) {
    checkAborted(options.signal, { operation: "write", identifier: path });
    const item = await group.child(name, options);
    const below = path === "/" ? `/${name}` : `${path}/${name}`;
    if (item?.kind === "group") {
      await writer.group(below, item.attributes);
      await writeTree(item, below, writer, options);
    } else if (item?.kind === "soft link") {
      await writer.softLink(below, item.path);
    } else if (item?.kind === "external link") {
      await writer.externalLink(below, item.file, item.path);
    } else if (item?.kind === "dataset") {
      await writeDataset(await item.open(options), below, item.attributes, writer, options);
    }
  }
}

async function writeDataset(
  source: DatasetSource,
  path: string,
  attributes: TreeAttributes,
  writer: TreeWriter,
  options: CallOptions,
): Promise<void> {
  const { dtype, maxShape } = source;
  const dataset = { path, dtype, maxShape, attributes };
  if (dtype === "ragged") await writeRagged(source, dataset, writer, options);
  else if (maxShape.length === 0) await writer.scalar(dataset, await source.read([], options));
  else await writer.dataset(dataset, followSource(source, 0, options));
}

/** Points of varying shape: a group of all their numbers, one behind the other, and of the shape of each. */
async function writeRagged(
  source: DatasetSource,
  { path, attributes }: NewDataset,
  writer: TreeWriter,
  options: CallOptions,
): Promise<void> {
  const shapes: number[][] = [];
  let first: ValueArray | undefined;
  const points = followSource(source, 0, options);
  const numbers = async function* (): AsyncGenerator<ValueArray> {
    if (first !== undefined) yield* flatOf(first as RaggedArray, shapes);
    for await (const batch of points) yield* flatOf(batch as RaggedArray, shapes);
  };
  const start = await points.next();
  if (!start.done) first = start.value;
  const dtype = (first as RaggedArray | undefined)?.data[0]?.dtype ?? "float64";
  const none: TreeAttributes = new Map();
  await writer.group(path, new Map([...attributes, [DTYPE_MARK, textOf("ragged")]]));
  await writer.dataset({ path: `${path}/values`, dtype, maxShape: [null], attributes: none }, numbers());
  const rank = shapes[0]?.length ?? 1;
  const data = BigInt64Array.from(shapes.flat(), BigInt);
  const list = { dtype: "int64", shape: [shapes.length, rank], stride: [rank, 1], data } as const;
  const known = new MemorySource(list);
  await writer.dataset(
    { path: `${path}/shapes`, dtype: "int64", maxShape: list.shape, attributes: none },
    followSource(known, 0, options),
  );
}

function* flatOf(batch: RaggedArray, shapes: number[][]): Generator<ValueArray> {
  for (const point of batch.data) {
    shapes.push([...point.shape]);
    const size = sizeOf(point.shape);
    if (size > 0) yield { dtype: point.dtype, shape: [size], stride: [1], data: contiguous(point).data };
  }
}

/** Text as a value. */
export function textOf(text: string): ValueArray {
  return { dtype: "string", shape: [], data: [text] };
}
