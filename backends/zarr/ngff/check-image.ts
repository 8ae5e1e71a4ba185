/** Checks what images say of themselves: multiscales, omero, image-label. Looks at documents only. */
import { isRecord } from "../metadata.ts";
import { type Report, shown } from "./rules.ts";
import { spaceUnits, timeUnits } from "./units.ts";

/** What a checked multiscale says, as far as it makes sense. */
export interface CheckedMultiscale {
  readonly axes: readonly { readonly name: string; readonly type: string | undefined }[];
  /** Paths of the levels with their place in the document. */
  readonly datasets: readonly { readonly path: string; readonly at: string }[];
}

/** Checks `multiscales`. */
export function checkMultiscales(value: unknown, report: Report): CheckedMultiscale[] {
  const at = "multiscales";
  if (!Array.isArray(value)) {
    report("metadata-type", at, `expected a list, ${shown(value)}`);
    return [];
  }
  if (value.length === 0) report("multiscales-empty", at);
  return value.flatMap((multiscale, index) => checkMultiscale(multiscale, `${at}[${index}]`, report));
}

function checkMultiscale(value: unknown, at: string, report: Report): CheckedMultiscale[] {
  if (!isRecord(value)) {
    report("metadata-type", at, `expected an object, ${shown(value)}`);
    return [];
  }
  const { name, type, metadata, coordinateTransformations: common } = value;
  if (name === undefined) report("multiscale-name", at);
  else if (typeof name !== "string") report("metadata-type", `${at}.name`, `expected text, ${shown(name)}`);
  // One level was made by no method.
  const hasLevels = Array.isArray(value.datasets) && value.datasets.length > 1;
  if (hasLevels && (type === undefined || metadata === undefined)) report("multiscale-type", at);
  const axes = checkAxes(value.axes, `${at}.axes`, report);
  if (common !== undefined) checkTransformations(common, `${at}.coordinateTransformations`, axes?.length, report);
  const datasets = checkDatasets(value.datasets, `${at}.datasets`, axes?.length, report);
  return [{ axes: axes ?? [], datasets }];
}

/** Checks the axes of an image; `undefined` if they make no sense. */
export function checkAxes(value: unknown, at: string, report: Report): CheckedMultiscale["axes"] | undefined {
  if (value === undefined) report("axes-missing", at);
  else if (!Array.isArray(value)) report("metadata-type", at, `expected a list, ${shown(value)}`);
  if (!Array.isArray(value)) return undefined;
  if (value.length < 2 || value.length > 5) report("axes-count", at, `found ${value.length}`);
  const seen = new Set<unknown>();
  const axes = value.map((axis: unknown, index) => {
    const { name, type, unit } = isRecord(axis) ? axis : {};
    if (typeof name !== "string" || name === "" || seen.has(name)) {
      report("axis-name", `${at}[${index}].name`, shown(name));
    }
    seen.add(name);
    if (type !== "space" && type !== "time" && type !== "channel") {
      report("axis-type", `${at}[${index}].type`, shown(type));
    }
    checkUnit(type, unit, `${at}[${index}].unit`, report);
    return { name: String(name), type: typeof type === "string" ? type : undefined };
  });
  checkKinds(axes, at, report);
  return axes;
}

function checkUnit(type: unknown, unit: unknown, at: string, report: Report): void {
  const known = type === "space" ? spaceUnits : type === "time" ? timeUnits : undefined;
  if (unit !== undefined && typeof unit !== "string") report("metadata-type", at, `expected text, ${shown(unit)}`);
  else if (known !== undefined && !known.has(unit ?? "")) report("axis-unit", at, shown(unit));
}

function checkKinds(axes: readonly { readonly type: string | undefined }[], at: string, report: Report): void {
  const ranks = axes.map(({ type }) => (type === "time" ? 0 : type === "space" ? 2 : 1));
  const count = (rank: number) => ranks.filter((one) => one === rank).length;
  if (count(2) < 2 || count(2) > 3) report("axes-space", at, `found ${count(2)}`);
  if (count(0) > 1) report("axes-time", at, `found ${count(0)}`);
  if (count(1) > 1) report("axes-channel", at, `found ${count(1)}`);
  const isOrdered = ranks.every((rank, index) => index === 0 || rank >= (ranks[index - 1] as number));
  if (!isOrdered) report("axes-order", at, `found ${axes.map(({ type }) => type ?? "no type").join(", ")}`);
}

function checkDatasets(
  value: unknown,
  at: string,
  rank: number | undefined,
  report: Report,
): CheckedMultiscale["datasets"] {
  if (!Array.isArray(value) || value.length === 0) {
    report("datasets-missing", at, shown(value));
    return [];
  }
  const seen = new Set<string>();
  return value.flatMap((dataset: unknown, index) => {
    const here = `${at}[${index}]`;
    const { path, coordinateTransformations: transformations } = isRecord(dataset) ? dataset : {};
    if (transformations === undefined) report("transformations-missing", here);
    else checkTransformations(transformations, `${here}.coordinateTransformations`, rank, report);
    if (!isRelativePath(path) || seen.has(path)) {
      report("dataset-path", `${here}.path`, shown(path));
      return [];
    }
    seen.add(path);
    return [{ path, at: here }];
  });
}

function checkTransformations(value: unknown, at: string, rank: number | undefined, report: Report): void {
  if (!Array.isArray(value)) {
    report("metadata-type", at, `expected a list, ${shown(value)}`);
    return;
  }
  const types = value.map((one: unknown) => (isRecord(one) ? one.type : undefined));
  types.forEach((type, index) => {
    const here = `${at}[${index}]`;
    if (type !== "scale" && type !== "translation") {
      report("transformation-type", `${here}.type`, shown(type));
      return;
    }
    const { [type]: vector, path } = value[index] as Record<string, unknown>;
    // A vector may also be kept as an array at a path, which is left to those who do so.
    if (vector === undefined && typeof path === "string") return;
    if (!Array.isArray(vector) || !vector.every(Number.isFinite)) {
      report("metadata-type", `${here}.${type}`, `expected numbers, ${shown(vector)}`);
      return;
    }
    if (rank !== undefined && vector.length !== rank) {
      report("transformation-length", `${here}.${type}`, `found ${vector.length} for ${rank} axes`);
    }
    if (type === "scale" && vector.some((number) => number <= 0))
      report("scale-positive", `${here}.scale`, shown(vector));
  });
  const scales = types.filter((type) => type === "scale").length;
  if (scales !== 1) report("transformation-scale", at, `found ${scales}`);
  const translations = types.filter((type) => type === "translation").length;
  if (translations > 1 || (translations === 1 && types.indexOf("translation") < types.indexOf("scale"))) {
    report("transformation-order", at, `found ${types.join(", ")}`);
  }
}

/** Checks `omero`; answers the number of channels, where it has a list of them. */
export function checkOmero(value: unknown, report: Report): number | undefined {
  const channels = isRecord(value) ? value.channels : undefined;
  if (!Array.isArray(channels)) {
    report("omero-channels", "omero.channels", shown(channels));
    return undefined;
  }
  channels.forEach((channel: unknown, index) => {
    const at = `omero.channels[${index}]`;
    const { color, window } = isRecord(channel) ? channel : {};
    if (typeof color !== "string" || !/^[0-9A-Fa-f]{6}$/.test(color))
      report("channel-color", `${at}.color`, shown(color));
    const { min, max, start, end } = isRecord(window) ? window : {};
    if (![min, max, start, end].every(Number.isFinite)) report("channel-window", `${at}.window`, shown(window));
  });
  return channels.length;
}

/** Checks `image-label`. */
export function checkImageLabel(value: unknown, report: Report): void {
  if (!isRecord(value)) {
    report("metadata-type", "image-label", `expected an object, ${shown(value)}`);
    return;
  }
  for (const name of ["colors", "properties"] as const) {
    const { [name]: list } = value;
    if (list === undefined) continue;
    if (Array.isArray(list)) checkLabels(list, `image-label.${name}`, report);
    else report("metadata-type", `image-label.${name}`, `expected a list, ${shown(list)}`);
  }
  const { source } = value;
  if (source === undefined) return;
  const image = isRecord(source) ? source.image : source;
  if (image !== undefined && (typeof image !== "string" || isAbsolute(image))) {
    report("label-source", "image-label.source.image", shown(image));
  }
}

function checkLabels(list: readonly unknown[], at: string, report: Report): void {
  const seen = new Set<unknown>();
  list.forEach((entry, index) => {
    const { "label-value": label, rgba } = isRecord(entry) ? entry : {};
    if (!Number.isInteger(label) || seen.has(label)) report("label-value", `${at}[${index}]`, shown(label));
    seen.add(label);
    if (rgba === undefined) return;
    const isByte = (one: unknown) => Number.isInteger(one) && (one as number) >= 0 && (one as number) <= 255;
    const isColor = Array.isArray(rgba) && rgba.length === 4 && rgba.every(isByte);
    if (!isColor) report("label-rgba", `${at}[${index}].rgba`, shown(rgba));
  });
}

/** True for a path that leads to something below a group. */
export function isRelativePath(path: unknown): path is string {
  if (typeof path !== "string" || path === "" || isAbsolute(path)) return false;
  return path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

function isAbsolute(path: string): boolean {
  return path.startsWith("/") || /^[a-z][a-z0-9+.-]*:/i.test(path) || path.includes("\\");
}
