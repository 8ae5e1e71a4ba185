import { describe, expect, it } from "vitest";
import { MemoryStore } from "../../../../backends/memory/store.ts";
import { ngffRules, validateAttributes, validateNgff } from "../../../../backends/zarr/ngff/index.ts";
import { type Documents, plateDocuments, storeOf } from "./documents.ts";

/** Content of a group of either version. */
function content(documents: Documents, path: string): Documents {
  return documents[`${path}/zarr.json`]?.attributes.ome ?? documents[`${path}/.zattrs`];
}

const field = "p/A/01/0";
const label = `${field}/labels/nuclei`;
const multiscale = (d: Documents, path = field) => content(d, path).multiscales[0];
const channel = (d: Documents) => content(d, field).omero.channels[0];
const plate = (d: Documents) => content(d, "p").plate;
const space = { type: "space", unit: "micrometer" };

/** A planted violation: what is changed, and the rule and the node that must be named. */
type Mutant = readonly [rule: keyof typeof ngffRules, path: string, plant: (documents: Documents) => void];

const mutants: Mutant[] = [
  ["axes-missing", field, (d) => delete multiscale(d).axes],
  ["metadata-type", field, (d) => (multiscale(d).axes = "yx")],
  ["metadata-type", field, (d) => (content(d, field).multiscales = {})],
  ["metadata-type", field, (d) => (multiscale(d).name = 3)],
  ["multiscales-empty", field, (d) => (content(d, field).multiscales = [])],
  ["axes-count", field, (d) => multiscale(d).axes.splice(0, 2)],
  ["axis-name", field, (d) => (multiscale(d).axes[1] = { name: "x", ...space })],
  ["axis-type", field, (d) => (multiscale(d).axes[0] = { name: "c", type: "angle" })],
  ["axis-unit", field, (d) => (multiscale(d).axes[1] = { name: "y", type: "space", unit: "um" })],
  ["axis-unit", field, (d) => (multiscale(d).axes[1] = { name: "y", type: "space" })],
  ["axes-space", field, (d) => (multiscale(d).axes[1] = { name: "y", type: "channel" })],
  [
    "axes-time",
    field,
    (d) => multiscale(d).axes.unshift(...["t", "u"].map((name) => ({ name, type: "time", unit: "second" }))),
  ],
  ["axes-channel", field, (d) => multiscale(d).axes.unshift({ name: "a", type: "angle" })],
  ["axes-order", field, (d) => multiscale(d).axes.reverse()],
  ["multiscale-name", field, (d) => delete multiscale(d).name],
  ["multiscale-type", field, (d) => delete multiscale(d).metadata],
  ["datasets-missing", field, (d) => (multiscale(d).datasets = [])],
  ["dataset-path", field, (d) => (multiscale(d).datasets[1].path = "/data/1")],
  ["dataset-path", field, (d) => (multiscale(d).datasets[1].path = "../1")],
  ["dataset-path", field, (d) => (multiscale(d).datasets[1].path = "0")],
  ["transformations-missing", field, (d) => delete multiscale(d).datasets[0].coordinateTransformations],
  ["transformation-type", field, (d) => multiscale(d).datasets[0].coordinateTransformations.push({ type: "rotation" })],
  ["transformation-scale", field, (d) => (multiscale(d).datasets[0].coordinateTransformations = [])],
  [
    "transformation-scale",
    field,
    (d) => multiscale(d).datasets[0].coordinateTransformations.push({ type: "scale", scale: [1, 1, 1] }),
  ],
  ["transformation-order", field, (d) => multiscale(d).datasets[1].coordinateTransformations.reverse()],
  ["transformation-length", field, (d) => multiscale(d).datasets[0].coordinateTransformations[0].scale.pop()],
  ["transformation-length", field, (d) => (multiscale(d).coordinateTransformations = [{ type: "scale", scale: [1] }])],
  ["scale-positive", field, (d) => (multiscale(d).datasets[0].coordinateTransformations[0].scale = [1, 0, 1])],
  ["level-order", field, (d) => multiscale(d).datasets.reverse()],
  ["level-rank", `${field}/0`, (d) => multiscale(d).axes.shift()],
  ["node-missing", field, (d) => (multiscale(d).datasets[1].path = "7")],
  ["node-missing", field, (d) => (multiscale(d).datasets[1].path = "labels/none")],
  ["node-kind", field, (d) => (multiscale(d).datasets[1].path = "labels")],
  ["omero-channels", field, (d) => (content(d, field).omero = {})],
  ["channel-color", field, (d) => (channel(d).color = "#0000FF")],
  ["channel-color", field, (d) => delete channel(d).color],
  ["channel-window", field, (d) => delete channel(d).window.end],
  ["channel-count", field, (d) => content(d, field).omero.channels.pop()],
  ["labels-list", `${field}/labels`, (d) => (content(d, `${field}/labels`).labels = "nuclei")],
  ["node-missing", `${field}/labels`, (d) => content(d, `${field}/labels`).labels.push("cells")],
  ["label-advised", label, (d) => delete content(d, label)["image-label"]],
  ["label-image", label, (d) => delete content(d, label).multiscales],
  ["label-value", label, (d) => (content(d, label)["image-label"].colors[1]["label-value"] = 1)],
  ["label-value", label, (d) => delete content(d, label)["image-label"].properties[0]["label-value"]],
  ["label-rgba", label, (d) => (content(d, label)["image-label"].colors[0].rgba = [0, 0, 256, 0])],
  ["label-levels", label, (d) => multiscale(d, label).datasets.pop()],
  ["label-source", label, (d) => (content(d, label)["image-label"].source.image = "/data/p/A/01/0")],
  ["plate-rows", "p", (d) => delete plate(d).rows],
  ["plate-rows", "p", (d) => (plate(d).rows[0].name = "A 1")],
  ["plate-columns", "p", (d) => plate(d).columns.push({ name: "01" })],
  ["plate-wells", "p", (d) => (plate(d).wells = [])],
  ["plate-wells", "p", (d) => plate(d).wells.push(plate(d).wells[0])],
  ["well-path", "p", (d) => (plate(d).wells[0].path = "A01")],
  ["well-path", "p", (d) => (plate(d).wells[0].path = "B/01")],
  ["well-index", "p", (d) => (plate(d).wells[1].rowIndex = 0)],
  ["well-index", "p", (d) => delete plate(d).wells[1].columnIndex],
  ["plate-name", "p", (d) => delete plate(d).name],
  ["plate-field-count", "p", (d) => (plate(d).field_count = 0)],
  ["plate-field-count-advised", "p", (d) => delete plate(d).field_count],
  ["plate-field-count-advised", "p", (d) => (plate(d).field_count = 9)],
  ["acquisition-id", "p", (d) => (plate(d).acquisitions[1].id = 0)],
  ["acquisition-id", "p", (d) => (plate(d).acquisitions[0].id = -1)],
  ["acquisition-fields", "p", (d) => (plate(d).acquisitions[0].maximumfieldcount = 0)],
  ["acquisition-time", "p", (d) => (plate(d).acquisitions[0].endtime = 50)],
  ["well-images", "p/A/01", (d) => (content(d, "p/A/01").well.images = [])],
  ["image-path", "p/A/01", (d) => (content(d, "p/A/01").well.images[0].path = "0/1")],
  ["image-path", "p/A/01", (d) => (content(d, "p/A/01").well.images[1].path = "0")],
  ["image-acquisition", "p/A/01", (d) => delete content(d, "p/A/01").well.images[0].acquisition],
  ["image-acquisition", "p/A/01", (d) => (content(d, "p/A/01").well.images[0].acquisition = 5)],
  ["node-missing", "p/A/01", (d) => content(d, "p/A/01").well.images.push({ path: "7", acquisition: 0 })],
];

/** Those that only one version can have. */
const mutants04: Mutant[] = [
  ["version-unknown", field, (d) => (multiscale(d).version = "0.3")],
  ["version-advised", "p", (d) => delete plate(d).version],
  ["level-separator", `${field}/1`, (d) => (d[`${field}/1/.zarray`].dimension_separator = ".")],
  ["level-dtype", `${field}/1`, (d) => (d[`${field}/1/.zarray`].dtype = "|u1")],
  ["label-dtype", `${label}/0`, (d) => (d[`${label}/0/.zarray`].dtype = "<f4")],
  ["label-shape", label, (d) => (d[`${label}/0/.zarray`].shape = [1, 6, 4])],
  ["metadata-missing", field, (d) => delete d[`${field}/.zattrs`]],
  ["node-missing", "p/A/01", (d) => delete d[`${field}/.zgroup`]],
];
const mutants05: Mutant[] = [
  ["version-unknown", field, (d) => (content(d, field).version = "0.4")],
  ["version-mixed", field, (d) => (content(d, field).version = "0.4")],
  ["version-missing", "p", (d) => delete content(d, "p").version],
  ["version-format", field, (d) => (d[`${field}/zarr.json`].attributes = plateDocuments("0.4")[`${field}/.zattrs`])],
  ["level-names", `${field}/1`, (d) => delete d[`${field}/1/zarr.json`].dimension_names],
  ["level-names", `${field}/1`, (d) => (d[`${field}/1/zarr.json`].dimension_names = ["c", "x", "y"])],
  ["level-dtype", `${field}/1`, (d) => (d[`${field}/1/zarr.json`].data_type = "uint8")],
  ["label-dtype", `${label}/0`, (d) => (d[`${label}/0/zarr.json`].data_type = "float32")],
  ["label-shape", label, (d) => (d[`${label}/0/zarr.json`].shape = [1, 6, 4])],
  ["metadata-missing", field, (d) => delete d[`${field}/zarr.json`].attributes.ome],
  ["metadata-type", field, (d) => (d[`${field}/zarr.json`].zarr_format = 4)],
  ["node-missing", "p", (d) => delete d["p/AA/01/zarr.json"]],
];

describe.each(["0.4", "0.5"] as const)("the validator, of OME-NGFF %s", (version) => {
  it("finds nothing wrong with a plate of two wells, three fields and labels", async () => {
    const store = await storeOf(plateDocuments(version));
    const counts = { plates: 1, wells: 2, images: 3, labels: 1 };
    expect(await validateNgff(store, "p")).toEqual({ isValid: true, version, ...counts, violations: [] });
    expect(await validateNgff(store, "p/A/01")).toMatchObject({ wells: 1, images: 2, labels: 1, violations: [] });
    expect(await validateNgff(store, field)).toMatchObject({ images: 1, labels: 1, violations: [] });
    expect(await validateNgff(store, `${field}/labels`)).toMatchObject({ images: 0, labels: 1, violations: [] });
    expect(await validateNgff(store, label)).toMatchObject({ images: 0, labels: 1, violations: [] });
  });

  const all = [...mutants, ...(version === "0.4" ? mutants04 : mutants05)];
  it.each(all.map(([rule, path, plant]) => ({ rule, path, plant })))(
    "names a planted violation: $rule at $path",
    async ({ rule, path, plant }) => {
      const documents = plateDocuments(version);
      plant(documents);
      const { violations, isValid } = await validateNgff(await storeOf(documents), "p");
      const found = violations.find((one) => one.code === rule && one.path === path);
      expect(found, JSON.stringify(violations)).toBeDefined();
      const [isMust, demand] = ngffRules[rule];
      expect(found?.message.startsWith(demand)).toBe(true);
      expect(found?.level).toBe(isMust ? "error" : "warning");
      if (isMust) expect(isValid).toBe(false);
    },
  );

  it("says where in the metadata a violation is, and what is there", async () => {
    const documents = plateDocuments(version);
    channel(documents).color = "blue";
    const { violations } = await validateNgff(await storeOf(documents), "p");
    expect(violations).toEqual([
      {
        code: "channel-color",
        level: "error",
        path: field,
        at: "omero.channels[0].color",
        message: 'Each channel must have a color of six hexadecimal digits; found "blue"',
      },
    ]);
  });

  it("follows images as bioformats2raw lays them out, listed by OME or numbered", async () => {
    const source = plateDocuments(version);
    const documents: Documents = {};
    for (const [key, document] of Object.entries(source)) {
      const name = key.replace(/^p\/A\/01\//, "b/");
      if (name !== key && !name.includes("/labels")) documents[name] = document;
    }
    const layout = { "bioformats2raw.layout": 3 };
    const put = (path: string, what: object) => {
      if (version === "0.4") {
        documents[`${path}/.zgroup`] = { zarr_format: 2 };
        documents[`${path}/.zattrs`] = what;
      } else {
        const attributes = { ome: { version, ...what } };
        documents[`${path}/zarr.json`] = { zarr_format: 3, node_type: "group", attributes };
      }
    };
    put("b", layout);
    expect(await validateNgff(await storeOf(documents), "b")).toMatchObject({ images: 2, violations: [] });
    put("b/OME", { series: ["1"] });
    expect(await validateNgff(await storeOf(documents), "b")).toMatchObject({ images: 1, violations: [] });
    put("b/OME", { series: ["1", "9"] });
    put("b", { "bioformats2raw.layout": 2 });
    const { violations } = await validateNgff(await storeOf(documents), "b");
    expect(violations.map(({ code }) => code)).toEqual(["layout-version", "node-missing"]);
    put("b/OME", { series: "1" });
    const codes = (await validateNgff(await storeOf(documents), "b")).violations.map(({ code }) => code);
    expect(codes).toContain("layout-series");
    put("b", layout);
    put("b/OME", { series: ["1"] });
    const store = await storeOf(documents);
    await store.write("b/OME/METADATA.ome.xml", new TextEncoder().encode("no XML"));
    const described = (await validateNgff(store, "b")).violations;
    expect(described).toMatchObject([{ code: "layout-metadata", path: "b/OME" }]);
  });

  it("checks attributes alone", () => {
    const documents = plateDocuments(version);
    const attributes = (path: string) => documents[`${path}/zarr.json`]?.attributes ?? documents[`${path}/.zattrs`];
    for (const path of ["p", "p/A/01", field, label, `${field}/labels`]) {
      expect(validateAttributes(attributes(path), path), path).toEqual([]);
    }
    expect(validateAttributes({})).toMatchObject([{ code: "metadata-missing" }]);
  });
});

describe("the validator", () => {
  it("says of an empty place, and of an array, that no metadata is there", async () => {
    await using empty = new MemoryStore();
    expect((await validateNgff(empty)).violations).toMatchObject([{ code: "node-missing", path: "" }]);
    const store = await storeOf(plateDocuments("0.5"));
    expect((await validateNgff(store, `${field}/0`)).violations).toMatchObject([{ code: "node-kind" }]);
  });

  it("has a planted violation for every rule", () => {
    const planted = [...mutants, ...mutants04, ...mutants05].map(([rule]) => rule as string);
    const elsewhere = ["layout-version", "layout-series", "layout-metadata"];
    expect(Object.keys(ngffRules).filter((rule) => !planted.includes(rule) && !elsewhere.includes(rule))).toEqual([]);
  });
});
