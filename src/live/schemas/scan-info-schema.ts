/** JSON Schema of the info of a scan. */
import type { JsonSchema } from "./json-schema.ts";

const text: JsonSchema = { type: "string" };
const texts: JsonSchema = { type: "array", items: text };
const integer: JsonSchema = { type: "integer" };
const number: JsonSchema = { type: "number" };
const free: JsonSchema = { type: "object" };

function byName(name: string): JsonSchema {
  return { type: "object", additionalProperties: { $ref: `#/$defs/${name}` } };
}

function listOf(name: string): JsonSchema {
  return { type: "array", items: { $ref: `#/$defs/${name}` } };
}

/** An object with members that must be there, and members that may be. */
function members(
  required: Readonly<Record<string, JsonSchema>>,
  optional: Readonly<Record<string, JsonSchema>> = {},
): JsonSchema {
  return { type: "object", properties: { ...required, ...optional }, required: Object.keys(required) };
}

/**
 * JSON Schema (2020-12) of the info of a scan, whole: what {@link validateScanInfo} checks. Members that it does not name
 * are free.
 *
 * @see blissdata `ScanInfoDict`
 */
export const scanInfoSchema: JsonSchema = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: "Info of a scan",
  ...members(
    {
      acquisition_chain: byName("chain"),
      channels: byName("channel"),
      devices: byName("device"),
      start_time: { ...text, description: "ISO 8601" },
      scan_nb: integer,
      type: text,
      title: text,
      data_policy: text,
      data_writer: text,
      publisher: text,
      publisher_version: text,
      save: { type: "boolean" },
      session_name: text,
      user_name: text,
    },
    {
      sequence_info: members({}, { scan_count: integer }),
      group: { ...text, description: "Key of the scan that this one is a part of" },
      index_in_sequence: integer,
      retry_nb: integer,
      is_scan_sequence: { const: true },
      npoints: integer,
      count_time: { ...number, description: "Seconds" },
      sleep_time: { ...number, description: "Seconds" },
      stab_time: { ...number, description: "Seconds" },
      writer_options: free,
      plots: listOf("plot"),
      display_extra: members({}, { displayed_channels: texts, plotselect: texts, plotselect_time: number }),
      end_time: { ...text, description: "ISO 8601" },
      end_reason: { enum: ["SUCCESS", "FAILURE", "USER_ABORT", "DELETION"] },
    },
  ),
  $defs: {
    chain: members({
      top_master: text,
      devices: texts,
      scalars: texts,
      spectra: texts,
      images: texts,
      master: { type: "object", additionalProperties: texts },
    }),
    channel: members(
      { dim: integer },
      {
        display_name: text,
        unit: text,
        decimals: integer,
        start: number,
        stop: number,
        min: number,
        max: number,
        points: integer,
        axis_points: integer,
        axis_points_hint: integer,
        axis_id: integer,
        axis_kind: { enum: ["forth", "backnforth", "step"] },
        group: text,
      },
    ),
    device: members(
      { name: text },
      {
        channels: texts,
        triggered_devices: texts,
        type: text,
        xaxis_channel: text,
        xaxis_array: { type: "array" },
        xaxis_array_label: text,
        xaxis_array_unit: text,
        metadata: free,
      },
    ),
    plot: {
      anyOf: [
        members({ kind: { const: "scatter-plot" }, items: listOf("scatterItem") }, { name: text }),
        members({ kind: { const: "curve-plot" }, items: listOf("curveItem") }, { name: text }),
        members({ kind: { const: "table-plot" } }, { name: text }),
        members({ kind: { const: "1d-plot" }, items: listOf("oneDimItem") }, { name: text, x: text }),
      ],
    },
    scatterItem: members({ kind: { const: "scatter" } }, { x: text, y: text, value: text }),
    curveItem: members({ kind: { const: "curve" } }, { x: text, y: text, y_axis: { enum: ["left", "right"] } }),
    oneDimItem: members({ kind: { const: "curve" } }, { y: text }),
  },
};
