/** `sluice validate` */
import { type NgffReport, type NgffViolation, validateNgff } from "../../../backends/zarr/ngff/index.ts";
import { StorageError } from "../../core/errors.ts";
import type { CommandContext } from "../command-line.ts";
import { exitCodes } from "../exit-codes.ts";
import { plural } from "../format.ts";
import { type LocationOptions, Locations } from "../location.ts";

/** Checks an OME-Zarr store, and prints every rule that it breaks. Answers 1 if one of them is a must. */
export async function validate(
  address: string,
  options: LocationOptions,
  { terminal, signal }: CommandContext,
): Promise<number | undefined> {
  await using locations = await Locations.open(options, terminal);
  const place = await locations.bytes(locations.find(address));
  if (place === undefined) {
    const context = { operation: "validate", identifier: address };
    throw new StorageError("UNSUPPORTED", `"${address}" is in a backend without files of its own`, context);
  }
  const report = await validateNgff(place.store, place.key, { signal });
  terminal.print({ address, ...report }, [
    ...report.violations.map((one) => lineOf(one, place.key)),
    verdictOf(report),
  ]);
  return report.isValid ? undefined : exitCodes.failed;
}

function lineOf({ level, code, path, at, message }: NgffViolation, root: string): string {
  const below = path === root ? "." : path.slice(root === "" ? 0 : root.length + 1);
  return `${level.padEnd(7)}  ${below}${at === "" ? "" : ` ${at}`}: ${message} [${code}]`;
}

function verdictOf({ version, plates, wells, images, labels, violations }: NgffReport): string {
  const counts = [
    [plates, "plate"],
    [wells, "well"],
    [images, "image"],
    [labels, "label image"],
  ] as const;
  const what = counts.filter(([count]) => count > 0).map(([count, noun]) => plural(count, noun));
  const errors = violations.filter(({ level }) => level === "error").length;
  const warnings = violations.length - errors;
  const verdict = errors === 0 ? "valid" : plural(errors, "error");
  return [
    `OME-NGFF ${version ?? "of no version"}`,
    ...what,
    verdict,
    ...(warnings > 0 ? [plural(warnings, "warning")] : []),
  ].join(", ");
}
