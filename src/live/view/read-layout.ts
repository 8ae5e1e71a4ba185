/** Makes one tree of the two forms of a layout, and says where one is wrong. */
import { StorageError } from "../../core/errors.ts";
import { checkValue, isCount, isCounts, isObject, type Json } from "./check-value.ts";
import type {
  ExternalBinaryFile,
  LayoutAttributes,
  LayoutDataset,
  LayoutExternalBinary,
  LayoutGroup,
  LayoutNode,
  LayoutVirtual,
  SpaceSelection,
  StaticValue,
  StreamValue,
  VirtualSource,
} from "./layout.ts";
import { RAW, STREAM } from "./layout.ts";
import { isByteDType } from "./value-types.ts";

/** Mistakes that one message has at most. */
const MOST_MISTAKES = 5;

/**
 * The layout as one tree of objects, every dataset with its `type`: what blissdata reads too. Shares values with the
 * argument.
 *
 * @param layout - From the info of a scan.
 * @param what - What it is, for the message.
 * @throws A {@link StorageError} `INVALID_DATA` that names each mistake with its path.
 */
export function readLayout(layout: unknown, what = "The layout"): LayoutGroup {
  const mistakes: string[] = [];
  const root = rootOf(layout, mistakes);
  if (mistakes.length === 0 && root !== undefined) return root;
  const shown = mistakes.slice(0, MOST_MISTAKES);
  if (mistakes.length > shown.length) shown.push(`and ${mistakes.length - shown.length} more`);
  throw new StorageError("INVALID_DATA", `${what} is wrong. ${shown.join("; ")}`, { operation: "readLayout" });
}

/** The mistakes of a layout, each with its path; none if it is right. */
export function checkLayout(layout: unknown): readonly string[] {
  const mistakes: string[] = [];
  rootOf(layout, mistakes);
  return mistakes;
}

function rootOf(layout: unknown, mistakes: string[]): LayoutGroup | undefined {
  // The type of a root goes without saying.
  const isBare = isObject(layout) && layout.type === undefined;
  const root = nodeAt(isBare ? { ...layout, type: "group" } : layout, "/", mistakes);
  if (root?.type === "group") return root;
  if (root !== undefined) mistakes.push("/: the root must be a group");
  return undefined;
}

function nodeAt(item: unknown, path: string, mistakes: string[]): LayoutNode | undefined {
  if (Array.isArray(item) && isObject(item[0])) return nodeOfList(item, path, mistakes);
  if (!isObject(item)) return datasetOf({ value: item }, path, mistakes);
  switch (item.type) {
    case "group":
      return groupOf(item.attributes, item.children, path, mistakes);
    case "dataset":
      return datasetOf(item, path, mistakes);
    case "external_binary_dataset":
      return externalOf(item, path, mistakes);
    case "virtual_dataset":
      return virtualOf(item, path, mistakes);
    case "soft_link":
      return checkText(item, ["target_path"], path, mistakes)
        ? { type: "soft_link", target_path: item.target_path as string }
        : undefined;
    case "external_link":
      return checkText(item, ["target_file", "target_path"], path, mistakes)
        ? {
            type: "external_link",
            target_file: item.target_file as string,
            target_path: item.target_path as string,
          }
        : undefined;
    default:
      return datasetOf(item.type === undefined && "value" in item ? item : { value: item }, path, mistakes);
  }
}

function nodeOfList(item: readonly unknown[], path: string, mistakes: string[]): LayoutNode | undefined {
  const [attributes, kind, value] = item;
  if (item.length === 2 && isObject(kind)) return groupOf(attributes, kind, path, mistakes);
  if (item.length === 3 && kind === RAW) return datasetOf({ attributes, value }, path, mistakes);
  if (item.length === 3 && kind === STREAM) {
    return datasetOf({ attributes, value: { type: "stream", stream: value } }, path, mistakes);
  }
  mistakes.push(
    `${path}: a list that begins with attributes is [attributes, children] or [attributes, RAW | STREAM, value]`,
  );
  return undefined;
}

function groupOf(attributes: unknown, children: unknown, path: string, mistakes: string[]): LayoutGroup {
  const entries: [string, LayoutNode][] = [];
  if (children !== undefined && !isObject(children)) mistakes.push(`${path}: children must be an object`);
  for (const [name, child] of isObject(children) ? Object.entries(children) : []) {
    if (name === "" || name === "." || name === ".." || name.includes("/")) {
      mistakes.push(`${path}: ${JSON.stringify(name)} cannot be the name of a child`);
      continue;
    }
    const node = nodeAt(child, path === "/" ? `/${name}` : `${path}/${name}`, mistakes);
    if (node !== undefined) entries.push([name, node]);
  }
  return { type: "group", attributes: attributesOf(attributes, path, mistakes), children: Object.fromEntries(entries) };
}

function datasetOf(item: Json, path: string, mistakes: string[]): LayoutDataset {
  const attributes = attributesOf(item.attributes, path, mistakes);
  checkValue(item.value, path, mistakes, true);
  return { type: "dataset", attributes, value: item.value as StaticValue | StreamValue };
}

function externalOf(item: Json, path: string, mistakes: string[]): LayoutExternalBinary {
  checkBytesType(item, path, mistakes);
  if (!Array.isArray(item.files) || item.files.length === 0) {
    mistakes.push(`${path}: files must be a list, and not empty`);
  } else {
    item.files.forEach((file, i) => {
      checkFile(file, `${path}: files[${i}]`, mistakes);
    });
  }
  const { dtype, shape, files } = item as unknown as LayoutExternalBinary;
  return {
    type: "external_binary_dataset",
    attributes: attributesOf(item.attributes, path, mistakes),
    dtype,
    shape,
    files,
  };
}

function checkFile(file: unknown, where: string, mistakes: string[]): void {
  const { name, offset, size } = (isObject(file) ? file : {}) as Partial<ExternalBinaryFile>;
  if (typeof name !== "string" || name === "") mistakes.push(`${where} needs a name`);
  if (!isCount(offset)) mistakes.push(`${where} needs an offset, a whole number ≥ 0`);
  if (size !== undefined && size !== null && !isCount(size))
    mistakes.push(`${where}: size is a whole number ≥ 0, or null`);
}

function virtualOf(item: Json, path: string, mistakes: string[]): LayoutVirtual {
  checkBytesType(item, path, mistakes);
  const rank = Array.isArray(item.shape) ? item.shape.length : 0;
  if (!Array.isArray(item.virtual_sources) || item.virtual_sources.length === 0) {
    mistakes.push(`${path}: virtual_sources must be a list, and not empty`);
  } else {
    item.virtual_sources.forEach((source, i) => {
      checkSource(source, rank, `${path}: virtual_sources[${i}]`, mistakes);
    });
  }
  const { dtype, shape, virtual_sources } = item as unknown as LayoutVirtual;
  return {
    type: "virtual_dataset",
    attributes: attributesOf(item.attributes, path, mistakes),
    dtype,
    shape,
    virtual_sources,
  };
}

function checkSource(source: unknown, rank: number, where: string, mistakes: string[]): void {
  const { vspace, src_file, src_dataset, src_space } = (isObject(source) ? source : {}) as Partial<VirtualSource>;
  if (typeof src_file !== "string" || src_file === "") mistakes.push(`${where} needs src_file`);
  if (typeof src_dataset !== "string" || src_dataset === "") mistakes.push(`${where} needs src_dataset`);
  const shown = checkSpace(vspace, `${where}.vspace`, mistakes);
  const read = checkSpace(src_space, `${where}.src_space`, mistakes);
  if (shown !== undefined && vspace?.start.length !== rank) mistakes.push(`${where}.vspace needs ${rank} axes`);
  if (shown !== undefined && read !== undefined && shown !== read) {
    mistakes.push(`${where}: vspace selects ${shown} elements, src_space ${read}`);
  }
}

/** Answers the number of elements that are selected. */
function checkSpace(space: unknown, where: string, mistakes: string[]): number | undefined {
  const { start, stride, count, block } = (isObject(space) ? space : {}) as Partial<SpaceSelection>;
  if (!isCounts(start) || !isCounts(count) || start.length !== count.length) {
    mistakes.push(`${where} needs start and count, lists of whole numbers ≥ 0 and of one length`);
    return undefined;
  }
  for (const [name, list] of [
    ["stride", stride],
    ["block", block],
  ] as const) {
    if (list === undefined || list === null) continue;
    if (isCounts(list) && list.length === start.length && !list.includes(0)) continue;
    mistakes.push(`${where}.${name} must be ${start.length} whole numbers ≥ 1, or null`);
    return undefined;
  }
  if (block?.some((size, axis) => (count[axis] as number) > 1 && size > (stride?.[axis] ?? 1))) {
    mistakes.push(`${where}: blocks overlap, block is larger than stride`);
    return undefined;
  }
  return count.reduce((product, n, axis) => product * n * (block?.[axis] ?? 1), 1);
}

function attributesOf(attributes: unknown, path: string, mistakes: string[]): LayoutAttributes {
  if (attributes === undefined) return {};
  if (!isObject(attributes)) {
    mistakes.push(`${path}: attributes must be an object`);
    return {};
  }
  for (const [name, value] of Object.entries(attributes)) checkValue(value, `${path}@${name}`, mistakes, false);
  return attributes as LayoutAttributes;
}

function checkBytesType({ dtype, shape }: Json, path: string, mistakes: string[]): void {
  if (!isByteDType(dtype)) mistakes.push(`${path}: no dtype with a byte order: ${JSON.stringify(dtype)}`);
  if (!isCounts(shape)) mistakes.push(`${path}: shape must be whole numbers ≥ 0`);
}

function checkText(item: Json, names: readonly string[], path: string, mistakes: string[]): boolean {
  const missing = names.filter((name) => typeof item[name] !== "string" || item[name] === "");
  for (const name of missing)
    mistakes.push(`${path}: ${item.type === "soft_link" ? "a soft" : "an external"} link needs ${name}`);
  return missing.length === 0;
}
