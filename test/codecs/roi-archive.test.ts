import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import { DiskStore } from "../../backends/disk/store.ts";
import { createCodecs } from "../../src/codecs/default-codecs.ts";
import { FileBackend } from "../../src/codecs/file-backend.ts";
import { createRoi } from "../../src/codecs/roi/check-roi.ts";
import type { Roi } from "../../src/codecs/roi/roi.ts";
import { roiArchiveCodec } from "../../src/codecs/roi/roi-archive-codec.ts";
import { roiCodec } from "../../src/codecs/roi/roi-codec.ts";
import { ArchiveInMemory } from "../../src/codecs/zip/archive-in-memory.ts";
import { readDirectory } from "../../src/codecs/zip/directory.ts";
import { StorageError } from "../../src/core/errors.ts";
import { ourZip } from "../support/archives.ts";
import { rejectionOf } from "../support/rejection.ts";
import { decode, encode, roundTrip } from "./codec-calls.ts";
import { everyRoi } from "./roi-values.ts";

const limits = { maxDirectoryBytes: 2 ** 20, badNames: "refuse", duplicates: "refuse" } as const;
const everything = everyRoi.map((init) => createRoi(init));
const point = (name?: string) =>
  createRoi({ kind: "point", points: [[1, 2]], ...(name === undefined ? {} : { name }) });

it("a list of every kind of region comes back equal, in order, in the same bytes each time", async () => {
  expect(await roundTrip(roiArchiveCodec, everything)).toEqual(everything);
  expect(await encode(roiArchiveCodec, everything)).toEqual(await encode(roiArchiveCodec, structuredClone(everything)));
  expect(await roundTrip(roiArchiveCodec, [])).toEqual([]);
});

it("is found by its compound suffix, and not for other archives", () => {
  const codecs = createCodecs();
  expect(codecs.find("A01/cells.ROI.zip")?.name).toBe("roi-zip");
  expect(codecs.find("A01/cells.roi")?.name).toBe("roi");
  expect(codecs.find("A01/cells.zip")).toBeUndefined();
});

it("entries are called as their regions, and no two alike", async () => {
  const rois = [point("a"), point(), point("A"), point("a"), point("0002"), point("b/c"), point("../d")];
  const bytes = await encode(roiArchiveCodec, rois);
  const directory = await readDirectory(new ArchiveInMemory(bytes, {}), limits, {});
  const inOrder = [...directory.values()].sort((a, b) => a.headerOffset - b.headerOffset);
  expect(inOrder.map(({ key }) => key)).toEqual([
    "a.roi",
    "0002.roi",
    "A-1.roi",
    "a-2.roi",
    "0002-1.roi",
    "0006.roi",
    "0007.roi",
  ]);
  expect(await decode(roiArchiveCodec, bytes)).toEqual(rois);
});

it("any names come back equal", async () => {
  const name = fc.option(
    fc.oneof(
      fc.string({ unit: "binary", minLength: 1 }),
      fc.constantFrom("0001", "0002", "0001-1", "a", "A", ".", "..", "/", "\0"),
    ),
    { nil: undefined },
  );
  const law = fc.asyncProperty(fc.array(name, { maxLength: 6 }), async (names) => {
    const rois = names.map(point);
    expect(await roundTrip(roiArchiveCodec, rois)).toEqual(rois);
  });
  await fc.assert(law, { numRuns: 150 });
});

it("regions without a name of their own get that of their entry; other entries are passed over", async () => {
  const file = await encode(roiCodec, point());
  const bytes = await ourZip(
    "store",
    false,
  )(
    new Map([
      ["0001-0023.roi", file],
      ["__polystore_roi_metadata__.json", new TextEncoder().encode("{}")],
      ["cell.ROI", file],
    ]),
  );
  expect(await decode(roiArchiveCodec, bytes)).toMatchObject([{ name: "0001-0023" }, { name: "cell" }]);
});

it("lies beside other files of a backend, and loads back", async () => {
  const root = await mkdtemp(join(tmpdir(), "sluice-roi-"));
  await using backend = new FileBackend(new DiskStore({ root }), { key: "disk" });
  await backend.save(everything, "A01/cells.roi.zip", { createParents: true });
  expect(await backend.load("A01/cells.roi.zip")).toEqual(everything);
  await rm(root, { recursive: true });
});

it("refuses what is no list of regions, before anything is written", async () => {
  for (const wrong of [everything[0], [point(), 3], "text"]) {
    expect(await rejectionOf(encode(roiArchiveCodec, wrong))).toMatchObject({ code: "INVALID_DATA" });
  }
});

it("damaged anywhere, is the same list or a typed error that names the file", async () => {
  const rois = [point("a"), ...everything.slice(0, 4)];
  const sample = await encode(roiArchiveCodec, rois, {}, "c.roi.zip");
  const change = fc.asyncProperty(fc.nat(sample.length - 1), fc.integer({ min: 1, max: 255 }), async (at, by) => {
    const bytes = sample.slice();
    bytes[at] = (bytes[at] as number) ^ by;
    try {
      // Times and the like say nothing; every byte of a region is under its checksum. A name may become another, or
      // an entry one that is no region.
      const loaded = (await decode(roiArchiveCodec, bytes, {}, "c.roi.zip")) as Roi[];
      for (const { name: _, ...roi } of loaded) expect(rois.map(({ name: __, ...rest }) => rest)).toContainEqual(roi);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      expect(["CORRUPT", "UNSUPPORTED"]).toContain(error.code);
      expect(error.identifier).toContain("c.roi.zip");
    }
  });
  await fc.assert(change, { numRuns: 500 });
  for (const length of [0, 1, 21, 22, 100, sample.length - 1]) {
    await expect(decode(roiArchiveCodec, sample.slice(0, length))).rejects.toMatchObject({ code: "CORRUPT" });
  }
});
