import { compareCodeUnits, compareKeys } from "./key.ts";

/**
 * Compares names as people count: `image_2` before `image_10`. Runs of ASCII digits compare as numbers of any length,
 * everything else by code point, case-sensitively and free of the machine's locale. Total: names that differ only in
 * leading zeros are ordered by length, so equal results mean equal strings.
 *
 * @see OpenHCS `io/utils.py`, `natural_sort`
 */
export function compareNatural(a: string, b: string): number {
  // Character by character, and without a new string: a plate's listing has a million comparisons.
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(j);
    if (isDigit(x) && isDigit(y)) {
      const [endA, endB] = [endOfDigits(a, i), endOfDigits(b, j)];
      const order = compareNumbers(a, i, endA, b, j, endB);
      if (order !== 0) return order;
      [i, j] = [endA, endB];
    } else if (x === y) {
      i++;
      j++;
    } else {
      // Where text ends before a number, the longer text is the greater one.
      const isInText = i > 0 && !isDigit(a.charCodeAt(i - 1));
      if (isInText && isDigit(x) !== isDigit(y)) return isDigit(x) ? -1 : 1;
      return compareCodeUnits(x, y);
    }
  }
  return a.length - i - (b.length - j) || a.length - b.length || compareKeys(a, b);
}

/** A new array in natural order; see {@link compareNatural}. */
export function naturalSort(names: Iterable<string>): string[] {
  return [...names].sort(compareNatural);
}

const ZERO = 48;

function compareNumbers(a: string, fromA: number, endA: number, b: string, fromB: number, endB: number): number {
  let i = fromA;
  let j = fromB;
  while (i < endA - 1 && a.charCodeAt(i) === ZERO) i++;
  while (j < endB - 1 && b.charCodeAt(j) === ZERO) j++;
  if (endA - i !== endB - j) return endA - i - (endB - j);
  for (; i < endA; i++, j++) {
    const order = a.charCodeAt(i) - b.charCodeAt(j);
    if (order !== 0) return order;
  }
  return 0;
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= 57;
}

function endOfDigits(text: string, start: number): number {
  let end = start;
  while (isDigit(text.charCodeAt(end))) end++;
  return end;
}
