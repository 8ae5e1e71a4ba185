/** One scan with everything that a file can have, and the script that reads it, live and afterwards. */
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ndArray } from "../../../src/core/nd-array.ts";
import type { DataStore } from "../../../src/live/data-store.ts";
import type { LayoutItem } from "../../../src/live/view/layout.ts";
import type { LiveDataset } from "../../../src/live/view/live-dataset.ts";
import type { LiveFile } from "../../../src/live/view/live-file.ts";
import type { WritableScan } from "../../../src/live/writable-scan.ts";
import { startScan } from "./scans.ts";

/** Every kind of node. */
export function wholeChildren(): Record<string, LayoutItem> {
  return {
    title: "a scan 🃏",
    instrument: {
      type: "group",
      attributes: { NX_class: "NXinstrument", version: 3, limits: [0.5, 1.5], names: ["a", "bc"], on: true },
      children: {
        diode: [{ NX_class: "NXdetector" }, { data: [{ units: "A" }, "STREAM", "diode"] }],
        camera: [{ NX_class: "NXdetector" }, { data: [{}, "STREAM", "camera"] }],
        flags: { type: "stream", stream: "flags" },
        half: { type: "stream", stream: "half" },
        counts: { type: "stream", stream: "counts" },
        notes: { type: "stream", stream: "notes" },
        ragged: { type: "stream", stream: "ragged" },
        never: { type: "stream", stream: "never" },
      },
    },
    static: {
      type: "group",
      children: {
        int: 7,
        bool: true,
        texts: [
          ["a", "ü"],
          ["", "d"],
        ],
        nan: { type: "inline", dtype: "float32", value: ["nan", "-inf", 1] },
        complex: { type: "inline", dtype: "complex128", value: ["1+2j", "3-4j"] },
        bytes: { type: "inline_b64", dtype: ">i2", shape: [2, 1], value: "AAEAAg==" },
        records: {
          type: "compound",
          columns: [
            ["name", ["x", "yy"]],
            ["n", { type: "inline", dtype: "int16", value: [1, 2] }],
          ],
        },
        empty: [],
      },
    },
    measurement: {
      type: "group",
      attributes: { NX_class: "NXdata", signal: "diode" },
      children: {
        diode: { type: "soft_link", target_path: "/1.1/instrument/diode/data" },
        camera: { type: "soft_link", target_path: "../instrument" },
        beside: { type: "soft_link", target_path: "diode" },
        broken: { type: "soft_link", target_path: "/1.1/nowhere" },
        other: { type: "external_link", target_file: "other.h5", target_path: "/1.1/static/int" },
      },
    },
    raw: {
      type: "external_binary_dataset",
      dtype: "<u2",
      shape: [3, 2],
      files: [{ name: "raw.bin", offset: 2, size: 12 }],
    },
    virtual: {
      type: "virtual_dataset",
      dtype: "<f8",
      shape: [2, 3],
      virtual_sources: [
        {
          vspace: { start: [1, 0], count: [1, 3] },
          src_file: ".",
          src_dataset: "/1.1/instrument/diode/data",
          src_space: { start: [0], stride: [2], count: [3] },
        },
      ],
    },
  };
}

const streams = {
  diode: { dtype: "float64" },
  camera: { dtype: "uint16", shape: [4, 5] },
  flags: { dtype: "bool" },
  half: { dtype: "float16", shape: [2] },
  counts: { dtype: ">i8" },
  notes: { type: "json" },
  ragged: { dtype: "int32", shape: [-1, -1] },
  never: { dtype: "int8", shape: [3] },
} as const;

/** A scan with everything, that takes data. */
export async function startWholeScan(store: DataStore, file: string): Promise<WritableScan> {
  await writeFile(join(dirname(file), "raw.bin"), new Uint8Array(Uint16Array.from({ length: 8 }, (_, i) => i).buffer));
  return await startScan(store, { file, children: wholeChildren(), streams });
}

/** Six points of each stream but one. */
export async function sendPoints(scan: WritableScan): Promise<void> {
  for (let i = 0; i < 6; i++) {
    await scan.writer("diode").send(i / 4);
    await scan.writer("camera").send(
      ndArray(
        Uint16Array.from({ length: 20 }, (_, n) => 100 * i + n),
        [4, 5],
      ),
    );
    await scan.writer("flags").send(i % 2 === 0);
    await scan.writer("half").send({ ...ndArray(new Uint16Array([0x3c00 + i, 0xfc00])), dtype: "float16" });
    await scan.writer("counts").send(2n ** 60n + BigInt(i));
    await scan.writer("notes").send({ i, text: "ü" });
    await scan.writer("ragged").send(
      ndArray(
        Int32Array.from({ length: 2 * i }, (_, n) => n),
        [2, i],
      ),
    );
  }
}

/** The script of a user, at any time: follows a dataset, and selects parts of others. */
export async function script(file: LiveFile): Promise<unknown> {
  const camera = await file.dataset("/instrument/camera");
  const values: unknown[] = [];
  for await (const value of await file.dataset("/instrument/diode")) values.push(value);
  return {
    values,
    frames: await camera.select("0:3"),
    part: await camera.select([-1, "...", [null, null, -2]]),
    corner: await camera.select("::2, 1:3, 0"),
    pixel: await camera.select([2, 3, 4]),
    detectors: (await (await file.group("/1.1/instrument")).byClass("NXdetector")).map(({ name }) => name).sort(),
    title: await (await file.dataset("/1.1/title")).read(),
  };
}

/** Everything that can be found, of a scan that has ended. */
export async function everythingIn(file: LiveFile): Promise<unknown> {
  const found: Record<string, unknown> = {};
  const visit = async (at: string): Promise<void> => {
    for (const name of await file.keys({ path: at })) {
      const below = at === "/" ? `/${name}` : `${at}/${name}`;
      if (!(await file.has(below))) {
        found[below] = "leads nowhere";
        continue;
      }
      const item = await file.get(below);
      found[below] = { name: item.name, attributes: item.attributes };
      if (item.kind === "dataset") found[below] = { ...(found[below] as object), ...(await everythingOf(item)) };
      else if (item.name === below) await visit(below);
    }
  };
  await visit("/");
  return found;
}

async function everythingOf(dataset: LiveDataset) {
  const values: unknown[] = [];
  if ((await dataset.shape()).length > 0) for await (const value of dataset) values.push(value);
  return { dtype: dataset.dtype, shape: await dataset.shape(), value: await dataset.read(), values };
}
