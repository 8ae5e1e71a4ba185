/** JSON that every reader takes. */

/**
 * A value as JSON text. What JSON has no number for is written as Zarr's metadata writes it, as the text `"NaN"`,
 * `"Infinity"` or `"-Infinity"`, so that it does not turn into null; a bigint is written with all its digits.
 *
 * @see Zarr v3 specification, fill value of floating-point types
 */
export function plainJson(value: unknown): string {
  switch (typeof value) {
    case "bigint":
      return String(value);
    case "number":
      return Number.isFinite(value) ? JSON.stringify(value) : `"${value}"`;
    case "object":
      if (value === null) return "null";
      if (Array.isArray(value)) return `[${value.map(plainJson).join(",")}]`;
      return `{${Object.entries(value)
        .filter(([, member]) => member !== undefined)
        .map(([name, member]) => `${JSON.stringify(name)}:${plainJson(member)}`)
        .join(",")}}`;
    default:
      return JSON.stringify(value) ?? "null";
  }
}
