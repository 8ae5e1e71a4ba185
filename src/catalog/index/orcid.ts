/** ORCID identifiers: any spelling in, one spelling out. */
import { StorageError } from "../../core/errors.ts";

/** What people paste before the sixteen characters: the address of the site, or the name. */
const PREFIX = /^(?:https?:\/\/)?(?:www\.)?orcid\.org\/|^orcid(?:\s*id)?\s*:?\s*/i;
/** What stands between the groups: nothing, spaces, or one of the hyphens and dashes that documents put there. */
const SEPARATORS = /[\s\u00AD\u2010-\u2015\u2212\uFE63\uFF0D-]/g;

/**
 * An ORCID identifier as four groups of four, `0000-0002-1825-0097`, whatever way it was written: as an address, with or
 * without hyphens, with a small x, with the dashes of a word processor.
 *
 * The last character is checked (ISO 7064, mod 11-2), which finds every single mistyped digit and every two that were
 * swapped.
 *
 * @throws A {@link StorageError}: `INVALID_DATA` if it has another form, or another check digit than its digits give;
 * the message names the expected one.
 * @example
 * ```ts
 * import { normalizeOrcid } from "sluice/catalog";
 * console.log(normalizeOrcid("https://orcid.org/0000-0002-1825-0097")); // 0000-0002-1825-0097
 * ```
 * @see ORCID, "Structure of the ORCID Identifier"
 */
export function normalizeOrcid(orcid: string): string {
  const compact = orcid.trim().replace(PREFIX, "").replace(/\/$/, "").replace(SEPARATORS, "").toUpperCase();
  if (!/^\d{15}[\dX]$/.test(compact)) {
    throw new StorageError(
      "INVALID_DATA",
      `"${orcid}" is not an ORCID; one has sixteen digits, like 0000-0002-1825-0097, the last of which may be an X`,
      { identifier: orcid },
    );
  }
  const grouped = compact.replace(/(.{4})(?=.)/g, "$1-");
  const expected = orcidCheckDigit(compact.slice(0, 15));
  if (expected !== compact[15]) {
    throw new StorageError(
      "INVALID_DATA",
      `ORCID ${grouped} ends in ${compact[15]}, but its other digits call for ${expected}; one of them is mistyped`,
      { identifier: orcid },
    );
  }
  return grouped;
}

/**
 * The check digit of the first fifteen digits of an ORCID, `"0"` to `"9"` or `"X"` for ten.
 *
 * @param digits - Fifteen decimal digits, without hyphens.
 */
export function orcidCheckDigit(digits: string): string {
  let total = 0;
  // The sum may be reduced on the way, so that it stays small.
  for (const digit of digits) total = ((total + Number(digit)) * 2) % 11;
  const result = (12 - total) % 11;
  return result === 10 ? "X" : String(result);
}
