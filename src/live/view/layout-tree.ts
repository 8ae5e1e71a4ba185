/** The layout of a scan as a tree that can be read. */
import type { Scan } from "../scan.ts";
import { type DatasetSource, FallbackSource, MemorySource } from "./dataset-source.ts";
import { ExternalSource } from "./external-source.ts";
import type { LayoutAttributes, LayoutDataset, LayoutNode, StreamValue } from "./layout.ts";
import { decodeValue } from "./static-value.ts";
import type { StoredFiles } from "./stored-files.ts";
import { StreamSource } from "./stream-source.ts";
import type { TreeAttributes, TreeItem } from "./tree.ts";
import { type OtherDatasets, VirtualDatasetSource } from "./virtual-source.ts";

/** What a layout needs to be read. */
export interface LayoutContext {
  readonly scan: Scan;
  /** Path of the file that the layout is of. */
  readonly file: string;
  readonly files: StoredFiles;
  /** Of this file and of others, for virtual datasets. */
  readonly others: OtherDatasets;
  /** The dataset at a path of the finished file, if there is one. */
  readonly finished: (path: string) => Promise<DatasetSource | undefined>;
}

/** A node of a layout. */
export function layoutItem(node: LayoutNode, path: string, context: LayoutContext): TreeItem {
  switch (node.type) {
    case "group": {
      const children = node.children ?? {};
      return {
        kind: "group",
        attributes: attributesOf(node.attributes),
        names: async () => Object.keys(children),
        child: async (name) =>
          Object.hasOwn(children, name)
            ? layoutItem(children[name] as LayoutNode, `${path}/${name}`, context)
            : undefined,
      };
    }
    case "soft_link":
      return { kind: "soft link", path: node.target_path };
    case "external_link":
      return { kind: "external link", file: node.target_file, path: node.target_path };
    case "external_binary_dataset":
      return {
        kind: "dataset",
        attributes: attributesOf(node.attributes),
        external: node.files.map(({ name, offset, size = null }) => ({ name, offset, size })),
        open: async () => new ExternalSource(node, context.file, context.files),
      };
    case "virtual_dataset":
      return {
        kind: "dataset",
        attributes: attributesOf(node.attributes),
        isVirtual: true,
        open: async () => new VirtualDatasetSource(node, context.others),
      };
    case "dataset":
      return {
        kind: "dataset",
        attributes: attributesOf(node.attributes),
        open: async () => openDataset(node, path, context),
      };
  }
}

function openDataset({ value }: LayoutDataset, path: string, { scan, finished }: LayoutContext): DatasetSource {
  if (!isStream(value)) return new MemorySource(decodeValue(value));
  return new FallbackSource(new StreamSource(scan.stream(value.stream)), () => finished(path));
}

function isStream(value: LayoutDataset["value"]): value is StreamValue {
  return typeof value === "object" && !Array.isArray(value) && (value as { type: string }).type === "stream";
}

function attributesOf(attributes: LayoutAttributes = {}): TreeAttributes {
  return new Map(Object.entries(attributes).map(([name, value]) => [name, decodeValue(value)]));
}
