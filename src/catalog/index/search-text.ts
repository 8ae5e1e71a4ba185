/**
 * Text as the search sees it: a list of words, the same way for what is stored and for what is asked.
 *
 * The words are made here and not by the database, so that every engine finds the same runs, and so that no character of
 * a question can be taken for one of an engine's operators: what is left of it is letters and digits.
 */

/** Scripts that put no spaces between words. Each of their characters is a word, and several in a row are a phrase. */
const unspaced = ["Han", "Hiragana", "Katakana", "Bopomofo", "Hangul", "Thai", "Lao", "Khmer", "Myanmar"]
  .map((script) => `\\p{Script_Extensions=${script}}`)
  .join("");
const single = `(?=[\\p{L}\\p{N}])[${unspaced}]\\p{M}*`;
const WORD = new RegExp(`${single}|(?:(?!${single})[\\p{L}\\p{N}\\p{M}])+`, "gu");

/** Longer words are cut, here and in the question: nobody types them, and metadata may hold whole files in base 64. */
const MAX_WORD = 64;

/** A row of words that must stand next to each other, in this order. */
export interface SearchPhrase {
  /** At least one. */
  readonly words: readonly string[];
  /** The last word may go on. */
  readonly isPrefix: boolean;
}

/**
 * The words of a text: letters and digits without case, accents and ligatures. `PS-b-PMMA_01` is four words, 細胞 two.
 */
export function wordsOf(text: string): string[] {
  return (fold(text).match(WORD) ?? []).map((word) => (word.length > MAX_WORD ? cut(word) : word));
}

/**
 * What somebody typed into a search field, as phrases that must all occur. Any text is a valid question.
 *
 * - `polymer film`: both words, anywhere.
 * - `"polymer film"`, `polymer-film`, `高分子`: the words in this order, next to each other.
 * - `poly*`: words that begin so.
 * - Everything else means itself: `AND`, `NOT`, `-`, `:` and brackets are no operators.
 *
 * @returns `undefined` where nothing was asked: an empty text, or blanks. An empty list where something was, and it has
 * no letter or digit that could be found.
 */
export function parseSearchText(text: string): SearchPhrase[] | undefined {
  if (text.trim() === "") return undefined;
  const phrases = new Map<string, SearchPhrase>();
  // A quotation that nobody closed goes on to the end.
  for (const [part] of text.matchAll(/"[^"]*(?:"\*?|$)|[^\s"]+/g)) {
    const words = wordsOf(part);
    const isPrefix = /\*"?$/.test(part);
    if (words.length > 0) phrases.set(`${words.join(" ")}${isPrefix ? "*" : ""}`, { words, isPrefix });
  }
  return [...phrases.values()];
}

/**
 * Without case, accents, ligatures and widths. Upper case first: ß and SS become the same, and so do the two small
 * sigmas in the end.
 */
function fold(text: string): string {
  const plain = text.normalize("NFKD").replace(/[\u0300-\u036F]/g, "");
  return plain.toUpperCase().toLowerCase().replace(/ς/g, "σ").normalize("NFC");
}

/** Never through the middle of a character. */
function cut(word: string): string {
  const end = word.slice(0, MAX_WORD);
  return /[\uD800-\uDBFF]$/.test(end) ? end.slice(0, -1) : end;
}
