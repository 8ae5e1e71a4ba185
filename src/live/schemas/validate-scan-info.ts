/** Checks the info of a scan. */
import { StorageError } from "../../core/errors.ts";
import { findProblem, type SchemaProblem } from "./json-schema.ts";
import type { ScanInfo } from "./scan-info.ts";
import { scanInfoSchema } from "./scan-info-schema.ts";

/** The info of a scan is not what its readers expect: `INVALID_DATA`. */
export class ScanInfoError extends StorageError {
  /** Members and indexes that lead to what is wrong: `["channels", "diode", "dim"]`. */
  readonly path: readonly (string | number)[];

  constructor({ path, message }: SchemaProblem) {
    const where = ["info", ...path].map((step, i) =>
      typeof step === "number" ? `[${step}]` : i === 0 ? step : `.${step}`,
    );
    super("INVALID_DATA", `${where.join("")}: ${message}`, {
      operation: "validateScanInfo",
      identifier: where.join(""),
    });
    this.name = "ScanInfoError";
    this.path = path;
  }
}

/**
 * Checks that the info of a scan has what programs of beamlines expect: as blissdata says it, whole. A store takes any
 * JSON; this is for those who want to be read by others.
 *
 * @returns The info itself.
 * @throws A {@link ScanInfoError} that says where it is not what the schema says.
 * @see {@link scanInfoSchema}
 */
export function validateScanInfo(info: unknown): ScanInfo {
  const problem = findProblem(info, scanInfoSchema);
  if (problem !== undefined) throw new ScanInfoError(problem);
  return info as ScanInfo;
}
