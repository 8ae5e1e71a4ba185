/** Checks the attributes of one group. */
import type { Attributes } from "../metadata.ts";
import { type FoundContent, fromAttributes } from "./attributes.ts";
import { checkImageLabel, checkMultiscales, checkOmero } from "./check-image.ts";
import { checkPaths, checkPlate, checkWell } from "./check-plate.ts";
import { type NgffViolation, type Report, reporter, shown } from "./rules.ts";

/**
 * Checks what the attributes of one group say, without a look at any array.
 *
 * @param attributes - All attributes of the group.
 * @param path - Named in the violations.
 */
export function validateAttributes(attributes: Attributes, path = ""): NgffViolation[] {
  const violations: NgffViolation[] = [];
  const report = reporter(path, violations);
  const found = fromAttributes(attributes);
  if (found === undefined) {
    report("metadata-missing", "");
    return violations;
  }
  checkVersion(found, report);
  const { content } = found;
  if (content.multiscales !== undefined) checkMultiscales(content.multiscales, report);
  else if (content["image-label"] !== undefined) report("label-image", "image-label");
  if (content.omero !== undefined) checkOmero(content.omero, report);
  if (content["image-label"] !== undefined) checkImageLabel(content["image-label"], report);
  if (content.plate !== undefined) checkPlate(content.plate, report);
  if (content.well !== undefined) checkWell(content.well, new Set(), report);
  if (content.labels !== undefined) checkPaths(content.labels, "labels-list", "labels", report);
  if (content.series !== undefined) checkPaths(content.series, "layout-series", "series", report);
  checkLayout(content["bioformats2raw.layout"], report);
  return violations;
}

/** Checks that a version is there and known. */
export function checkVersion({ version, isBelowOme, content }: FoundContent, report: Report): void {
  if (version === undefined) {
    // The lists of labels and of series, and the mark of a layout, have no version in 0.4.
    const isVersioned = content.multiscales ?? content.plate ?? content.well ?? content["image-label"];
    if (isBelowOme) report("version-missing", "ome.version");
    else if (isVersioned !== undefined) report("version-advised", "");
  } else if (version !== (isBelowOme ? "0.5" : "0.4")) {
    report("version-unknown", isBelowOme ? "ome.version" : "version", shown(version));
  }
}

/** Checks the mark of `bioformats2raw`. */
export function checkLayout(layout: unknown, report: Report): void {
  if (layout !== undefined && layout !== 3) report("layout-version", "bioformats2raw.layout", shown(layout));
}
