/**
 * Compares names as people count: `image_2` before `image_10`. Runs of ASCII digits compare as numbers of any length,
 * everything else by code point, case-sensitively and free of the machine's locale. Total: names that differ only in
 * leading zeros are ordered by length, so equal results mean equal strings.
 *
 * @see OpenHCS `io/utils.py`, `natural_sort`
 */
export function compareNatural(a: string, b: string): number {
  const x = a.match(/[0-9]+|[^0-9]+/g) ?? [];
  const y = b.match(/[0-9]+|[^0-9]+/g) ?? [];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const order = compareParts(x[i] as string, y[i] as string);
    if (order !== 0) return order;
  }
  return x.length - y.length || a.length - b.length || compareCodePoints(a, b);
}

/** A new array in natural order; see {@link compareNatural}. */
export function naturalSort(names: Iterable<string>): string[] {
  return [...names].sort(compareNatural);
}

function compareParts(a: string, b: string): number {
  if (!isDigits(a) || !isDigits(b)) return compareCodePoints(a, b);
  const x = a.replace(/^0+(?=[0-9])/, "");
  const y = b.replace(/^0+(?=[0-9])/, "");
  return x.length - y.length || compareCodePoints(x, y);
}

function isDigits(part: string): boolean {
  const code = part.charCodeAt(0);
  return code >= 48 && code <= 57;
}

function compareCodePoints(a: string, b: string): number {
  const x = [...a];
  const y = [...b];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const order = (x[i] as string).codePointAt(0)! - (y[i] as string).codePointAt(0)!;
    if (order !== 0) return order;
  }
  return x.length - y.length;
}
