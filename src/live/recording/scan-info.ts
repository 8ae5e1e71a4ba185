/** What is said about a scan that is recorded from documents. */
import { createRequire } from "node:module";
import type { DeviceConfiguration, RunStart } from "../../core/documents.ts";
import { StorageError } from "../../core/errors.ts";
import { copyJson, type JsonObject, type JsonValue } from "../json.ts";
import { h5maps } from "../view/layout.ts";
import type { RecordedKey } from "./recorded-key.ts";
import { type DeviceClasses, scanLayout } from "./scan-layout.ts";

/** Where a scan is found as a file would be, live and afterwards. */
export interface ScanPlace {
  /** Path of the file; part of the identity. */
  readonly path: string;
  /** Name of the group of this scan in it. */
  readonly entry: string;
}

/** What is known of a run. */
export interface RecordedRun {
  readonly start: RunStart;
  readonly place: ScanPlace;
  readonly keys: readonly RecordedKey[];
  /** Settings by device. */
  readonly configuration: Readonly<Record<string, DeviceConfiguration>>;
  /** NeXus classes by device, where more is known than the documents say. */
  readonly classes: DeviceClasses;
  readonly identity: JsonObject;
  /** False: the start document is too long to be a part of the info. */
  readonly hasStart: boolean;
  /** Folder of the run's own files, if it has one. */
  readonly folder?: string | undefined;
  /** Seconds since 1970. */
  readonly endTime?: number | undefined;
  readonly endReason?: string | undefined;
}

/**
 * The info of a scan: the fields that readers of blissdata expect, the layout of its file, and the start document.
 *
 * @see blissdata `ScanInfoDict`
 */
export function scanInfo(run: RecordedRun): JsonObject {
  const { start, keys, identity, endTime, endReason } = run;
  const planName = start.plan_name ?? "scan";
  return {
    type: planName,
    title: titleOf(start),
    start_time: new Date(start.time * 1000).toISOString(),
    ...(endTime === undefined ? {} : { end_time: new Date(endTime * 1000).toISOString() }),
    ...(endReason === undefined ? {} : { end_reason: endReason }),
    scan_nb: numberOf(identity.number) ?? 0,
    npoints: numberOf(start.num_points) ?? 0,
    session_name: textOf(identity.session) ?? "",
    user_name: textOf(start.operator) ?? textOf(start.user) ?? "",
    data_policy: textOf(identity.data_policy) ?? "none",
    data_writer: keys.some(({ kind }) => kind === undefined) ? "sluice" : "null",
    save: run.folder !== undefined,
    publisher: "sluice",
    publisher_version: packageVersion(),
    acquisition_chain: acquisitionChain(keys),
    channels: Object.fromEntries(keys.map((key) => [key.name, channelOf(key)])),
    devices: devicesOf(run),
    // Before its streams are known a reader is to wait for them, rather than to find that they are not there.
    ...(keys.length === 0 && endReason === undefined ? {} : h5maps(run.place.path, scanLayout(run))),
    ...(run.hasStart ? { run_start: copyJson(start, "The start document") as JsonObject } : {}),
  };
}

/** Why a start document cannot be a part of an info; `undefined` if it can. The rest of the info wants its place too. */
export function startProblem(start: RunStart, maxInfoBytes: number): StorageError | undefined {
  const bytes = new TextEncoder().encode(JSON.stringify(start)).length;
  if (bytes <= maxInfoBytes / 2) return undefined;
  const message = `The start document has ${bytes} bytes, the info of a scan ${maxInfoBytes} at most: it is left out there`;
  return new StorageError("CAPACITY_EXCEEDED", message, { operation: "record", identifier: start.uid });
}

function packageVersion(): string {
  return (createRequire(import.meta.url)("sluice/package.json") as { version: string }).version;
}

function acquisitionChain(keys: readonly RecordedKey[]): JsonObject {
  const named = (rank: (axes: number) => boolean) => keys.filter((key) => rank(key.rank)).map(({ name }) => name);
  const groups = {
    scalars: named((axes) => axes === 0),
    spectra: named((axes) => axes === 1),
    images: named((axes) => axes > 1),
  };
  const devices = [...new Set(keys.flatMap(({ device }) => device ?? []))];
  const master = { scalars: [], spectra: [], images: [] };
  return { run: { top_master: "run", devices: ["run", ...devices], ...groups, master } };
}

function channelOf({ field, key, rank, stream }: RecordedKey): JsonObject {
  return {
    dim: Math.min(rank, 2),
    display_name: field ?? "time",
    group: stream,
    ...(key.units === undefined ? {} : { unit: key.units }),
    ...(key.precision === undefined ? {} : { decimals: key.precision }),
  };
}

function devicesOf({ keys, configuration }: RecordedRun): JsonObject {
  const devices: Record<string, JsonValue> = { run: { name: "run", channels: [] } };
  const names = new Set([...keys.flatMap(({ device }) => device ?? []), ...Object.keys(configuration)]);
  for (const name of names) {
    const channels = keys.filter(({ device }) => device === name).map((key) => key.name);
    const metadata = configuration[name]?.data ?? {};
    devices[name] = { name, channels, metadata: copyJson(metadata, `Settings of ${name}`) as JsonObject };
  }
  (devices.run as { triggered_devices?: string[] }).triggered_devices = [...names];
  return devices;
}

function titleOf({ plan_name: name = "scan", title, num_points: points }: RunStart): string {
  if (typeof title === "string") return title;
  return typeof points === "number" ? `${name} ${points}` : name;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : undefined;
}
