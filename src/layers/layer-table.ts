/** The layers by name: what each takes in a configuration, and how it is made. */
import type { ByteStore } from "../core/byte-store.ts";
import type { InstanceConfig, StandardSchemaV1 } from "../core/descriptor.ts";
import { StorageError } from "../core/errors.ts";
import { type FieldCheck, field, optionsSchema } from "../core/options-schema.ts";
import { CacheStore } from "./cache.ts";
import { ChaosStore } from "./chaos.ts";
import { ChecksumStore } from "./checksum.ts";
import { type Fault, faultMistake } from "./fault-script.ts";
import { LatencyStore } from "./latency.ts";
import { LimitStore } from "./limit.ts";
import { MeterStore } from "./meter.ts";
import type { LayerKind } from "./order.ts";
import { OverlayStore } from "./overlay.ts";
import { PermitPool } from "./permit-pool.ts";
import { PrefixStore } from "./prefix.ts";
import { ReadOnlyStore } from "./read-only.ts";
import { RetryBudget } from "./retrier.ts";
import { RetryStore } from "./retry.ts";
import { RouteStore } from "./route.ts";
import { TimeoutStore } from "./timeout.ts";

/** Another store in the options of a layer: an instance, a URL, a configuration, or a store that is open. */
export type StoreReference = string | InstanceConfig | ByteStore;

/** What layers get when a stack is built. */
export interface LayerContext {
  /** Opens the store of a reference; whoever gives it closes it. Default: only stores that are open are taken. */
  readonly store?: ((reference: string | InstanceConfig) => Promise<ByteStore>) | undefined;
  /** Pools of `limit` by name, shared by all stacks that are given the same map. */
  readonly pools?: Map<string, PermitPool> | undefined;
  /** Budgets of `retry` by name, shared in the same way. */
  readonly budgets?: Map<string, RetryBudget> | undefined;
}

/** How a layer is made from a configuration. */
export interface LayerEntry {
  /** Checks its options, beside `use`. */
  readonly options: StandardSchemaV1<object>;
  /** Puts it around a store. */
  readonly wrap: (inner: ByteStore, options: object, context: LayerContext) => Promise<ByteStore>;
}

const positive: FieldCheck = (value) => (typeof value === "number" && value > 0 ? undefined : "a number > 0");
const notNegative: FieldCheck = (value) => (typeof value === "number" && value >= 0 ? undefined : "a number ≥ 0");
const count: FieldCheck = (value) =>
  Number.isSafeInteger(value) && (value as number) > 0 ? undefined : "a whole number ≥ 1";
const store: FieldCheck = (value) =>
  typeof value === "string" || (typeof value === "object" && value !== null)
    ? undefined
    : "a store: the name of a backend, a URL, or { use: … }";
const stores: FieldCheck = (value) =>
  typeof value === "object" && value !== null && Object.values(value).every((one) => store(one) === undefined)
    ? undefined
    : "stores by prefix";

/** Options of `retry` in a configuration. */
interface RetryConfig {
  readonly attempts?: number;
  readonly maxElapsedMs?: number;
  readonly baseDelayMs?: number;
  readonly maxDelayMs?: number;
  readonly budget?: string;
  readonly budgetCapacity?: number;
}

/** Options of `limit` in a configuration. */
interface LimitConfig {
  readonly concurrency?: number;
  readonly bytesPerSecond?: number;
  readonly pool?: string;
}

/** Every layer that can be named. */
export const layerTable: Readonly<Record<LayerKind, LayerEntry>> = {
  meter: entry<{ name?: string }>({ name: field.text }, async (inner, options) => new MeterStore(inner, options)),
  "read-only": entry<object>({}, async (inner) => new ReadOnlyStore(inner)),
  prefix: entry<{ prefix?: string }>({ prefix: field.text }, async (inner, { prefix }) => {
    return new PrefixStore(inner, needed(prefix, "prefix", "prefix"));
  }),
  overlay: entry<{ upper?: StoreReference }>({ upper: store }, async (inner, { upper }, context) => {
    return new OverlayStore(inner, { upper: await open(upper, "overlay", "upper", context) });
  }),
  route: entry<{ mounts?: Record<string, StoreReference> }>({ mounts: stores }, async (inner, { mounts }, context) => {
    const opened: Record<string, ByteStore> = {};
    for (const [prefix, reference] of Object.entries(needed(mounts, "route", "mounts"))) {
      opened[prefix] = await open(reference, "route", `mounts.${prefix}`, context);
    }
    return new RouteStore(inner, opened);
  }),
  cache: entry<{ medium?: StoreReference; maxBytes?: number; maxValueBytes?: number; bind?: "etag" | "content" }>(
    { medium: store, maxBytes: count, maxValueBytes: count, bind: field.oneOf("etag", "content") },
    async (inner, options, context) => {
      return new CacheStore(inner, { ...options, medium: await open(options.medium, "cache", "medium", context) });
    },
  ),
  retry: entry<RetryConfig>(
    {
      attempts: count,
      maxElapsedMs: notNegative,
      baseDelayMs: notNegative,
      maxDelayMs: notNegative,
      budget: field.text,
      budgetCapacity: count,
    },
    async (inner, { budget, budgetCapacity, ...options }, { budgets }) => {
      const make = () => new RetryBudget(budgetCapacity);
      return new RetryStore(inner, {
        ...options,
        budget: shared("Budget", budget, budgets, make, { capacity: budgetCapacity }),
      });
    },
  ),
  limit: entry<LimitConfig>(
    { concurrency: count, bytesPerSecond: positive, pool: field.text },
    async (inner, { pool, ...options }, { pools }) =>
      new LimitStore(
        inner,
        shared("Pool", pool, pools, () => new PermitPool(options), options),
      ),
  ),
  checksum: entry<{ sums?: StoreReference; unknown?: "pass" | "refuse" }>(
    { sums: store, unknown: field.oneOf("pass", "refuse") },
    async (inner, { sums, unknown }, context) => {
      return new ChecksumStore(inner, { sums: await open(sums, "checksum", "sums", context), unknown });
    },
  ),
  timeout: entry<{ timeoutMs?: number }>(
    { timeoutMs: count },
    async (inner, options) => new TimeoutStore(inner, options),
  ),
  chaos: entry<{ faults?: readonly Fault[]; seed?: number }>(
    { faults: faultMistake, seed: field.wholeNumber },
    async (inner, { faults, seed }) => new ChaosStore(inner, { faults: needed(faults, "chaos", "faults"), seed }),
  ),
  latency: entry<{ delayMs?: number; jitterMs?: number; bytesPerSecond?: number; seed?: number }>(
    { delayMs: notNegative, jitterMs: notNegative, bytesPerSecond: positive, seed: field.wholeNumber },
    async (inner, options) => new LatencyStore(inner, options),
  ),
};

function entry<Options extends object>(
  fields: Readonly<Record<keyof Options & string, FieldCheck>>,
  wrap: (inner: ByteStore, options: Options, context: LayerContext) => Promise<ByteStore>,
): LayerEntry {
  return {
    options: optionsSchema<Options>(fields),
    // The options were checked by the schema above.
    wrap: (inner, options, context) => wrap(inner, options as Options, context),
  };
}

function needed<T>(value: T | undefined, kind: LayerKind, name: string): T {
  if (value !== undefined) return value;
  throw new StorageError("CONFIG_INVALID", `Layer "${kind}" needs ${name}`, { operation: "stack", identifier: name });
}

async function open(
  reference: StoreReference | undefined,
  kind: LayerKind,
  name: string,
  { store: opener }: LayerContext,
): Promise<ByteStore> {
  const given = needed(reference, kind, name);
  if (typeof given === "object" && typeof given.read === "function") return given as ByteStore;
  if (opener !== undefined) return opener(given as string | InstanceConfig);
  throw new StorageError("CONFIG_INVALID", `${name} of layer "${kind}" must be an open store: nobody opens one here`, {
    operation: "stack",
    identifier: name,
  });
}

/** What several stacks use together, by its name; without a name it is for one alone. Its options are stated once. */
function shared<T extends object, Stated extends Partial<Record<keyof T, unknown>>>(
  what: string,
  name: string | undefined,
  known: Map<string, T> | undefined,
  make: () => T,
  stated: Stated,
): T {
  if (name === undefined || known === undefined) return make();
  const found = known.get(name);
  if (found === undefined) {
    const made = make();
    known.set(name, made);
    return made;
  }
  for (const option of Object.keys(stated) as (keyof Stated & keyof T & string)[]) {
    if (stated[option] === undefined || stated[option] === found[option]) continue;
    const message = `${what} "${name}" has ${option} ${found[option]}, and is asked for with ${stated[option]}`;
    throw new StorageError("CONFIG_INVALID", message, { operation: "stack", identifier: name });
  }
  return found;
}
