/** Units that OME-NGFF has names for, those of UDUNITS-2. */

const prefixes =
  "yocto zepto atto femto pico nano micro milli centi deci hecto kilo mega giga tera peta exa zetta yotta".split(" ");

function scaled(unit: string): string[] {
  return [unit, ...prefixes.map((prefix) => prefix + unit)];
}

/** Units of axes of space. */
export const spaceUnits: ReadonlySet<string> = new Set([
  ...scaled("meter"),
  "angstrom",
  "foot",
  "inch",
  "mile",
  "parsec",
  "yard",
]);

/** Units of axes of time. */
export const timeUnits: ReadonlySet<string> = new Set([...scaled("second"), "day", "hour", "minute"]);
