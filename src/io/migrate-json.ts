/** Brings a JSON document of an older version to the present one. */
import type { BackendBase } from "../core/backend.ts";
import type { ByteStore, OperationOptions } from "../core/byte-store.ts";
import { isStorageError, StorageError } from "../core/errors.ts";
import { keyIn, storeOf } from "./store-of.ts";
import { updateJson } from "./update-json.ts";

/** One step from a version to a later one. */
export interface JsonMigration {
  readonly from: number;
  readonly to: number;
  /** What it does, for reports. */
  readonly description?: string | undefined;
  /**
   * Returns the document of the later version; its version field is set afterwards. Gets a document of its own, which
   * it may change. May be called again, so it does nothing but compute.
   */
  readonly migrate: (document: Record<string, unknown>) => Record<string, unknown> | Promise<Record<string, unknown>>;
}

/** Options of {@link migrateJson}. */
export interface MigrateJsonOptions extends OperationOptions {
  /** In any order; from each version leads at most one. The greatest `to` is the present version. */
  readonly migrations: readonly JsonMigration[];
  /** The field of the outermost object that has the version. Default `"version"`. A document without it has version 0. */
  readonly versionField?: string | undefined;
  /** Computes what would be written, and writes nothing. Default `false`. */
  readonly dryRun?: boolean | undefined;
  /** Keeps the old document, byte by byte, as `<key>.v<version>.bak` beside the new one. Default `true`. */
  readonly backup?: boolean | undefined;
}

/** What {@link migrateJson} did, or would do. */
export interface JsonMigrated<T> {
  readonly from: number;
  readonly to: number;
  /** The steps from one to the other; none for a document of the present version, which is left alone. */
  readonly steps: readonly Pick<JsonMigration, "from" | "to" | "description">[];
  /** The document of the present version. */
  readonly value: T;
  /** Key of the old document; `undefined` where nothing was written or no backup was asked for. */
  readonly backup: string | undefined;
  readonly isDryRun: boolean;
}

/**
 * Migrates a versioned JSON document, in one step, as `updateJson` changes one: whoever reads sees the old version or
 * the new one, of several processes one migrates, and a migration that throws leaves everything as it was. The backup
 * is stored before the new document; one that is there with other bytes is never overwritten, the next name is taken.
 *
 * @throws A {@link StorageError}: `UNSUPPORTED` for a document of a later version than is known here; `CONFIG_INVALID`
 * for migrations that do not lead on; `INVALID_DATA` for a document, or a result, that is no object or has no whole
 * number as version; `CORRUPT` for one that is not JSON; otherwise as `updateJson`. What a migration threw arrives as
 * it is.
 * @see PolyStore `metadata_migration.py`
 */
export async function migrateJson<T extends object = Record<string, unknown>>(
  target: ByteStore | BackendBase,
  key: string,
  options: MigrateJsonOptions,
): Promise<JsonMigrated<T>> {
  const { migrations, versionField = "version", dryRun = false, backup = true, signal } = options;
  const store = await storeOf(target, "migrateJson");
  const context = { backend: target.name, operation: "migrateJson", identifier: key };
  const plan = planOf(migrations, context);
  let report: Omit<JsonMigrated<T>, "value"> | undefined;
  const change = async (document: unknown, stored: Uint8Array | undefined): Promise<unknown> => {
    let { value, version } = versionOf(document, versionField, context);
    const from = version;
    if (version > plan.latest) {
      const message = `"${key}" has version ${version}, and ${plan.latest} is the latest that is known here`;
      throw new StorageError("UNSUPPORTED", message, context);
    }
    const steps: JsonMigration[] = [];
    while (version < plan.latest) {
      const step = plan.steps.get(version);
      if (step === undefined) {
        const message = `"${key}" has version ${from}; no migration leads on from version ${version}`;
        throw new StorageError("CONFIG_INVALID", message, context);
      }
      const result: unknown = await step.migrate(value);
      value = { ...versionOf(result, undefined, context).value, [versionField]: step.to };
      version = step.to;
      steps.push(step);
    }
    const isWritten = steps.length > 0 && !dryRun;
    report = {
      from,
      to: version,
      steps: steps.map(({ from, to, description }) => ({
        from,
        to,
        ...(description === undefined ? {} : { description }),
      })),
      backup:
        isWritten && backup ? await keep(store, keyIn(store, key), from, stored as Uint8Array, options) : undefined,
      isDryRun: dryRun,
    };
    return steps.length > 0 ? value : undefined;
  };
  if (dryRun) {
    // Only read, so that stores without conditional writes, and read-only ones, can be asked too.
    const { jsonCodec } = await import("../codecs/json.ts");
    const bytes = await store.read(keyIn(store, key), { signal });
    const decode = () => jsonCodec.decode(bytes, { identifier: key, options: {} });
    const value = (await change(decode(), bytes)) ?? decode();
    // What could not be written must not look as if it could.
    await jsonCodec.encode(value, { identifier: key, options: {} });
    return { ...(report as unknown as JsonMigrated<T>), value: value as T };
  }
  const { value } = await updateJson<unknown>(target, key, change, { signal });
  return { ...(report as unknown as JsonMigrated<T>), value: value as T };
}

interface Where {
  readonly backend: string;
  readonly operation: string;
  readonly identifier: string;
}

function planOf(migrations: readonly JsonMigration[], context: Where) {
  const steps = new Map<number, JsonMigration>();
  let latest = 0;
  for (const step of migrations) {
    const isStep =
      Number.isSafeInteger(step.from) && Number.isSafeInteger(step.to) && 0 <= step.from && step.from < step.to;
    const problem = !isStep
      ? `a migration leads from a version to a later one, not from ${step.from} to ${step.to}`
      : steps.has(step.from)
        ? `two migrations lead on from version ${step.from}`
        : undefined;
    if (problem !== undefined) throw new StorageError("CONFIG_INVALID", `migrateJson: ${problem}`, context);
    steps.set(step.from, step);
    latest = Math.max(latest, step.to);
  }
  if (latest === 0) throw new StorageError("CONFIG_INVALID", "migrateJson needs at least one migration", context);
  return { steps, latest };
}

function versionOf(
  document: unknown,
  field: string | undefined,
  context: Where,
): { value: Record<string, unknown>; version: number } {
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw new StorageError("INVALID_DATA", `"${context.identifier}": a versioned document is an object`, context);
  }
  const value = document as Record<string, unknown>;
  const version = field === undefined || !Object.hasOwn(value, field) ? 0 : value[field];
  if (Number.isSafeInteger(version) && (version as number) >= 0) return { value, version: version as number };
  const message = `"${context.identifier}": its ${field} is ${JSON.stringify(version)}, and should be a whole number`;
  throw new StorageError("INVALID_DATA", message, context);
}

/** Stores the old bytes beside the document, unless they are there. Returns their key. */
async function keep(
  store: ByteStore,
  key: string,
  version: number,
  bytes: Uint8Array,
  { signal }: OperationOptions,
): Promise<string> {
  for (let number = 1; ; number++) {
    const name = `${key}.v${version}${number === 1 ? "" : `-${number}`}.bak`;
    try {
      await store.write(name, bytes, { ifAbsent: true, signal });
      return name;
    } catch (error) {
      if (!isStorageError(error, "ALREADY_EXISTS", "PRECONDITION_FAILED")) throw error;
    }
    const there = await store.read(name, { signal });
    if (there.byteLength === bytes.byteLength && there.every((byte, i) => byte === bytes[i])) return name;
  }
}
