/** Lists of JSON values, one a line. */
import { describe } from "../core/checks.ts";
import type { Codec } from "./codec.ts";
import { checkCodecOptions, corrupt, invalidData } from "./codec-options.ts";
import { checkJson } from "./json.ts";
import { decodeText } from "./text.ts";

/**
 * A list, each of its values as JSON on a line of its own, in UTF-8, with a newline after each. What JSON would lose is
 * refused with its path, as by the `json` codec. An empty list is an empty file.
 *
 * Read: a byte order mark, `\r\n` and a last line without its newline are taken; an empty line is not, since something
 * may be missing there. A line that is cut off is `CORRUPT`, with its number.
 *
 * @see ndjson-spec
 */
export const ndjsonCodec: Codec = {
  name: "ndjson",
  suffixes: [".ndjson", ".jsonl"],
  mimeTypes: ["application/x-ndjson", "application/jsonl"],
  encode(value, context) {
    checkCodecOptions("ndjson", context, []);
    if (!Array.isArray(value)) throw invalidData(context, `NDJSON keeps a list of values, got ${describe(value)}`);
    checkJson(value, "$", new Set(), context);
    return new TextEncoder().encode(value.map((item: unknown) => `${JSON.stringify(item)}\n`).join(""));
  },
  decode(bytes, context) {
    checkCodecOptions("ndjson", context, []);
    const text = decodeText(bytes, context, false);
    if (text === "") return [];
    const lines = text.split("\n");
    if (lines.at(-1) === "") lines.pop();
    return lines.map((line, index) => {
      try {
        return JSON.parse(line) as unknown;
      } catch (error) {
        throw corrupt(context, `line ${index + 1} is not JSON: ${(error as Error).message}`, error);
      }
    });
  },
};
