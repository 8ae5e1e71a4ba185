/** The example of a plate, on real images: run as its readers run it, and looked at from the side. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative, sep } from "node:path";
import sharp from "sharp";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { BackendSet, createRegistry, FileManager, type NdArray } from "../../src/index.ts";
import { isPythonExpected, runPython } from "../support/python.ts";
import { hasRealData, realData } from "../support/real-data.ts";
import { exampleSource, runExample } from "../support/run-example.ts";
import { hasS3, startS3 } from "../support/s3-server.ts";
import { freshBucket } from "../support/s3-subjects.ts";

const printed = [
  "18 images of 6 wells, 0 files left out",
  "channel 3: illumination from 0.44 to 1.31 of its mean",
  "transfluor.zarr: OME-Zarr 0.5, 24 images, 6 rows in wells.csv, equal to memory",
  "contact-sheet.png: uint8 [256,1536]",
  "human.zarr: DNA #0000FF, PH3 #FF0000, cell body #00FF00",
  "",
].join("\n");

const env = { SLUICE_TEST_DATA: dirname(realData("plate")) };
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function emptyFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), "sluice-plate-"));
}

/** Every file below a folder, by its path with slashes. */
async function filesBelow(folder: string): Promise<Map<string, Buffer>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(
    await Promise.all(
      paths.map(async (path) => [relative(folder, path).split(sep).join("/"), await readFile(path)] as const),
    ),
  );
}

describe.skipIf(!hasRealData())("The example of a plate", { timeout: 120_000 }, () => {
  let folder = "";
  beforeAll(async () => {
    folder = await emptyFolder();
    expect(runExample("05-plate.ts", folder, { env })).toBe(printed);
    return () => rm(folder, { recursive: true });
  }, 120_000);

  const json = async (path: string) => {
    const { attributes } = JSON.parse(await readFile(join(folder, "data", path), "utf8")) as {
      attributes: { ome: Record<string, unknown> };
    };
    return attributes.ome;
  };

  it("has at most two hundred lines, and says in one place where results stay", () => {
    const source = exampleSource("05-plate.ts");
    expect(source.trimEnd().split("\n").length).toBeLessThanOrEqual(200);
    const [head, ...rest] = source.split("const archive = ");
    expect(head).toContain('s3: { use: "s3"');
    expect(rest).toHaveLength(1);
    expect(rest[0]).not.toMatch(/s3|backends\/|archives\[.*archives\[/);
  });

  it("leaves a plate of six wells, with a table and a picture beside", async () => {
    const plate = (await json("transfluor.zarr/zarr.json")) as { plate: Record<string, unknown> };
    const columns = ["01", "02", "03", "04", "05", "06"];
    expect(plate.plate).toMatchObject({
      name: "Transfluor",
      rows: [{ name: "O" }],
      columns: columns.map((name) => ({ name })),
      wells: columns.map((column, columnIndex) => ({ path: `O/${column}`, rowIndex: 0, columnIndex })),
      field_count: 4,
    });
    const { omero, multiscales } = (await json("transfluor.zarr/O/04/max/zarr.json")) as {
      omero: unknown;
      multiscales: { axes: unknown; datasets: unknown[] }[];
    };
    expect(omero).toMatchObject({ channels: [{ label: "GFP", color: "00FF00" }] });
    expect(multiscales[0]?.axes).toMatchObject([{ name: "c" }, { name: "y" }, { name: "x" }]);
    expect(multiscales[0]?.datasets).toHaveLength(2);

    const table = await readFile(join(folder, "data/transfluor.zarr/wells.csv"), "utf8");
    expect(table).toMatch(/^well,fields,mean\r\n(?:O0[1-6],3,\d+\.\d+\r\n){6}$/);
    const picture = sharp(join(folder, "data/transfluor.zarr/contact-sheet.png"));
    expect(await picture.metadata()).toMatchObject({ format: "png", width: 1536, height: 256, depth: "uchar" });
    const { channels } = await picture.stats();
    expect(channels[0]).toMatchObject({ max: 255 });
  });

  it("holds what the raw files hold, with one illumination taken off, its maximum and its coarser resolution", async () => {
    await using backends = new BackendSet(createRegistry(), {
      raw: { use: "disk", root: realData("plate") },
      plate: { use: "zarr", root: join(folder, "data/transfluor.zarr") },
    });
    const files = new FileManager(backends);
    const numbers = async (path: string, backend: string) =>
      Float64Array.from((await files.loadArray(path, backend)).data as NdArray["data"] & Uint16Array);
    const raw = await Promise.all([0, 1, 2].map((f) => numbers(`AS_09047_050428030001_O03f0${f}d2.TIF`, "raw")));
    const paths = [1, 2, 3].map((field) => `O03/O03_f00${field}_c3_z001_t001.tif`);
    const corrected = await Promise.all(paths.map((path) => numbers(path, "plate")));
    const projection = await numbers("O03/O03_max.tif", "plate");
    const coarse = await numbers("O/03/max/1", "plate");
    expect([projection.length, coarse.length]).toEqual([512 * 512, 256 * 256]);

    // One illumination for all: what each image was divided by is the same, but for half a step of rounding.
    let worst = 0;
    raw[0]!.forEach((first, i) => {
      const scale = [0, 1, 2].map((f) => corrected[f]![i]! * first - corrected[0]![i]! * raw[f]![i]!);
      for (const [f, error] of scale.entries()) {
        worst = Math.max(worst, Math.abs(error) / (0.5 * (first + raw[f]![i]!) || 1));
      }
    });
    expect(worst).toBeLessThanOrEqual(1 + 1e-9);
    const wrong = projection.findIndex((value, i) => value !== Math.max(...corrected.map((image) => image[i]!)));
    expect(wrong).toBe(-1);
    const uneven = coarse.findIndex((value, i) => {
      const at = Math.floor(i / 256) * 1024 + (i % 256) * 2;
      const four = [at, at + 1, at + 512, at + 513].map((place) => projection[place]!);
      return value !== Math.floor(four.reduce((sum, one) => sum + one, 0) / 4 + 0.5);
    });
    expect(uneven).toBe(-1);
  });

  it("is lit more evenly than the raw files", async () => {
    await using backends = new BackendSet(createRegistry(), {
      raw: { use: "disk", root: realData("plate") },
      plate: { use: "zarr", root: join(folder, "data/transfluor.zarr") },
    });
    const files = new FileManager(backends);
    /** Brightest of the sixteen parts of a field by the darkest, over all images of a backend. */
    const unevenness = async (paths: readonly string[], backend: string) => {
      const sums = new Float64Array(16);
      for (const { data } of await files.loadArrays(paths, backend)) {
        (data as Uint16Array).forEach((value, i) => {
          sums[Math.floor(i / 65536) * 4 + Math.floor((i % 512) / 128)]! += value;
        });
      }
      return Math.max(...sums) / Math.min(...sums);
    };
    const wells = ["O01", "O02", "O03", "O04", "O05", "O06"];
    const corrected = wells.flatMap((well) => [1, 2, 3].map((field) => `${well}/${well}_f00${field}_c3_z001_t001.tif`));
    const before = await unevenness(await files.listFiles("", "raw"), "raw");
    const after = await unevenness(corrected, "plate");
    expect(before).toBeGreaterThan(1.5);
    expect(after).toBeLessThan(1.2);
  });

  it("keeps the bytes of three channels as one image with colours", async () => {
    const { omero } = (await json("human.zarr/zarr.json")) as { omero: { channels: unknown[] } };
    expect(omero.channels).toMatchObject([
      { label: "DNA", color: "0000FF" },
      { label: "PH3", color: "FF0000" },
      { label: "cell body", color: "00FF00" },
    ]);
    await using backends = new BackendSet(createRegistry(), {
      raw: { use: "disk", root: realData("human") },
      data: { use: "zarr", root: join(folder, "data") },
    });
    const files = new FileManager(backends);
    const [d0, d1, d2] = await files.loadArrays(
      [0, 1, 2].map((d) => `AS_09125_050116030001_D03f00d${d}.tif`),
      "raw",
    );
    const image = await files.loadArray("human.zarr/0", "data");
    expect(image.shape).toEqual([3, 512, 512]);
    const whole = Buffer.concat([d0, d1, d2].map((channel) => channel!.data as Uint8Array));
    expect(whole.equals(image.data as Uint8Array)).toBe(true);
  });

  it.skipIf(!isPythonExpected)("is opened and accepted by ome-zarr-models and ome-zarr", async () => {
    const cases = ["transfluor.zarr", "transfluor.zarr/O/04", "transfluor.zarr/O/04/max", "human.zarr"];
    const data = join(folder, "data");
    await writeFile(join(data, "cases.json"), JSON.stringify(cases.map((path) => ({ path }))));
    try {
      const seen = runPython("validate_with_ome.py", data) as Record<string, object>;
      expect(cases.map((path) => seen[path])).toMatchObject([
        { model: "HCS" },
        { model: "Well" },
        {
          model: "Image",
          axes: ["c", "y", "x"],
          shapes: [
            [1, 512, 512],
            [1, 256, 256],
          ],
        },
        {
          model: "Image",
          axes: ["c", "y", "x"],
          shapes: [
            [3, 512, 512],
            [3, 256, 256],
          ],
        },
      ]);
    } finally {
      await rm(join(data, "cases.json"));
    }
  });

  it("runs again over what it left", async () => {
    const before = [...(await filesBelow(join(folder, "data"))).keys()].sort();
    expect(runExample("05-plate.ts", folder, { env })).toBe(printed);
    expect([...(await filesBelow(join(folder, "data"))).keys()].sort()).toEqual(before);
  });

  it("leaves nothing on the disk where results stay in memory", async () => {
    const empty = await emptyFolder();
    closing.push(() => rm(empty, { recursive: true }));
    expect(runExample("05-plate.ts", empty, { args: ["memory"], env })).toBe(printed);
    expect(await readdir(empty)).toEqual([]);
  });

  it.skipIf(!hasS3)("leaves the same in a bucket as on the disk", async () => {
    const server = await startS3();
    closing.push(() => server.stop());
    const bucket = await freshBucket(server.endpoint);
    closing.push(() => bucket.remove());
    const empty = await emptyFolder();
    closing.push(() => rm(empty, { recursive: true }));
    const place = { PLATE_BUCKET: bucket.name, AWS_ENDPOINT_URL: server.endpoint };
    expect(runExample("05-plate.ts", empty, { args: ["s3"], env: { ...env, ...place } })).toBe(printed);
    expect(await readdir(empty)).toEqual([]);

    const onDisk = await filesBelow(join(folder, "data"));
    const keys = await bucket.side.keys("screen/");
    expect(keys.map((key) => key.slice("screen/".length)).sort()).toEqual([...onDisk.keys()].sort());
    // The plate's own document tells when each well was written.
    for (const [path, bytes] of onDisk) {
      if (path === "transfluor.zarr/zarr.json") continue;
      expect(bytes.equals((await bucket.side.get(`screen/${path}`)) as Uint8Array), path).toBe(true);
    }
    expect(await bucket.uploads()).toEqual([]);
  });
});
