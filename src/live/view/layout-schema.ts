/** The layout of a file in the info of a scan, as JSON Schema. */

const attributes = { type: "object", additionalProperties: { $ref: "#/$defs/static" } } as const;
const children = {
  type: "object",
  propertyNames: { not: { enum: ["", ".", ".."] }, pattern: "^[^/]*$" },
  additionalProperties: { $ref: "#/$defs/item" },
} as const;
const counts = { type: "array", items: { type: "integer", minimum: 0 } } as const;
const steps = { anyOf: [{ type: "array", items: { type: "integer", minimum: 1 } }, { type: "null" }] } as const;
const bytes = { type: "string", pattern: "^(\\|?[iub]1|[><]([iuf][248]|[fc](8|16)|c32))$" } as const;
const name = { type: "string", minLength: 1 } as const;

/** An object with exactly this type and these members. */
function typed(type: string, properties: object, required: readonly string[]): object {
  return { type: "object", properties: { type: { const: type }, ...properties }, required: ["type", ...required] };
}

/**
 * JSON Schema (2020-12) of a layout, in the form of objects or of lists; see `layout.ts`. What a schema cannot say, such
 * as that two selections have as many elements, {@link readLayout} says.
 */
export const layoutSchema = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: "Layout of a scan as an HDF5 file",
  anyOf: [
    { type: "object", properties: { type: { const: "group" }, attributes, children } },
    { $ref: "#/$defs/tupleGroup" },
  ],
  $defs: {
    item: {
      anyOf: [
        { $ref: "#/$defs/group" },
        { $ref: "#/$defs/dataset" },
        { $ref: "#/$defs/externalBinary" },
        { $ref: "#/$defs/virtual" },
        { $ref: "#/$defs/softLink" },
        { $ref: "#/$defs/externalLink" },
        { $ref: "#/$defs/static" },
        { $ref: "#/$defs/stream" },
        { $ref: "#/$defs/tupleGroup" },
        { $ref: "#/$defs/tupleDataset" },
      ],
    },
    group: typed("group", { attributes, children }, []),
    dataset: {
      type: "object",
      properties: {
        type: { const: "dataset" },
        attributes,
        value: { anyOf: [{ $ref: "#/$defs/static" }, { $ref: "#/$defs/stream" }] },
      },
      required: ["value"],
    },
    externalBinary: typed(
      "external_binary_dataset",
      {
        attributes,
        dtype: bytes,
        shape: counts,
        files: {
          type: "array",
          minItems: 1,
          items: {
            type: "object",
            properties: {
              name,
              offset: { type: "integer", minimum: 0 },
              size: { anyOf: [{ type: "integer", minimum: 0 }, { type: "null" }] },
            },
            required: ["name", "offset"],
          },
        },
      },
      ["dtype", "shape", "files"],
    ),
    virtual: typed(
      "virtual_dataset",
      {
        attributes,
        dtype: bytes,
        shape: counts,
        virtual_sources: {
          type: "array",
          minItems: 1,
          items: {
            type: "object",
            properties: {
              vspace: { $ref: "#/$defs/space" },
              src_file: name,
              src_dataset: name,
              src_space: { $ref: "#/$defs/space" },
            },
            required: ["vspace", "src_file", "src_dataset", "src_space"],
          },
        },
      },
      ["dtype", "shape", "virtual_sources"],
    ),
    softLink: typed("soft_link", { target_path: name }, ["target_path"]),
    externalLink: typed("external_link", { target_file: name, target_path: name }, ["target_file", "target_path"]),
    space: {
      type: "object",
      properties: { start: counts, stride: steps, count: counts, block: steps },
      required: ["start", "count"],
    },
    static: {
      anyOf: [
        { $ref: "#/$defs/raw" },
        typed(
          "inline",
          {
            dtype: {
              type: "string",
              pattern: "^(bool|u?int(8|16|32|64)|float(16|32|64|128)|complex(64|128|256))$",
            },
            value: { $ref: "#/$defs/raw" },
          },
          ["dtype", "value"],
        ),
        typed(
          "inline_b64",
          {
            dtype: bytes,
            shape: { anyOf: [counts, { type: "null" }] },
            value: { type: "string", contentEncoding: "base64", pattern: "^[A-Za-z0-9+/_\\s-]*={0,2}\\s*$" },
          },
          ["dtype", "value"],
        ),
        typed(
          "compound",
          {
            columns: {
              type: "array",
              minItems: 1,
              items: {
                type: "array",
                prefixItems: [{ type: "string" }, { $ref: "#/$defs/static" }],
                minItems: 2,
                maxItems: 2,
              },
            },
          },
          ["columns"],
        ),
      ],
    },
    stream: typed("stream", { stream: { type: "string" } }, ["stream"]),
    raw: {
      anyOf: [{ type: ["boolean", "number", "string"] }, { type: "array", items: { $ref: "#/$defs/raw" } }],
    },
    tupleGroup: { type: "array", prefixItems: [attributes, children], minItems: 2, maxItems: 2 },
    tupleDataset: {
      type: "array",
      anyOf: [
        { prefixItems: [attributes, { const: "RAW" }, { $ref: "#/$defs/static" }] },
        { prefixItems: [attributes, { const: "STREAM" }, { type: "string" }] },
      ],
      minItems: 3,
      maxItems: 3,
    },
  },
} as const;
