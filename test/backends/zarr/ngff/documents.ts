/** A small plate with labels as bare documents, made without any code of ours, valid in every respect. */
import { MemoryStore } from "../../../../backends/memory/store.ts";

/** JSON that a test may change. */
// biome-ignore lint/suspicious/noExplicitAny: documents are changed at will
export type Documents = Record<string, any>;

const axes = [
  { name: "c", type: "channel" },
  { name: "y", type: "space", unit: "micrometer" },
  { name: "x", type: "space", unit: "micrometer" },
];

function image(version: string, datasets = 2): Documents {
  const levels = Array.from({ length: datasets }, (_, level) => {
    const factor = 2 ** level;
    const shift = ((factor - 1) / 2) * 0.5;
    const scale = { type: "scale", scale: [1, 0.5 * factor, 0.5 * factor] };
    const translation = { type: "translation", translation: [0, shift, shift] };
    return { path: String(level), coordinateTransformations: level === 0 ? [scale] : [scale, translation] };
  });
  const multiscale = { name: "field", axes, datasets: levels, type: "mean", metadata: { method: "mean" } };
  return { multiscales: [version === "0.4" ? { version, ...multiscale } : multiscale] };
}

function omero(version: string): Documents {
  const window = { min: 0, max: 65535, start: 100, end: 4000 };
  const channels = [
    { label: "DAPI", color: "0000FF", window },
    { label: "GFP", color: "00FF00", window },
  ];
  return version === "0.4" ? { version, channels } : { channels };
}

function plate(version: string): Documents {
  const acquisitions = [
    { id: 0, name: "first", maximumfieldcount: 1, starttime: 100, endtime: 200 },
    { id: 1, name: "second", maximumfieldcount: 1 },
  ];
  return {
    ...(version === "0.4" ? { version } : {}),
    name: "assay",
    rows: [{ name: "A" }, { name: "AA" }],
    columns: [{ name: "01" }],
    wells: [
      { path: "A/01", rowIndex: 0, columnIndex: 0 },
      { path: "AA/01", rowIndex: 1, columnIndex: 0 },
    ],
    acquisitions,
    field_count: 2,
  };
}

/** Keys and documents of a plate `p` with two wells; the first field of the first well has labels. */
export function plateDocuments(version: "0.4" | "0.5"): Documents {
  const documents: Documents = {};
  const group = (path: string, content?: Documents) => {
    const at = (name: string) => (path === "" ? name : `${path}/${name}`);
    if (version === "0.5") {
      const attributes = content === undefined ? {} : { ome: { version, ...content } };
      documents[at("zarr.json")] = { zarr_format: 3, node_type: "group", attributes };
      return;
    }
    documents[at(".zgroup")] = { zarr_format: 2 };
    if (content !== undefined) documents[at(".zattrs")] = content;
  };
  const array = (path: string, shape: number[], type: "uint16" | "uint8") => {
    if (version === "0.5") {
      documents[`${path}/zarr.json`] = {
        zarr_format: 3,
        node_type: "array",
        shape,
        data_type: type,
        chunk_grid: { name: "regular", configuration: { chunk_shape: [1, 4, 4] } },
        chunk_key_encoding: { name: "default", configuration: { separator: "/" } },
        fill_value: 0,
        codecs: [{ name: "bytes", configuration: { endian: "little" } }],
        dimension_names: ["c", "y", "x"],
        attributes: {},
      };
      return;
    }
    const dtype = type === "uint8" ? "|u1" : "<u2";
    const shared = { zarr_format: 2, order: "C", fill_value: 0, compressor: null, filters: null };
    documents[`${path}/.zarray`] = { ...shared, shape, chunks: [1, 4, 4], dtype, dimension_separator: "/" };
  };
  group("p", { plate: plate(version) });
  for (const [row, fields] of [
    ["A", 2],
    ["AA", 1],
  ] as const) {
    group(`p/${row}`);
    const images = Array.from({ length: fields }, (_, field) => ({ path: String(field), acquisition: field }));
    group(`p/${row}/01`, { well: version === "0.4" ? { version, images } : { images } });
    for (const { path } of images) {
      group(`p/${row}/01/${path}`, { ...image(version), omero: omero(version) });
      array(`p/${row}/01/${path}/0`, [2, 6, 5], "uint16");
      array(`p/${row}/01/${path}/1`, [2, 3, 3], "uint16");
    }
  }
  group("p/A/01/0/labels", { labels: ["nuclei"] });
  const label = {
    ...(version === "0.4" ? { version } : {}),
    colors: [{ "label-value": 1, rgba: [255, 0, 0, 255] }, { "label-value": 2 }],
    properties: [{ "label-value": 1, area: 12 }],
    source: { image: "../../" },
  };
  group("p/A/01/0/labels/nuclei", { ...image(version), "image-label": label });
  array("p/A/01/0/labels/nuclei/0", [1, 6, 5], "uint8");
  array("p/A/01/0/labels/nuclei/1", [1, 3, 3], "uint8");
  // Not structuredClone, which keeps what is shared shared.
  return JSON.parse(JSON.stringify(documents)) as Documents;
}

/** A store with these documents. */
export async function storeOf(documents: Documents): Promise<MemoryStore> {
  const store = new MemoryStore();
  for (const [key, document] of Object.entries(documents)) {
    if (document !== undefined) await store.write(key, new TextEncoder().encode(JSON.stringify(document)));
  }
  return store;
}
