/** Which scans are searched for. */
import type { ScanHeader } from "./header.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import type { ScanState } from "./scan-state.ts";

/** What a field must be: a number or boolean exactly; a string where each `*` stands for any text, and `\` takes its meaning from the next character. */
export type FieldPattern = string | number | boolean;

/** All that is given must hold. */
export interface ScanQuery {
  /** By fields of the identity. */
  readonly identity?: Readonly<Record<string, FieldPattern>> | undefined;
  /** By fields of the info; a dot goes into an object: `"sequence_info.scan_count"`. */
  readonly info?: Readonly<Record<string, FieldPattern>> | undefined;
  /** Created at this time or later, seconds since 1970. */
  readonly createdFrom?: number | undefined;
  /** Created before this time, seconds since 1970. */
  readonly createdBefore?: number | undefined;
  readonly states?: readonly ScanState[] | undefined;
}

/** True if a scan is one that the query asks for. Engines narrow down with what they index and leave the verdict to this. */
export function matchesQuery(
  query: ScanQuery,
  scan: Pick<ScanHeader, "identity" | "info" | "state" | "createdAt">,
): boolean {
  if (query.createdFrom !== undefined && scan.createdAt < query.createdFrom) return false;
  if (query.createdBefore !== undefined && scan.createdAt >= query.createdBefore) return false;
  if (query.states !== undefined && !query.states.includes(scan.state)) return false;
  return matchesFields(query.identity, scan.identity) && matchesFields(query.info, scan.info);
}

/**
 * The parts of a string pattern between its wildcards, with escapes resolved: `["dataset", ""]` for `dataset*`. One part:
 * the text itself is meant.
 */
export function patternParts(pattern: string): string[] {
  const parts = [""];
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i] as string;
    if (character === "*") parts.push("");
    else parts[parts.length - 1] += character === "\\" && i + 1 < pattern.length ? (pattern[++i] as string) : character;
  }
  return parts;
}

function matchesFields(fields: ScanQuery["identity"], values: JsonObject): boolean {
  for (const [path, pattern] of Object.entries(fields ?? {})) {
    if (!matchesField(pattern, fieldAt(values, path))) return false;
  }
  return true;
}

/** A member by its own name first: names may have dots. */
function fieldAt(values: JsonObject, path: string): JsonValue | undefined {
  if (Object.hasOwn(values, path)) return values[path];
  const dot = path.indexOf(".");
  const inner = dot < 0 || !Object.hasOwn(values, path.slice(0, dot)) ? undefined : values[path.slice(0, dot)];
  const isObject = typeof inner === "object" && inner !== null && !Array.isArray(inner);
  return isObject ? fieldAt(inner as JsonObject, path.slice(dot + 1)) : undefined;
}

function matchesField(pattern: FieldPattern, value: JsonValue | undefined): boolean {
  if (typeof pattern !== "string") return value === pattern;
  return typeof value === "string" && matchesParts(patternParts(pattern), value);
}

/** Each part as early as it can be: what is left for the later ones is then the most, and no pattern takes long. */
function matchesParts(parts: readonly string[], text: string): boolean {
  const first = parts[0] as string;
  const last = parts[parts.length - 1] as string;
  if (parts.length === 1) return text === first;
  if (!text.startsWith(first) || !text.endsWith(last)) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= text.length - last.length;
}
