/** The part of JSON Schema (2020-12) that the schemas of scans are written in, and a check against it. */

/** A schema. What it does not say is allowed. */
export interface JsonSchema {
  readonly $schema?: string;
  readonly $id?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
  readonly $ref?: string;
  readonly title?: string;
  readonly description?: string;
  readonly type?: "object" | "array" | "string" | "integer" | "number" | "boolean";
  readonly const?: string | number | boolean;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
}

/** Where a value is not what a schema says. */
export interface SchemaProblem {
  /** Members and indexes that lead there: `["channels", "diode", "dim"]`. */
  readonly path: readonly (string | number)[];
  /** What was expected, and what is there: `"a whole number was expected, got a string"`. */
  readonly message: string;
}

const names = {
  object: "an object",
  array: "a list",
  string: "a string",
  integer: "a whole number",
  number: "a number",
  boolean: "true or false",
} as const;

/**
 * The first place where a value is not what a schema says; `undefined` if there is none.
 *
 * @param root - Has the `$defs` that `$ref`s lead to.
 */
export function findProblem(
  value: unknown,
  schema: JsonSchema,
  root: JsonSchema = schema,
  path: SchemaProblem["path"] = [],
): SchemaProblem | undefined {
  if (schema.$ref !== undefined) return findProblem(value, definitionOf(schema.$ref, root), root, path);
  if (schema.anyOf !== undefined) return inAll(value, schema.anyOf, root, path);
  const { type, const: only, enum: words } = schema;
  if (type !== undefined && !isOf(type, value)) return problem(path, names[type], value);
  if (only !== undefined && value !== only) return problem(path, JSON.stringify(only), value);
  if (words !== undefined && !words.includes(value as string)) {
    return problem(path, words.map((word) => JSON.stringify(word)).join(" or "), value);
  }
  return Array.isArray(value) ? inItems(value, schema, root, path) : inMembers(value, schema, root, path);
}

function inItems(
  list: readonly unknown[],
  { items }: JsonSchema,
  root: JsonSchema,
  path: SchemaProblem["path"],
): SchemaProblem | undefined {
  if (items === undefined) return undefined;
  for (const [i, item] of list.entries()) {
    const found = findProblem(item, items, root, [...path, i]);
    if (found !== undefined) return found;
  }
  return undefined;
}

function inMembers(
  value: unknown,
  { properties = {}, required = [], additionalProperties }: JsonSchema,
  root: JsonSchema,
  path: SchemaProblem["path"],
): SchemaProblem | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const missing = required.find((name) => !Object.hasOwn(value, name));
  if (missing !== undefined) return { path: [...path, missing], message: "is missing" };
  for (const [name, member] of Object.entries(value)) {
    const schema = Object.hasOwn(properties, name) ? properties[name] : additionalProperties;
    const found = schema && findProblem(member, schema, root, [...path, name]);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Of what is wrong with each alternative, that which was found deepest: the others were not meant. */
function inAll(
  value: unknown,
  alternatives: readonly JsonSchema[],
  root: JsonSchema,
  path: SchemaProblem["path"],
): SchemaProblem | undefined {
  const problems: SchemaProblem[] = [];
  for (const alternative of alternatives) {
    const found = findProblem(value, alternative, root, path);
    if (found === undefined) return undefined;
    problems.push(found);
  }
  return problems.reduce((deepest, next) => (next.path.length > deepest.path.length ? next : deepest));
}

function definitionOf(reference: string, { $defs = {} }: JsonSchema): JsonSchema {
  const found = $defs[reference.replace("#/$defs/", "")];
  if (found === undefined) throw new TypeError(`The schema has no ${reference}`);
  return found;
}

function isOf(type: keyof typeof names, value: unknown): boolean {
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  if (type === "array") return Array.isArray(value);
  return type === "integer" ? Number.isInteger(value) : typeof value === type;
}

function problem(path: SchemaProblem["path"], expected: string, value: unknown): SchemaProblem {
  const isText = typeof value === "string" && value.length <= 40;
  const found =
    value === null ? "null" : Array.isArray(value) ? "a list" : isText ? JSON.stringify(value) : kindOf(value);
  return { path, message: `${expected} was expected, got ${found}` };
}

function kindOf(value: unknown): string {
  return typeof value === "number" || typeof value === "boolean" ? String(value) : `${typeof value}`;
}
