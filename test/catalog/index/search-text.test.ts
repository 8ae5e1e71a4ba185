import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { textDialects } from "../../../src/catalog/index/index-dialect.ts";
import { parseSearchText, wordsOf } from "../../../src/catalog/index/search-text.ts";
import type { SqliteDriver } from "../../../src/sqlite/driver.ts";
import { openSqlite } from "../../../src/sqlite/open.ts";

describe("words of a text", () => {
  it.each([
    ["PS-b-PMMA_01", ["ps", "b", "pmma", "01"]],
    ["Größe, Ångström & naïve", ["grosse", "angstrom", "naive"]],
    ["STRASSE straße", ["strasse", "strasse"]],
    ["ΟΔΟΣ οδός", ["οδοσ", "οδοσ"]],
    ["5µm ﬁlm ＡＢＣ", ["5μm", "film", "abc"]],
    ["細胞観察 test", ["細", "胞", "観", "察", "test"]],
    ["カメラ ｶﾒﾗ が", ["カ", "メ", "ラ", "カ", "メ", "ラ", "が"]],
    ["실험 결과", ["실", "험", "결", "과"]],
    ["a\u0000b \u{1F52C} -- !", ["a", "b"]],
    ["", []],
  ])("of %j are %j", (text, words) => {
    expect(wordsOf(text)).toEqual(words);
  });

  it("are letters and digits, in any text, and the same again", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        for (const word of wordsOf(text)) {
          expect(word).toMatch(/^[\p{L}\p{N}\p{M}]+$/u);
          expect(word.length).toBeLessThanOrEqual(64);
        }
        expect(wordsOf(text.toUpperCase())).toEqual(wordsOf(text.toLowerCase().toUpperCase()));
      }),
      { numRuns: 2000 },
    );
  });

  it("that are very long are cut, and not through a character", () => {
    expect(wordsOf("x".repeat(1000))).toEqual(["x".repeat(64)]);
    const [word] = wordsOf(`x${"\u{10400}".repeat(50)}`);
    expect(word).toHaveLength(63);
    expect(word).toMatch(/^x(?:\u{10428})+$/u);
  });
});

describe("a question", () => {
  it.each([
    ["polymer film", [["polymer"], ["film"]]],
    ['"polymer film" x', [["polymer", "film"], ["x"]]],
    ["PS-PMMA", [["ps", "pmma"]]],
    ["高分子 film", [["高", "分", "子"], ["film"]]],
    ["a a A", [["a"]]],
    ["x AND NOT(y) OR -z", [["x"], ["and"], ["not", "y"], ["or"], ["z"]]],
    ['never "closed here', [["never"], ["closed", "here"]]],
    ["words:x ^y {z} a:b*c", [["words", "x"], ["y"], ["z"], ["a", "b", "c"]]],
  ])("%j is the phrases %j", (text, words) => {
    expect(parseSearchText(text)?.map((phrase) => phrase.words)).toEqual(words);
  });

  it("asks for the beginning of a word with a star, and only at its end", () => {
    expect(parseSearchText('poly* *film "two wor"* a*b "of the fil*"')).toEqual([
      { words: ["poly"], isPrefix: true },
      { words: ["film"], isPrefix: false },
      { words: ["two", "wor"], isPrefix: true },
      { words: ["a", "b"], isPrefix: false },
      { words: ["of", "the", "fil"], isPrefix: true },
    ]);
  });

  it("of blanks asks for nothing; of signs, for what is nowhere", () => {
    expect(parseSearchText("  \n\t ")).toBeUndefined();
    expect(parseSearchText('-- "" * ()')).toEqual([]);
  });
});

describe("SQLite", () => {
  const { create, insert, remove, row, question, condition } = textDialects.sqlite;

  let database: SqliteDriver;
  beforeEach(async () => {
    database = await openSqlite(":memory:");
    database.exec("CREATE TABLE runs_index (position INTEGER)");
    for (const statement of create) database.exec(statement);
  });
  afterEach(() => database.close());

  const add = (position: number, ...fields: string[]) =>
    database.run(insert, row(String(position), { fields: fields.map(wordsOf), facets: ["0000tff"] }) as []);
  const find = (text: string) => {
    const phrases = parseSearchText(text) ?? [];
    if (phrases.length === 0) return [];
    const asked = question({ phrases, facets: [["0000tff", "0000tee"]] });
    const sql = `SELECT rowid FROM runs_text WHERE ${condition} ORDER BY rowid`;
    return database.all<{ rowid: number }>(sql, [asked]).map(({ rowid }) => rowid);
  };

  it("takes any text as a question, and finds every text by itself", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 80 }), fc.string({ unit: "binary" }), (text, other) => {
        database.run(remove, ["1"]);
        add(1, text);
        // No error, whatever it is.
        find(other);
        expect(find(text)).toEqual(wordsOf(text).length > 0 ? [1] : []);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    '"',
    "'",
    "''",
    "* * *",
    "NEAR(a b)",
    "a:b",
    "{a} : b",
    "a + b",
    "^a",
    "(",
    "))",
    "a\0b",
    "%_\\",
    "words:",
    "\uD800",
  ])("takes %j as a question", (text) => {
    add(1, "nothing of it");
    expect(find(text)).toEqual([]);
  });

  it("finds no phrase that goes from one field into the next", () => {
    add(1, "line scan", "gold film");
    add(2, "scan gold");
    expect(find('"scan gold"')).toEqual([2]);
    expect(find("scan gold")).toEqual([1, 2]);
  });

  it("finds beginnings of every length", () => {
    add(1, "polystyrene");
    for (let length = 1; length <= 11; length++) expect(find(`${"polystyrene".slice(0, length)}*`)).toEqual([1]);
    expect(find("polyx*")).toEqual([]);
  });

  it("finds parts of texts without spaces", () => {
    add(1, "薄膜の細胞観察");
    expect(find("細胞")).toEqual([1]);
    expect(find("胞細")).toEqual([]);
    expect(find("の細胞観*")).toEqual([1]);
  });
});
