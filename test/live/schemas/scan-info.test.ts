/** The info of a scan, as other programs expect it: the verdicts of blissdata's own schema. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { ScanInfo } from "../../../src/live/schemas/scan-info.ts";
import { scanInfoSchema } from "../../../src/live/schemas/scan-info-schema.ts";
import { ScanInfoError, validateScanInfo } from "../../../src/live/schemas/validate-scan-info.ts";
import { isPythonExpected, runPython } from "../../support/python.ts";

const info = {
  acquisition_chain: {
    axis: {
      top_master: "axis",
      devices: ["axis", "diode"],
      scalars: ["diode"],
      spectra: ["mca"],
      images: ["camera"],
      master: { scalars: ["x"], spectra: [], images: [] },
    },
  },
  channels: {
    x: { dim: 0, display_name: "x", unit: "mm", decimals: 3, start: 0, stop: 1.5, axis_id: 0, axis_kind: "forth" },
    diode: { dim: 0, min: 0, max: 10.5, points: 11, axis_points: 11, axis_points_hint: 11, group: "a" },
  },
  devices: {
    axis: { name: "axis", channels: ["x"], triggered_devices: ["diode"] },
    mca: {
      name: "mca",
      type: "mca",
      xaxis_channel: "energy",
      xaxis_array: [1, 2.5],
      xaxis_array_label: "Energy",
      xaxis_array_unit: "keV",
      metadata: { gain: { anything: [1, null] } },
    },
  },
  sequence_info: { scan_count: 3 },
  group: "esrf:scan:01JD0000000000000000000001",
  start_time: "2026-11-21T12:00:00+01:00",
  scan_nb: 12,
  index_in_sequence: 0,
  retry_nb: 1,
  is_scan_sequence: true,
  type: "ascan",
  title: "ascan x 0 1.5 10 0.1",
  npoints: 11,
  count_time: 0.1,
  sleep_time: 0,
  stab_time: 0.5,
  data_policy: "ESRF",
  data_writer: "nexus",
  writer_options: { chunk: "auto" },
  publisher: "sluice",
  publisher_version: "1.0",
  save: true,
  session_name: "demo",
  user_name: "ada",
  plots: [
    { kind: "curve-plot", name: "c", items: [{ kind: "curve", x: "x", y: "diode", y_axis: "left" }] },
    { kind: "scatter-plot", items: [{ kind: "scatter", x: "x", y: "y", value: "diode" }] },
    { kind: "table-plot", name: "t" },
    { kind: "1d-plot", name: "m", x: "energy", items: [{ kind: "curve", y: "mca" }] },
  ],
  display_extra: { displayed_channels: ["x"], plotselect: ["diode"], plotselect_time: 1.5 },
  end_time: "2026-11-21T12:01:00+01:00",
  end_reason: "SUCCESS",
  ours: { anything: true },
} satisfies ScanInfo;

type Path = readonly (string | number)[];

/** Every place of a value. */
function* placesOf(value: unknown, path: Path = []): Generator<Path> {
  yield path;
  if (typeof value !== "object" || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    yield* placesOf(member, [...path, Array.isArray(value) ? Number(name) : name]);
  }
}

/** A copy in which one place is something else, or is gone. */
function changed(path: Path, replacement?: unknown): Record<string, unknown> {
  const copy = structuredClone(info) as never;
  const last = path.at(-1) as never;
  const parent = path.slice(0, -1).reduce((at, step) => at[step as never], copy);
  if (replacement === undefined) delete parent[last];
  else parent[last] = replacement as never;
  return copy;
}

function isValid(value: unknown): boolean {
  try {
    validateScanInfo(value);
    return true;
  } catch (error) {
    if (error instanceof ScanInfoError) return false;
    throw error;
  }
}

const replacements = [3, 1.5, "text", true, null, [], ["text"], [1], {}, { a: 1 }, { name: "x" }, { dim: 0 }];

/** The info; the info with every place replaced by everything; the info without each member. */
function variants(): Record<string, unknown>[] {
  const places = [...placesOf(info)].filter((path) => path.length > 0);
  const replaced = places.flatMap((path) => replacements.map((replacement) => changed(path, replacement)));
  const removed = places.filter((path) => typeof path.at(-1) === "string").map((path) => changed(path));
  return [info, ...replaced, ...removed];
}

it("takes an info that has everything, and one that has no more than it must", () => {
  expect(validateScanInfo(info)).toBe(info);
  const least = Object.fromEntries((scanInfoSchema.required ?? []).map((name) => [name, info[name as "type"]]));
  expect(isValid(least)).toBe(true);
  expect(isValid({})).toBe(false);
  expect(isValid(undefined)).toBe(false);
});

it.each([
  [["channels", "x", "dim"], "0", 'info.channels.x.dim: a whole number was expected, got "0"'],
  [["channels", "x", "axis_kind"], "back", 'info.channels.x.axis_kind: "forth" or "backnforth" or "step" was expected'],
  [["plots", 0, "items", 0, "y_axis"], "up", 'info.plots[0].items[0].y_axis: "left" or "right" was expected, got "up"'],
  [["save"], null, "info.save: true or false was expected, got null"],
  [["devices", "axis", "name"], undefined, "info.devices.axis.name: is missing"],
])("says where it is not what it should be: %j", (path, replacement, message) => {
  const check = () => validateScanInfo(changed(path, replacement));
  expect(check).toThrow(message);
  expect(check).toThrow(expect.objectContaining({ code: "INVALID_DATA", path }));
});

it.skipIf(!isPythonExpected)("has the verdicts of blissdata on every change of every place", async () => {
  const folder = await mkdtemp(join(tmpdir(), "sluice-scan-info-"));
  try {
    const infos = variants();
    const path = join(folder, "infos.json");
    await writeFile(path, JSON.stringify(infos));
    const theirs = runPython("scan_info.py", path) as boolean[];
    const differing = infos.filter((one, i) => isValid(one) !== theirs[i]);
    expect(differing).toEqual([]);
    expect(infos.length).toBeGreaterThan(1000);
    expect(theirs.filter(Boolean).length).toBeGreaterThan(100);
    expect(theirs.filter((verdict) => !verdict).length).toBeGreaterThan(500);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
