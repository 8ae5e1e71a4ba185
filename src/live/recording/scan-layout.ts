/** How a scan that is recorded from documents looks as a NeXus file. */
import type { DataKey } from "../../core/documents.ts";
import type { LayoutAttributes, LayoutGroup, LayoutItem, RawValue } from "../view/layout.ts";
import type { RecordedKey } from "./recorded-key.ts";
import type { RecordedRun } from "./scan-info.ts";

/** NeXus classes by device: `NXpositioner` for what moves, `NXdetector`, `NXsensor`, … */
export type DeviceClasses = Readonly<Record<string, string>>;

type Children = Record<string, LayoutItem>;

/**
 * The root of the file, with the group of this scan: an `NXentry` with an `instrument`, where each device is, and a group
 * for each bluesky stream, of which `primary` is called `measurement`, with links to what it has.
 *
 * @see NeXus `NXentry`, `NXinstrument`, `NXdetector`, `NXpositioner`
 */
export function scanLayout(run: RecordedRun): LayoutGroup {
  const { start, place, keys, endTime } = run;
  const groups: Record<string, Children> = { measurement: {} };
  const instrument: Children = {};
  for (const key of keys) {
    const group = key.stream === "primary" ? "measurement" : key.stream;
    groups[group] ??= {};
    const children = groups[group];
    if (key.device === undefined) {
      children.time = dataset(key, { units: "s", start: new Date(0).toISOString() });
      continue;
    }
    const path = addToInstrument(instrument, key, key.device, run);
    children[key.field as string] = { type: "soft_link", target_path: `/${place.entry}/instrument/${path}` };
  }
  for (const [device, { data, data_keys: described }] of Object.entries(run.configuration)) {
    const children = deviceGroup(instrument, device, classOf(device, run));
    for (const [field, value] of Object.entries(data)) {
      const name = fieldName(field, device);
      if (isRaw(value) && !Object.hasOwn(children, name)) {
        children[name] = { type: "dataset", attributes: unitsOf(described[field]), value };
      }
    }
  }
  const entry: Children = {
    title: start.plan_name ?? "scan",
    start_time: new Date(start.time * 1000).toISOString(),
    ...(endTime === undefined ? {} : { end_time: new Date(endTime * 1000).toISOString() }),
    entry_identifier: start.uid,
    program_name: "sluice",
    ...(typeof start.sample === "string" ? { sample: group("NXsample", { name: start.sample }) } : {}),
    instrument: group("NXinstrument", instrument),
    ...Object.fromEntries(Object.entries(groups).map(([name, children]) => [name, group("NXcollection", children)])),
  };
  return group("NXroot", { [place.entry]: group("NXentry", entry) });
}

/** Puts a stream where its device is; answers the path below the instrument. */
function addToInstrument(instrument: Children, key: RecordedKey, device: string, run: RecordedRun): string {
  const nxClass = classOf(device, run);
  if (nxClass === "NXpositioner") {
    // NeXus has a positioner for each axis.
    instrument[key.name] = group(nxClass, { name: key.name, value: dataset(key, unitsOf(key.key)) });
    return `${key.name}/value`;
  }
  const children = deviceGroup(instrument, device, nxClass);
  const name = key.stream === "primary" ? fieldName(key.field as string, device) : key.name;
  children[name] = dataset(key, unitsOf(key.key));
  return `${device}/${name}`;
}

/** The children of the group of a device. */
function deviceGroup(instrument: Children, device: string, nxClass: string): Children {
  // A positioner is a group for each axis; what is said of all of them is a collection.
  instrument[device] ??= group(nxClass === "NXpositioner" ? "NXcollection" : nxClass, {});
  return (instrument[device] as LayoutGroup).children as Children;
}

function classOf(device: string, { classes, keys }: RecordedRun): string {
  if (Object.hasOwn(classes, device)) return classes[device] as string;
  const own = keys.filter((key) => key.device === device);
  return own.some(({ rank }) => rank > 0) ? "NXdetector" : "NXcollection";
}

/** `camera-exposure` of `camera` is its `exposure`, `camera` its `data`. */
function fieldName(field: string, device: string): string {
  if (field === device) return "data";
  return field.startsWith(device) && /[-_]/.test(field.charAt(device.length)) ? field.slice(device.length + 1) : field;
}

function group(nxClass: string, children: Children): LayoutGroup {
  return { type: "group", attributes: { NX_class: nxClass }, children };
}

function dataset(key: RecordedKey, attributes: LayoutAttributes): LayoutItem {
  return { type: "dataset", attributes, value: { type: "stream", stream: key.name } };
}

function unitsOf(key: DataKey | undefined): LayoutAttributes {
  return key?.units === undefined ? {} : { units: key.units };
}

/** True for what stands in a layout as it is: scalars, and lists of one shape. */
function isRaw(value: unknown): value is RawValue {
  if (Array.isArray(value))
    return (
      value.length > 0 && value.every((item) => typeof item === typeof value[0] && !Array.isArray(item) && isRaw(item))
    );
  return (
    typeof value === "string" || typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value))
  );
}
