import { describe, expect, it } from "vitest";
import { ZarrBackend } from "../../../../backends/zarr/backend.ts";
import { recoverZarr, setAttributes } from "../../../../backends/zarr/index.ts";
import {
  readBioformats2raw,
  readImage,
  type SeriesImage,
  validateNgff,
  writeBioformats2raw,
  writeImage,
} from "../../../../backends/zarr/ngff/index.ts";
import { arraysEqual, sliceArray, zeros } from "../../../../src/core/nd-array.ts";
import { rejectionOf } from "../../../support/rejection.ts";
import { documentAt, freshStore, ramp } from "./stores.ts";

/** What a microscope says of its images, with what must not be counted. */
function xmlOf(images: number): string {
  const one = (index: number) =>
    `<Image ID="Image:${index}" Name="field > ${index}"><Pixels ID="Pixels:${index}"><!-- <Image/> --></Pixels></Image>`;
  return `<?xml version="1.0" encoding="UTF-8"?>
<!-- <Image> of a comment -->
<ome:OME xmlns:ome="http://www.openmicroscopy.org/Schemas/OME/2016-06" Creator='a "microscope" > µ'>
<Instrument ID="Instrument:0"><Objective ID="Objective:0"/></Instrument>
${Array.from({ length: images }, (_, index) => one(index)).join("\r\n")}<ImageRef ID="Image:0"/>
<StructuredAnnotations><XMLAnnotation><Value><Image/><![CDATA[<Image></Image>]]></Value></XMLAnnotation></StructuredAnnotations>
</ome:OME>
`;
}

const images: SeriesImage[] = [
  { array: ramp([2, 37, 50]), axes: ["c", "y", "x"], levels: 2, name: "a", channels: [{ label: "DAPI" }, {}] },
  { array: ramp([9, 9], 3), levels: 1, units: { y: "micrometer", x: "micrometer" } },
];

describe.each(["memory", "disk"] as const)("images of one file, in %s", (kind) => {
  describe.each(["0.4", "0.5"] as const)("of OME-NGFF %s", (version) => {
    it("are numbered, listed and described, and no rule is broken", async () => {
      const { store, side } = await freshStore(kind);
      const omeXml = xmlOf(2);
      await writeBioformats2raw(store, "a/file.zarr", images, { version, omeXml, attributes: { from: "x.czi" } });
      const report = await validateNgff(store, "a/file.zarr");
      const errors = report.violations.filter(({ level }) => level === "error");
      expect([report.images, report.version, errors]).toEqual([2, version, []]);
      // The bytes, the list and the mark, past the store.
      expect(new TextDecoder().decode(await side.get("a/file.zarr/OME/METADATA.ome.xml"))).toBe(omeXml);
      const name = version === "0.4" ? ".zattrs" : "zarr.json";
      const [root, ome] = [`a/file.zarr/${name}`, `a/file.zarr/OME/${name}`];
      const document = await documentAt(side, root);
      expect(version === "0.4" ? document : document.attributes).toEqual(
        version === "0.4"
          ? { "bioformats2raw.layout": 3, from: "x.czi" }
          : { ome: { version, "bioformats2raw.layout": 3 }, from: "x.czi" },
      );
      const list = await documentAt(side, ome);
      expect(version === "0.4" ? list : list.attributes).toEqual(
        version === "0.4" ? { series: ["0", "1"] } : { ome: { version, series: ["0", "1"] } },
      );
      const series = await readBioformats2raw(store, "a/file.zarr");
      expect(series).toMatchObject({ version, images: ["a/file.zarr/0", "a/file.zarr/1"] });
      expect(new TextDecoder().decode(await series.omeXml())).toBe(omeXml);
      for (const [index, path] of series.images.entries()) {
        const image = await readImage(store, path);
        expect(arraysEqual((await image.levels[0]?.read())!, images[index]!.array as never)).toBe(true);
      }
      expect((await readImage(store, "a/file.zarr/0")).omero?.channels).toHaveLength(2);
      const backend = new ZarrBackend(store);
      expect(await backend.listDir("a/file.zarr")).toEqual(["0", "1", "OME"]);
      expect(await backend.isFile("a/file.zarr/OME/METADATA.ome.xml")).toBe(true);
    });

    it("need no description, and come one after another, in parts as well", async () => {
      const { store, side } = await freshStore(kind);
      async function* made(): AsyncGenerator<SeriesImage> {
        const planes = [0, 1].map((c) => sliceArray(ramp([2, 37, 50]), [c]));
        yield { array: { shape: [2, 37, 50], dtype: "uint16", parts: planes }, axes: ["c", "y", "x"], levels: 2 };
        yield images[1]!;
      }
      await writeBioformats2raw(store, "", made(), { version });
      expect((await validateNgff(store)).isValid).toBe(true);
      const series = await readBioformats2raw(store);
      expect([series.images, await series.omeXml()]).toEqual([["0", "1"], undefined]);
      expect(arraysEqual((await (await readImage(store, "0")).levels[0]?.read())!, ramp([2, 37, 50]))).toBe(true);
      // Numbered ones of other programs, without a list.
      for (const key of await side.keys()) if (key.startsWith("OME/")) await store.delete(key);
      expect((await readBioformats2raw(store)).images).toEqual(["0", "1"]);
    });
  });

  it("that are refused, fail or are aborted leave nothing", async () => {
    const { store, side } = await freshStore(kind);
    const controller = new AbortController();
    async function* aborting(): AsyncGenerator<SeriesImage> {
      yield images[1]!;
      controller.abort();
      yield images[1]!;
    }
    async function* late(): AsyncGenerator<SeriesImage> {
      yield images[1]!;
      yield { array: zeros([4], "uint8") };
    }
    const cases: [Parameters<typeof writeBioformats2raw>[2], Parameters<typeof writeBioformats2raw>[3], string][] = [
      [[], {}, "INVALID_DATA"],
      [images, { omeXml: xmlOf(3) }, "INVALID_DATA"],
      [late(), { omeXml: xmlOf(2) }, "INVALID_DATA"],
      [images.values(), { omeXml: xmlOf(1) }, "INVALID_DATA"],
      [images, { omeXml: "<TIFF/>" }, "INVALID_DATA"],
      [images, { omeXml: "<OME><Image>" }, "INVALID_DATA"],
      [images, { omeXml: '<OME a="' }, "INVALID_DATA"],
      [images, { omeXml: "<OME/><OME/>" }, "INVALID_DATA"],
      [images, { omeXml: "" }, "INVALID_DATA"],
      [images, { omeXml: Uint8Array.of(0xff, 0xfe, 0x3c, 0) }, "INVALID_DATA"],
      [images, { omeXml: 7 as never }, "INVALID_DATA"],
      [[...images, { array: zeros([4], "uint8") }], {}, "INVALID_DATA"],
      [aborting(), { signal: controller.signal }, "ABORTED"],
    ];
    for (const [at, [list, options, code]] of cases.entries()) {
      const error = await rejectionOf(writeBioformats2raw(store, "f", list, options));
      expect(error.code, `${at}: ${error.message}`).toBe(code);
      expect(await side.keys(), `${at}`).toEqual([]);
    }
  });

  it("are not written over, unless it is said", async () => {
    const { store } = await freshStore(kind);
    await writeBioformats2raw(store, "f", images, { omeXml: xmlOf(2) });
    expect((await rejectionOf(writeBioformats2raw(store, "f", images))).code).toBe("ALREADY_EXISTS");
    await writeBioformats2raw(store, "f", [images[1]!], { ifExists: "replace" });
    const series = await readBioformats2raw(store, "f");
    expect([series.images, await series.omeXml()]).toEqual([["f/0"], undefined]);
  });

  it("are told from others, and a list or a description that does not fit is named", async () => {
    const { store } = await freshStore(kind);
    expect((await rejectionOf(readBioformats2raw(store, "f"))).code).toBe("NOT_FOUND");
    await writeImage(store, "i", ramp([4, 4]));
    expect((await rejectionOf(readBioformats2raw(store, "i"))).code).toBe("INVALID_DATA");
    await writeBioformats2raw(store, "f", images, { omeXml: xmlOf(2) });
    const codes = async () =>
      (await validateNgff(store, "f")).violations.filter(({ level }) => level === "error").map(({ code }) => code);
    await store.write("f/OME/METADATA.ome.xml", new TextEncoder().encode(xmlOf(3)));
    expect(await codes()).toEqual(["layout-metadata"]);
    await store.write("f/OME/METADATA.ome.xml", new TextEncoder().encode("no XML"));
    expect(await codes()).toEqual(["layout-metadata"]);
    await setAttributes(store, "f/OME", { ome: { version: "0.5", series: "0" } });
    expect((await rejectionOf(readBioformats2raw(store, "f"))).code).toBe("CORRUPT");
    expect(await recoverZarr(store, { remove: true, olderThanMs: 0 })).toEqual([]);
  });
});
