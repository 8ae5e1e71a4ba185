/**
 * Validators of event-model documents, written from the table of required fields and patterns of event-model 1.24, and
 * the arithmetic by which bluesky-tiled-plugins joins stream documents. Independent of the product's own rules.
 */
type Json = Record<string, unknown>;

const isText = (value: unknown) => typeof value === "string";
const isTime = (value: unknown) => typeof value === "number" && value > 1e9 && value < 1e10;
const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isRange = (value: unknown) =>
  isObject(value) && Number.isInteger(value.start) && Number.isInteger(value.stop) && Object.keys(value).length === 2;

const kinds: Record<string, Record<string, (value: unknown) => boolean>> = {
  start: { time: isTime, uid: isText },
  descriptor: { data_keys: isObject, run_start: isText, time: isTime, uid: isText },
  event: {
    descriptor: isText,
    seq_num: Number.isInteger,
    uid: isText,
    data: isObject,
    time: isTime,
    timestamps: isObject,
  },
  stream_resource: { data_key: isText, mimetype: isText, parameters: isObject, uid: isText, uri: isText },
  stream_datum: { descriptor: isText, indices: isRange, seq_nums: isRange, stream_resource: isText, uid: isText },
  stop: {
    exit_status: (value) => ["success", "abort", "fail"].includes(value as string),
    run_start: isText,
    time: isTime,
    uid: isText,
  },
};
const closed: Record<string, readonly string[]> = {
  event: ["descriptor", "seq_num", "uid", "data", "time", "timestamps", "filled"],
  stream_datum: ["descriptor", "indices", "seq_nums", "stream_resource", "uid"],
  stop: ["exit_status", "run_start", "time", "uid", "num_events", "reason"],
};

function badKeys(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(badKeys);
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) => [...(/^[^./]+$/.test(key) ? [] : [key]), ...badKeys(inner)]);
}

function badDataKey(name: string, key: unknown): string[] {
  if (!isObject(key)) return [`${name} is no object`];
  const problems: string[] = [];
  if (!["string", "number", "array", "boolean", "integer"].includes(key.dtype as string)) problems.push("dtype");
  if (!Array.isArray(key.shape) || !key.shape.every((n) => n === null || Number.isInteger(n))) problems.push("shape");
  if (!isText(key.source)) problems.push("source");
  if ("dtype_numpy" in key && !/^[|<>][tbiufcmMOSUV][0-9]+$/.test(key.dtype_numpy as string))
    problems.push("dtype_numpy");
  if ("external" in key && !/^[A-Z]+:?/.test(key.external as string)) problems.push("external");
  return problems.map((problem) => `data key ${name}: ${problem}`);
}

/** What the schema has against a document; empty for a valid one. */
export function problemsOf(name: string, doc: object): string[] {
  const document = doc as Json;
  const fields = kinds[name];
  if (fields === undefined) return [`no kind of document is called ${name}`];
  const problems = Object.entries(fields)
    .filter(([field, isValid]) => !isValid(document[field]))
    .map(([field]) => `${name}.${field}`);
  if (name === "start") problems.push(...badKeys(document));
  if (name === "descriptor") {
    problems.push(...Object.entries(document.data_keys as Json).flatMap(([key, value]) => badDataKey(key, value)));
    problems.push(...badKeys(document.data_keys), ...badKeys(document.configuration));
  }
  const allowed = closed[name];
  if (allowed) problems.push(...Object.keys(document).filter((key) => !allowed.includes(key)));
  return problems;
}

/** What a reader makes of one data key of a run: shape of the joined array, and which row each event has. */
export interface Consolidated {
  readonly shape: readonly number[];
  readonly rowOfEvent: ReadonlyMap<number, number>;
}

/** The arithmetic of `ConsolidatorBase`: rows are summed, whatever the indices say; `concat` joins along the first axis. */
export function consolidate(
  documents: readonly (readonly [string, object])[],
  dataKey: string,
  join: "concat" | "stack" = "concat",
): Consolidated {
  const all = documents.map(([name, doc]) => [name, doc as Json] as const);
  const descriptor = all.find(([name, doc]) => name === "descriptor" && dataKey in (doc.data_keys as Json))?.[1];
  if (descriptor === undefined) throw new Error(`No descriptor has ${dataKey}`);
  const { shape: datumShape } = (descriptor.data_keys as Record<string, { shape: number[] }>)[dataKey] as {
    shape: number[];
  };
  const resources = all.filter(([name, doc]) => name === "stream_resource" && doc.data_key === dataKey);
  const uids = resources.map(([, doc]) => doc.uid);
  const rowOfEvent = new Map<number, number>();
  let rows = 0;
  for (const [name, doc] of all) {
    if (name !== "stream_datum" || !uids.includes(doc.stream_resource)) continue;
    const { indices, seq_nums } = doc as {
      indices: { start: number; stop: number };
      seq_nums: { start: number; stop: number };
    };
    rows += indices.stop - indices.start;
    for (let i = 0; i < seq_nums.stop - seq_nums.start; i++) rowOfEvent.set(seq_nums.start + i, indices.start + i);
  }
  const [first = 1, ...rest] = datumShape;
  return { shape: join === "stack" ? [rows, ...datumShape] : [rows * first, ...rest], rowOfEvent };
}

/** Lengths of the chunks along the joined axis, as the consolidator computes them. */
export function firstChunks(rows: number, framesPerEvent: number, chunk: number, joinChunks = true): number[] {
  const cut = (length: number) =>
    Array.from({ length: Math.ceil(length / chunk) }, (_, i) => Math.min(chunk, length - i * chunk));
  if (joinChunks) return cut(rows * framesPerEvent);
  return Array.from({ length: rows }, () => cut(framesPerEvent)).flat();
}

/** The file names that a template stands for: `{:06d}` filled with each row. */
export function filesOf(template: string, rows: number): string[] {
  return Array.from({ length: rows }, (_, row) =>
    template
      .replace(/\{:0(\d+)d\}/, (_match, digits: string) => String(row).padStart(Number(digits), "0"))
      .replaceAll("{{", "{")
      .replaceAll("}}", "}"),
  );
}
