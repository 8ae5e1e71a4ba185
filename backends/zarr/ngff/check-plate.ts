/** Checks what plates, wells and collections say of themselves. Looks at documents only. */
import { isRecord } from "../metadata.ts";
import { isRelativePath } from "./check-image.ts";
import { type Report, shown } from "./rules.ts";

/** What a checked plate says, as far as it makes sense. */
export interface CheckedPlate {
  readonly wells: readonly { readonly path: string; readonly at: string }[];
  readonly acquisitions: ReadonlySet<number>;
  readonly fieldCount: number | undefined;
}

/** What a checked well says. */
export interface CheckedWell {
  readonly images: readonly { readonly path: string; readonly at: string }[];
}

/** Names of rows, columns and images. */
export const ALPHANUMERIC = /^[A-Za-z0-9]+$/;

/** Checks `plate`. */
export function checkPlate(value: unknown, report: Report): CheckedPlate {
  if (!isRecord(value)) {
    report("metadata-type", "plate", `expected an object, ${shown(value)}`);
    return { wells: [], acquisitions: new Set(), fieldCount: undefined };
  }
  const rows = checkNames(value.rows, "plate-rows", "plate.rows", report);
  const columns = checkNames(value.columns, "plate-columns", "plate.columns", report);
  if (value.name === undefined) report("plate-name", "plate");
  const { field_count: count } = value;
  if (count === undefined) report("plate-field-count-advised", "plate");
  else if (!isCount(count)) report("plate-field-count", "plate.field_count", shown(count));
  return {
    wells: checkWells(value.wells, rows, columns, report),
    acquisitions: checkAcquisitions(value.acquisitions, report),
    fieldCount: isCount(count) ? count : undefined,
  };
}

function checkNames(value: unknown, code: "plate-rows" | "plate-columns", at: string, report: Report): string[] {
  if (!Array.isArray(value) || value.length === 0) {
    report(code, at, shown(value));
    return [];
  }
  const names: string[] = [];
  value.forEach((entry: unknown, index) => {
    const name = isRecord(entry) ? entry.name : undefined;
    const isName = typeof name === "string" && ALPHANUMERIC.test(name);
    if (!isName || names.includes(name)) report(code, `${at}[${index}].name`, shown(name));
    names.push(String(name));
  });
  return names;
}

function checkWells(
  value: unknown,
  rows: readonly string[],
  columns: readonly string[],
  report: Report,
): CheckedPlate["wells"] {
  if (!Array.isArray(value) || value.length === 0) {
    report("plate-wells", "plate.wells", shown(value));
    return [];
  }
  const seen = new Set<string>();
  return value.flatMap((well: unknown, index) => {
    const at = `plate.wells[${index}]`;
    const { path, rowIndex, columnIndex } = isRecord(well) ? well : {};
    if (typeof path !== "string" || !/^[A-Za-z0-9]+\/[A-Za-z0-9]+$/.test(path)) {
      report("well-path", `${at}.path`, shown(path));
      return [];
    }
    if (seen.has(path)) report("plate-wells", `${at}.path`, `${path} is there twice`);
    seen.add(path);
    const [row = "", column = ""] = path.split("/");
    if (!rows.includes(row) || !columns.includes(column)) {
      report("well-path", `${at}.path`, `${path} is in no row and column of the plate`);
      return [{ path, at }];
    }
    if (rows[Number(rowIndex)] !== row) report("well-index", `${at}.rowIndex`, `${shown(rowIndex)} for row ${row}`);
    if (columns[Number(columnIndex)] !== column) {
      report("well-index", `${at}.columnIndex`, `${shown(columnIndex)} for column ${column}`);
    }
    return [{ path, at }];
  });
}

function checkAcquisitions(value: unknown, report: Report): Set<number> {
  const ids = new Set<number>();
  if (value === undefined) return ids;
  if (!Array.isArray(value)) {
    report("metadata-type", "plate.acquisitions", `expected a list, ${shown(value)}`);
    return ids;
  }
  value.forEach((acquisition: unknown, index) => {
    const at = `plate.acquisitions[${index}]`;
    const { id, maximumfieldcount: count, starttime: start, endtime: end } = isRecord(acquisition) ? acquisition : {};
    if (!Number.isInteger(id) || (id as number) < 0 || ids.has(id as number)) report("acquisition-id", at, shown(id));
    ids.add(id as number);
    if (count !== undefined && !isCount(count)) report("acquisition-fields", `${at}.maximumfieldcount`, shown(count));
    const isTime = (time: unknown) => time === undefined || Number.isInteger(time);
    const isBackwards = start !== undefined && end !== undefined && (end as number) < (start as number);
    if (!isTime(start) || !isTime(end) || isBackwards) report("acquisition-time", at, shown([start, end]));
  });
  return ids;
}

/** Checks `well`, of a plate with these acquisitions. */
export function checkWell(value: unknown, acquisitions: ReadonlySet<number>, report: Report): CheckedWell {
  const images = isRecord(value) ? value.images : undefined;
  if (!Array.isArray(images) || images.length === 0) {
    report("well-images", "well.images", shown(images));
    return { images: [] };
  }
  const seen = new Set<string>();
  const found = images.flatMap((image: unknown, index) => {
    const at = `well.images[${index}]`;
    const { path, acquisition } = isRecord(image) ? image : {};
    const isMissing = acquisition === undefined ? acquisitions.size > 1 : acquisitions.size > 0;
    if (isMissing && !acquisitions.has(acquisition as number)) {
      report("image-acquisition", `${at}.acquisition`, shown(acquisition));
    }
    if (typeof path !== "string" || !ALPHANUMERIC.test(path) || seen.has(path)) {
      report("image-path", `${at}.path`, shown(path));
      return [];
    }
    seen.add(path);
    return [{ path, at }];
  });
  return { images: found };
}

/** Checks a list of paths: `labels`, or `series`. */
export function checkPaths(
  value: unknown,
  code: "labels-list" | "layout-series",
  at: string,
  report: Report,
): string[] {
  if (!Array.isArray(value)) {
    report(code, at, shown(value));
    return [];
  }
  return value.flatMap((path: unknown, index) => {
    if (isRelativePath(path)) return [path];
    report(code, `${at}[${index}]`, shown(path));
    return [];
  });
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1;
}
