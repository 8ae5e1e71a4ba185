/** Keys that stand twice in one object of a JSON text, which `JSON.parse` does not tell. */

/** A key, and the lines of its first two places, from 1. */
export interface RepeatedKey {
  readonly key: string;
  readonly lines: readonly [first: number, second: number];
}

/**
 * Finds them.
 *
 * @param text - Text that `JSON.parse` takes.
 */
export function* repeatedKeys(text: string): Generator<RepeatedKey> {
  // Only strings, brackets and colons matter: a string before a colon is a key of the innermost object.
  const tokens = /"(?:[^"\\]|\\.)*"|[{}:]/g;
  const objects: Map<string, number>[] = [];
  let string = "";
  let stringAt = 0;
  for (let match = tokens.exec(text); match !== null; match = tokens.exec(text)) {
    const [token] = match;
    if (token === "{") objects.push(new Map());
    else if (token === "}") objects.pop();
    else if (token !== ":") [string, stringAt] = [token, match.index];
    else {
      // Two spellings of one key: "é" and "\u00e9".
      const key = string.includes("\\") ? (JSON.parse(string) as string) : string.slice(1, -1);
      const keys = objects.at(-1) as Map<string, number>;
      const first = keys.get(key);
      if (first === undefined) keys.set(key, stringAt);
      else yield { key, lines: [lineAt(text, first), lineAt(text, stringAt)] };
    }
  }
}

function lineAt(text: string, index: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < index; at = text.indexOf("\n", at + 1)) line++;
  return line;
}
