/**
 * The session file: its schema, its TypeScript type, and its JSON Schema for editors. The options of backends, writers
 * and devices are open here; each is checked by its own owner.
 */
import { z } from "zod";
import { layerKinds } from "../layers/order.ts";
import { type ConfigPath, formatPath, type Mistake, mistakesOf } from "./mistakes.ts";

/** Marks sections that a text may stand for, for the JSON Schema. */
const SHORT = "orText";

const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]*$/, "a name begins with a letter or digit, then letters, digits, _ and -");

const use = z.string().min(1, "expected a name");

const layer = z.looseObject({ use: z.enum(layerKinds).describe("Name of a layer; its options stand beside") });

const backend = z.looseObject({
  use: use.describe("Key of a registered backend, for example disk or memory"),
  layers: z
    .array(layer)
    .optional()
    .describe("Layers around its byte store, the outermost first: retry, cache, limit, …"),
});

const writer = z.looseObject({ use: use.describe("Key of a backend that writes frames: zarr, tiff, memory, …") });

const device = z.looseObject({
  use: use.describe("A built-in device (simulated-camera, simulated-stage, replay-camera), or package-or-file#Export"),
  writer: name.optional().describe("Group of storage.writers that gets this device's frames. Default: default"),
  essential: z.boolean().optional().describe("false: the session opens although this device fails. Default: true"),
});

const storage = z.strictObject({
  basePath: z
    .string()
    .regex(/^(?![a-z][a-z0-9+.-]+:\/\/)./i, "expected a folder, not a URL")
    .optional()
    .describe("Folder for all runs, relative to this file. Default: ~/sluice-storage/<session>"),
  filenameProvider: z
    .enum(["session", "auto_increment", "uuid", "static"])
    .default("session")
    .describe("How runs are named. session: <session>/<date>/<plan>_<number>, never the same twice"),
  filename: z
    .string()
    .min(1, "expected a name")
    .optional()
    .describe("For auto_increment its beginning, for static all of it"),
  writers: z
    .record(name, writer)
    .default({ default: { use: "zarr" } })
    .describe("One writer for each group of devices. Default: one group, default, that writes zarr"),
});

const text = z.string().min(1, "expected a text");

const words = z.array(text);

/** A path, or the URL of a database. The file is no place for a password. */
const database = text.regex(/^(?![a-z][a-z0-9+.-]+:\/\/([^/?#]*:[^/?#]*@|.*[?&]password=))/i, {
  message: "a password does not belong into this file: the environment has it, as PGPASSWORD",
});

/** A section of which one key is often all that is said: its text alone stands for it. Mistakes are those of the section. */
function orText<T extends z.ZodObject>(section: T, key: string): z.ZodType<z.output<T>, string | z.input<T>> {
  const whole = z.preprocess((value) => (typeof value === "string" ? { [key]: value } : value), section);
  return whole.meta({ [SHORT]: true }) as unknown as z.ZodType<z.output<T>, string | z.input<T>>;
}

const catalogSample = z.strictObject({
  name: text.describe("Name on the label"),
  formula: text.optional().describe("Chemical formula"),
  serial: text.optional().describe("Serial number"),
  tags: words.optional().describe("Words that its runs are found by"),
  beamlinePos: text.optional().describe("Where it is mounted"),
  extra: z.record(z.string(), z.json()).optional().describe("Anything else"),
});

const catalogResearcher = z.strictObject({
  name: text.describe("Name; the index has one researcher of each"),
  email: text.optional(),
  orcid: text.optional().describe("ORCID, of which the check digit is verified"),
  affiliation: text.optional(),
  root: text.optional().describe("Folder of the researcher's data, relative to this file. Default: that of this file"),
});

const catalog = z.strictObject({
  path: database.describe("The beamtime file, relative to this file, or the URL of a database"),
  operator: text.optional().describe("Who is at the instrument. Default: metadata.operator"),
  sample: orText(catalogSample, "name")
    .optional()
    .describe("What runs are made on: a name, or more. Default: metadata.sample, else unnamed"),
  index: database.optional().describe("The master index that gets each run, relative to this file"),
  researcher: orText(catalogResearcher, "name")
    .optional()
    .describe("Whose beamtime it is: a name, or more. The index needs it"),
  beamtime: text.optional().describe("Label of the beamtime in the index. Default: the name of the file"),
  essential: z
    .boolean()
    .optional()
    .describe("false: the session opens without it if it cannot be opened. Default: true"),
});

const ms = z.number().min(0, "expected at least 0");

const byteCount = z.int().min(0, "expected at least 0");

const liveRetention = z.strictObject({
  intervalMs: ms.min(1, "expected at least 1").optional().describe("Time from one pass to the next. Default: 30000"),
  maxAgeMs: ms.optional().describe("Points that are older leave"),
  maxPoints: byteCount.optional().describe("Points that each stream keeps, the newest"),
  maxBytes: byteCount.optional().describe("Bytes that the store may take; the oldest points leave until it does"),
  pressure: ms
    .max(1, "expected at most 1")
    .optional()
    .describe("The same, as a part of what the engine may take. Default: 0.8"),
  closedScanMs: ms.optional().describe("How long scans stay once they are closed. Default: a week"),
  inactiveScanMs: ms.optional().describe("After how long open scans without a writer are closed. Default: a day"),
  protectedMs: ms.optional().describe("No point leaves that is younger. Default: 180000"),
  lossy: z.boolean().optional().describe("true: also what is not yet safely in a store leaves. Default: false"),
});

const live = z.strictObject({
  location: database
    .regex(/^(?![a-z][a-z0-9+.-]+:)|^(redis|rediss|file|memory):/i, "expected a folder, redis://, rediss:// or memory:")
    .describe("A folder, relative to this file; redis:// or rediss://; or memory:, for this process alone"),
  prefix: text.optional().describe("Begins the keys in Redis. Default: sluice:"),
  dialect: z.literal("blissdata").optional().describe("Python clients of blissdata see the scans in Redis too"),
  durability: z
    .enum(["process", "power"])
    .optional()
    .describe("What events in a folder survive: the end of the process, or a power cut too. Default: process"),
  inlineBytes: byteCount
    .optional()
    .describe("Values above so many bytes go beside the index of a folder. Default: 16384"),
  leaseMs: ms.optional().describe("How long a session that is gone is waited for; 0: for ever. Default: 30000"),
  maxWaitingBytes: byteCount.optional().describe("Bytes of values that wait for a slow engine. Default: 64 MiB"),
  patienceMs: ms.optional().describe("How long the end of a run waits for a slow engine. Default: 5000"),
  retention: liveRetention.optional().describe("What leaves, while this session is open. Left out: nothing"),
  essential: z
    .boolean()
    .optional()
    .describe("false: the session opens without it if it cannot be opened. Default: true"),
});

/** Schema of the `plan` section. */
export const planSchema = z.strictObject({
  use: z.literal("count").describe("Read every device num times"),
  num: z.int().min(1, "expected at least 1").describe("Readings, and frames of each camera"),
  delay: z.number().min(0, "expected at least 0").optional().describe("Seconds between the beginnings of two readings"),
});

/**
 * Schema of a session file.
 *
 * @see redsun 0.8, `AppConfig` and `StorageConfig`
 */
export const sessionSchema = z
  .strictObject({
    $schema: z.string().optional().describe("For editors; ignored"),
    session: z
      .string()
      .regex(/^(?!\.{1,2}$)[^/\\\0]+$/, "a session name is a folder name: no slashes")
      .describe("Name of the session; a folder of this name holds its runs"),
    metadata: z.record(z.string(), z.json()).default({}).describe("Goes into each run's start document and its stores"),
    plugins: z
      .array(z.string().min(1, "expected a package"))
      .default([])
      .describe("Packages or files whose default export is a backend"),
    backends: z.record(name, backend).default({}).describe("Named backends: name to { use, …options }"),
    storage: storage.optional().describe("Where frames go. Left out: no device gets a writer"),
    catalog: orText(catalog, "path")
      .optional()
      .describe("Where runs are found again: the path of a beamtime file, or more. Left out: only in their folders"),
    live: orText(live, "location")
      .optional()
      .describe("Where runs are followed while they are written: a folder, redis://, memory:, or more"),
    devices: z.record(name, device).default({}).describe("Devices by name, built in this order"),
    plan: planSchema.optional().describe("What `sluice acquire` runs"),
  })
  .meta({ title: "Sluice session" });

/** A session file after validation, with defaults filled in. */
export type SessionConfig = z.output<typeof sessionSchema>;

/** A session file as people write it. */
export type SessionInput = z.input<typeof sessionSchema>;

/** The `storage` section, with defaults filled in. */
export type StorageConfig = z.output<typeof storage>;

/** The `catalog` section, with defaults filled in. */
export type CatalogConfig = z.output<typeof catalog>;

/** The `live` section, with defaults filled in. */
export type LiveConfig = z.output<typeof live>;

/** One entry of `devices`: `use`, `writer`, `essential`, and the device's own options. */
export type DeviceConfig = z.output<typeof device>;

/** The `plan` section. */
export type PlanConfig = z.output<typeof planSchema>;

/** Keys of a device's entry that belong to the session, not to the device. */
export const deviceKeys: readonly string[] = Object.keys(device.shape);

/** Keys that a run puts into its start document and its stores. */
const runKeys: ReadonlySet<string> = new Set([
  ...["uid", "time", "scan_id", "session", "run_uid"],
  ...["plan_name", "plan_type", "plan_args", "num_points", "detectors"],
]);

/** What {@link checkSession} found: the configuration, or mistakes. */
export type CheckedSession =
  | { readonly config: SessionConfig; readonly mistakes: readonly [] }
  | { readonly config?: undefined; readonly mistakes: readonly Mistake[] };

/** Checks the structure of a session file. Options of backends, writers and devices are left to their owners. */
export function checkSession(value: unknown): CheckedSession {
  const result = sessionSchema.safeParse(value);
  const mistakes = result.success ? [] : mistakesOf(result.error.issues, value, [], knownKeys);
  const all = [...mistakes, ...crossMistakes(value)];
  return result.success && all.length === 0 ? { config: result.data, mistakes: [] } : { mistakes: all };
}

/** The JSON Schema of session files (draft 2020-12), for editors. */
export function sessionJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(sessionSchema, {
    io: "input",
    override: ({ jsonSchema }) => {
      const { [SHORT]: isShort, description, ...section } = jsonSchema as Record<string, unknown>;
      if (isShort !== true) return;
      for (const key of Object.keys(jsonSchema)) delete (jsonSchema as Record<string, unknown>)[key];
      Object.assign(jsonSchema, { ...(description ? { description } : {}), anyOf: [{ type: "string" }, section] });
    },
  }) as Record<string, unknown>;
}

/** Mistakes that no single field shows. Written for values that may be wrong in other ways too. */
function crossMistakes(value: unknown): Mistake[] {
  const mistakes: Mistake[] = [];
  const file = recordOf(value);
  for (const path of forbiddenKeys(value, [])) {
    mistakes.push({ path: formatPath(path), message: "this key is not allowed" });
  }
  for (const path of undocumentableKeys(recordOf(file.metadata), ["metadata"])) {
    mistakes.push({ path: formatPath(path), message: "a metadata key has no dots and no slashes" });
  }
  for (const key of Object.keys(recordOf(file.metadata))) {
    const path = formatPath(["metadata", key]);
    if (runKeys.has(key)) mistakes.push({ path, message: "belongs to the run itself" });
    if (key in recordOf(file.devices))
      mistakes.push({ path, message: "a device of this name stores its settings here" });
  }
  for (const key of Object.keys(recordOf(file.devices))) {
    if (runKeys.has(key)) mistakes.push({ path: `devices.${key}`, message: "a device cannot have this name" });
  }
  const { index, researcher, beamtime } = recordOf(file.catalog);
  if (index !== undefined && researcher === undefined) {
    mistakes.push({ path: "catalog.researcher", message: "missing: the index wants to know whose beamtime it is" });
  }
  for (const [key, value] of Object.entries({ researcher, beamtime })) {
    if (value === undefined || index !== undefined) continue;
    mistakes.push({ path: `catalog.${key}`, message: "is for the index: name one in catalog.index" });
  }
  mistakes.push(...liveMistakes(recordOf(file.live)));
  const section = recordOf(file.storage);
  if (section.filenameProvider === "static" && section.filename === undefined) {
    mistakes.push({ path: "storage.filename", message: "missing: the static provider needs it" });
  }
  const groups = section.writers === undefined ? ["default"] : Object.keys(recordOf(section.writers));
  for (const [key, entry] of Object.entries(recordOf(file.devices))) {
    const group = recordOf(entry).writer;
    if (typeof group !== "string") continue;
    const path = `devices.${key}.writer`;
    if (file.storage === undefined) mistakes.push({ path, message: "there is no storage section" });
    else if (!groups.includes(group)) {
      mistakes.push({ path, message: `no such group in storage.writers; there are: ${groups.join(", ") || "none"}` });
    }
  }
  return mistakes;
}

/** Options of one engine beside the location of another. */
function liveMistakes(section: Readonly<Record<string, unknown>>): Mistake[] {
  const { location } = section;
  if (typeof location !== "string") return [];
  const isRedis = /^rediss?:/i.test(location);
  const isFolder = !isRedis && !/^memory:/i.test(location);
  const wrong = [
    ...(isRedis ? [] : ["prefix", "dialect"].map((key) => [key, "is for Redis"] as const)),
    ...(isFolder ? [] : ["durability", "inlineBytes"].map((key) => [key, "is for a folder"] as const)),
  ];
  return wrong.flatMap(([key, message]) => (section[key] === undefined ? [] : [{ path: `live.${key}`, message }]));
}

/** `__proto__` vanishes silently in most tools; nothing in a session needs it. */
function* forbiddenKeys(value: unknown, at: ConfigPath): Generator<ConfigPath> {
  if (typeof value !== "object" || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    const path = [...at, Array.isArray(value) ? Number(key) : key];
    if (key === "__proto__") yield path;
    else yield* forbiddenKeys(item, path);
  }
}

/** Start documents do not take such keys, at any depth (event-model). */
function* undocumentableKeys(value: unknown, at: ConfigPath): Generator<ConfigPath> {
  if (typeof value !== "object" || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    const path = [...at, Array.isArray(value) ? Number(key) : key];
    if (/[./]/.test(key) || key === "") yield path;
    yield* undocumentableKeys(item, path);
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function knownKeys(path: ConfigPath): readonly string[] | undefined {
  let schema: unknown = sessionSchema;
  for (const part of path) {
    const { shape, valueType } = unwrap(schema);
    schema = shape ? shape[String(part)] : valueType;
  }
  const { shape } = unwrap(schema);
  return shape ? Object.keys(shape) : undefined;
}

/** The parts of a zod definition that lead further down, without `optional`, `default` and the like around it. */
function unwrap(schema: unknown): { shape?: Record<string, unknown>; valueType?: unknown } {
  let definition = (schema as z.ZodType | undefined)?.def as unknown as Record<string, unknown> | undefined;
  for (let inner = definition?.innerType ?? definition?.out; inner; inner = definition?.innerType ?? definition?.out) {
    definition = (inner as z.ZodType).def as unknown as Record<string, unknown>;
  }
  return (definition ?? {}) as { shape?: Record<string, unknown>; valueType?: unknown };
}
