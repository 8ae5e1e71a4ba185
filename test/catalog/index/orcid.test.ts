import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { normalizeOrcid, orcidCheckDigit } from "../../../src/catalog/index/orcid.ts";

/** Public examples: Josiah Carberry, Laure Haak, Stephen Hawking, and one that ends in X. */
const real = ["0000-0002-1825-0097", "0000-0001-5109-3700", "0000-0002-9079-593X"];

const fifteen = fc.stringMatching(/^\d{15}$/);
const grouped = (digits: string) => digits.replace(/(.{4})(?=.)/g, "$1-");

describe("an ORCID", () => {
  it.each(real)("%s is one", (orcid) => {
    expect(normalizeOrcid(orcid)).toBe(orcid);
  });

  it.each([
    "https://orcid.org/0000-0002-9079-593X",
    "http://orcid.org/0000-0002-9079-593x",
    "https://www.orcid.org/0000-0002-9079-593X/",
    "orcid.org/0000-0002-9079-593X",
    "ORCID: 0000-0002-9079-593X",
    "ORCID iD 0000-0002-9079-593X",
    "  000000029079593x ",
    "0000 0002 9079 593X",
    "0000\u20100002\u20119079\u2013593X",
    "https://orcid.org/0000\u22120002\u22129079\u2212593X",
  ])("is kept in one spelling, also when written as %j", (spelling) => {
    expect(normalizeOrcid(spelling)).toBe("0000-0002-9079-593X");
  });

  it("with a wrong check digit is refused, and the message says the right one", () => {
    const wrong = () => normalizeOrcid("https://orcid.org/0000-0002-1825-0096");
    expect(wrong).toThrow(expect.objectContaining({ code: "INVALID_DATA" }));
    expect(wrong).toThrow("ORCID 0000-0002-1825-0096 ends in 6, but its other digits call for 7");
    expect(() => normalizeOrcid("0000-0002-9079-5930")).toThrow("call for X");
  });

  it.each(["", "0000-0002-1825-009", "0000-0002-1825-00977", "0000-0002-182X-0097", "Josiah Carberry"])(
    "is not %j",
    (text) => {
      expect(() => normalizeOrcid(text)).toThrow(/is not an ORCID; one has sixteen digits/);
    },
  );

  it("of any digits is right with its check digit, and with no other", () => {
    fc.assert(
      fc.property(fifteen, fc.constantFrom(..."0123456789X"), (digits, last) => {
        const right = orcidCheckDigit(digits);
        const whole = grouped(digits + last);
        if (last === right) expect(normalizeOrcid(whole)).toBe(whole);
        else expect(() => normalizeOrcid(whole)).toThrow(`call for ${right};`);
      }),
      { numRuns: 1000 },
    );
  });

  it("with one digit changed, or two neighbours swapped, is wrong", () => {
    const change = fc.tuple(fifteen, fc.nat(14), fc.integer({ min: 1, max: 9 }), fc.boolean());
    fc.assert(
      fc.property(change, ([digits, at, by, isSwap]) => {
        const list = [...digits, orcidCheckDigit(digits)];
        if (isSwap) [list[at], list[at + 1]] = [list[at + 1] as string, list[at] as string];
        else list[at] = String((Number(list[at]) + by) % 10);
        // Equal neighbours; and an X can only be last.
        if (list.join("") === digits + orcidCheckDigit(digits)) return;
        expect(() => normalizeOrcid(list.join(""))).toThrow(expect.objectContaining({ code: "INVALID_DATA" }));
      }),
      { numRuns: 2000 },
    );
  });

  it("has the same check digit as the sum modulo eleven says", () => {
    fc.assert(
      fc.property(fifteen, (digits) => {
        // ISO 7064, mod 11-2: Σ digit·2^place, the check digit at place 0, is 1 modulo 11.
        const check = orcidCheckDigit(digits);
        const all = [...digits].map(BigInt).concat(check === "X" ? 10n : BigInt(check));
        const sum = all.reduce((total, digit, i) => total + digit * 2n ** BigInt(15 - i), 0n);
        expect(sum % 11n).toBe(1n);
      }),
    );
  });
});
