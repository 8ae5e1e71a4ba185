/**
 * Glob patterns for listings, one dialect for every backend.
 *
 * `*` any run of characters but `/` · `**` as a whole segment, any number of directories · `?` one character but `/` ·
 * `[a-z]`, `[!a-z]` one character of a set · `{a,b}` alternatives · `\` takes the next character literally. Inside a set
 * every character but `]` and `-` is ordinary, and a range that runs backwards is empty. A pattern without `/` matches
 * the name alone, one with `/` the path below the listed directory. Names that begin with a dot are ordinary. A pattern
 * that equals a name, letter by letter, always matches it, so that names with brackets need no escaping.
 */
import { StorageError } from "./errors.ts";
import { baseName } from "./key.ts";

/**
 * Compiles a pattern.
 *
 * @returns A test for paths relative to the listed directory.
 * @throws A {@link StorageError} `INVALID_DATA`: an empty pattern, an open brace or a trailing backslash.
 */
export function globMatcher(pattern: string): (path: string) => boolean {
  if (pattern === "") throw new StorageError("INVALID_DATA", 'An empty glob pattern matches nothing; use "*" for all');
  const expression = new RegExp(`^${translate(pattern)}$`, "su");
  const byName = !pattern.includes("/");
  return (path) => {
    const subject = byName ? baseName(path) : path;
    return subject === pattern || expression.test(subject);
  };
}

/** The pattern that matches exactly this name: every special character is escaped. */
export function escapeGlob(name: string): string {
  return name.replace(/[\\*?[\]{}]/g, "\\$&");
}

function translate(pattern: string): string {
  let out = "";
  let depth = 0;
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i] as string;
    if (char === "\\") {
      i++;
      if (i === pattern.length) throw new StorageError("INVALID_DATA", `Glob "${pattern}" ends in a lone backslash`);
      out += literal(pattern[i] as string);
    } else if (char === "*") {
      const whole = pattern[i + 1] === "*" && isEdge(pattern[i - 1]) && isEdge(pattern[i + 2]);
      if (whole && pattern[i + 2] === "/") {
        out += "(?:[^/]+/)*";
        i += 2;
      } else if (whole) {
        out += ".*";
        i++;
      } else {
        while (pattern[i + 1] === "*") i++;
        out += "[^/]*";
      }
    } else if (char === "?") {
      out += "[^/]";
    } else if (char === "[") {
      const set = /^\[([!^]?)(\]?[^\]]*)\]/u.exec(pattern.slice(i));
      if (!set?.[2]) {
        out += "\\[";
        continue;
      }
      out += `(?!/)${characterClass(set[2], set[1] !== "")}`;
      i += set[0].length - 1;
    } else if (char === "{") {
      depth++;
      out += "(?:";
    } else if (char === "}" && depth > 0) {
      depth--;
      out += ")";
    } else if (char === "," && depth > 0) {
      out += "|";
    } else {
      out += literal(char);
    }
  }
  if (depth > 0)
    throw new StorageError("INVALID_DATA", `Glob "${pattern}" has an open "{"; write "\\{" for the character`);
  return out;
}

/** A set without its brackets as a regular expression. Built from numbers, so that no character needs a thought. */
function characterClass(body: string, isNegated: boolean): string {
  const codes = [...body].map((char) => char.codePointAt(0) as number);
  let out = "";
  for (let i = 0; i < codes.length; i++) {
    const from = codes[i] as number;
    const to = codes[i + 1] === HYPHEN ? codes[i + 2] : undefined;
    if (to === undefined) out += codePoint(from);
    else i += 2;
    if (to !== undefined && from <= to) out += `${codePoint(from)}-${codePoint(to)}`;
  }
  return `[${isNegated ? "^" : ""}${out}]`;
}

const HYPHEN = 0x2d;

function codePoint(code: number): string {
  return `\\u{${code.toString(16)}}`;
}

function isEdge(char: string | undefined): boolean {
  return char === undefined || char === "/";
}

function literal(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/]/, "\\$&");
}
