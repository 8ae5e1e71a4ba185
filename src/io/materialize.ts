/**
 * Stores results in the background while the next ones are computed.
 *
 * @see OpenHCS, `VFSConfig.materialization_backend`
 */
import type { BackendBase } from "../core/backend.ts";
import { ByteBudget } from "../core/byte-budget.ts";
import type { OperationOptions } from "../core/byte-store.ts";
import { checkAborted, checkInteger, checkOpen } from "../core/checks.ts";
import type { IfExists, SaveOptions } from "../core/data-sink.ts";
import type { EntryStat } from "../core/data-source.ts";
import { StorageError, throwFailures, toStorageError } from "../core/errors.ts";
import { joinKey, normalizeKey } from "../core/key.ts";
import { naturalSort } from "../core/natural-sort.ts";
import type { StorageBackend } from "../core/storage-backend.ts";
import { needOperation } from "./need-operation.ts";
import { bytesOf, keyIn } from "./store-of.ts";

/** Options of {@link materialize}. */
export interface MaterializeOptions extends OperationOptions {
  /** Backend that values are taken from. */
  readonly from: string;
  /** Backend that they are stored in. */
  readonly to: string;
  /** Bytes of values that are accepted and not yet stored; a value that is larger goes alone. Default 256 MiB. */
  readonly maxBytes?: number | undefined;
  /** Values being stored at once. Default 4. */
  readonly concurrency?: number | undefined;
  /** Default: the policy of the manager, then `"error"`. */
  readonly ifExists?: IfExists | undefined;
  /**
   * Removes each value from its source once it is stored, unless it has changed since. What was skipped, or stored over
   * itself, stays, and so does everything of a source that tells neither etags nor times. Default `false`.
   */
  readonly release?: boolean | undefined;
  /** Further options of every save, those of Zarr for example. */
  readonly saveOptions?: Omit<SaveOptions, "ifExists" | "signal" | "transfer"> | undefined;
}

/** What became of one value. */
export interface MaterializedItem {
  /** Path in the source. */
  readonly path: string;
  /** Path in the target. */
  readonly target: string;
  /** `cancelled`: not stored, because the job was called off before. */
  readonly status: "created" | "replaced" | "skipped" | "failed" | "cancelled";
  /** Size in the source, where it is known. */
  readonly byteLength?: number | undefined;
  /** True if the value was removed from its source. */
  readonly isReleased: boolean;
  /** Why it failed; of one that is stored, why it could not be removed from its source. */
  readonly error?: StorageError | undefined;
}

/** What became of all of them. */
export interface MaterializeReport {
  /** In the order in which they were added. */
  readonly items: readonly MaterializedItem[];
  /** True if every item is created, replaced or skipped. */
  readonly isComplete: boolean;
  /** Bytes of the items that were created or replaced, as far as their sizes are known. */
  readonly byteLength: number;
}

/** What {@link materialize} needs of a `FileManager`. */
export interface MaterializeBackends {
  /** Overwrite policy of jobs that name none. */
  readonly ifExists?: IfExists | undefined;
  /** The backend of a key. */
  backend(key: string): Promise<BackendBase>;
}

const DEFAULT_BYTES = 256 * 2 ** 20;
const DEFAULT_CONCURRENCY = 4;

/**
 * A job that stores values of one backend in another while its owner goes on. Made by {@link materialize}.
 *
 * Values are taken from the source when their turn comes, each loaded once. Those for one target path are stored in the
 * order they were added; others in any order.
 */
export class Materialization implements AsyncDisposable {
  readonly #files: MaterializeBackends;
  readonly #options: MaterializeOptions;
  readonly #budget: ByteBudget;
  readonly #cancelling = new AbortController();
  readonly #signal: AbortSignal;
  readonly #items: (MaterializedItem | undefined)[] = [];
  readonly #work = new Set<Promise<void>>();
  /** The last work for each target path. */
  readonly #byTarget = new Map<string, Promise<void>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #finishing: Promise<MaterializeReport> | undefined;
  #hasReported = false;

  /** See {@link materialize}. */
  constructor(files: MaterializeBackends, options: MaterializeOptions) {
    const { maxBytes = DEFAULT_BYTES, concurrency = DEFAULT_CONCURRENCY, signal } = options;
    checkInteger(maxBytes, "maxBytes", 1);
    checkInteger(concurrency, "concurrency", 1);
    this.#files = files;
    this.#options = { ...options, ifExists: options.ifExists ?? files.ifExists, concurrency };
    this.#budget = new ByteBudget(maxBytes);
    this.#signal = signal ? AbortSignal.any([signal, this.#cancelling.signal]) : this.#cancelling.signal;
  }

  /** Bytes that are accepted and not yet stored. */
  get pendingBytes(): number {
    return this.#budget.used;
  }

  /**
   * Adds a value; resolves when it is accepted, which is when there is room for it. Awaiting this is what keeps the
   * memory bounded: a producer that is faster than the target waits here.
   *
   * What goes wrong with the value later, that it is missing for example, is in the report.
   *
   * @param target - Path in the target. Default: the same path.
   * @throws A {@link StorageError}: `NOT_OPEN` after {@link Materialization.finish}; `ABORTED`.
   */
  async add(path: string, target = path): Promise<void> {
    this.#checkOpen(path);
    const index = this.#items.push(undefined) - 1;
    const before = this.#byTarget.get(target);
    let accept!: () => void;
    const accepted = new Promise<void>((resolve) => {
      accept = resolve;
    });
    const work = this.#store(path, target, index, before, accept);
    this.#byTarget.set(target, work);
    this.#work.add(work);
    void work.then(() => {
      accept();
      this.#work.delete(work);
      if (this.#byTarget.get(target) === work) this.#byTarget.delete(target);
    });
    await accepted;
  }

  /**
   * Adds every file below a directory, in natural order.
   *
   * @param target - Directory in the target. Default: the same.
   * @throws A {@link StorageError}: as {@link Materialization.add}; `NOT_FOUND` or `NOT_A_DIRECTORY`.
   */
  async addTree(directory: string, target = directory): Promise<void> {
    this.#checkOpen(directory);
    const source = needOperation(await this.#files.backend(this.#options.from), "listFiles");
    const { collectTree } = await import("./collect-tree.ts");
    const { files } = await collectTree(source, directory, { signal: this.#signal });
    for (const path of naturalSort(files)) await this.add(joinKey(directory, path), joinKey(target, path));
  }

  /** Calls off what is not stored yet. What is half stored is given up, as by its backend's `signal`. Harmless twice. */
  cancel(reason?: unknown): void {
    this.#cancelling.abort(reason ?? new DOMException("The materialization was cancelled", "AbortError"));
  }

  /**
   * Waits until everything is stored, failed or called off. The same report at every call.
   *
   * @param options - `onError: "collect"` leaves failures to the report. Default `"throw"`.
   * @throws With `"throw"`: one failure as it is, several as an `AggregateError`; `ABORTED` if items were called off.
   */
  async finish(options: { readonly onError?: "throw" | "collect" | undefined } = {}): Promise<MaterializeReport> {
    this.#finishing ??= this.#drain();
    const report = await this.#finishing;
    this.#hasReported = true;
    if (options.onError !== "collect") throwProblems(report, this.#options.to);
    return report;
  }

  /**
   * Waits as {@link Materialization.finish} does, so that leaving a block loses nothing, and throws what nobody was told
   * of by then. To stop early, cancel first: what was called off on purpose is not thrown.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#hasReported) return;
    const report = await this.finish({ onError: "collect" });
    const failures = report.items.flatMap(({ error }) => (error === undefined ? [] : [error]));
    throwFailures(failures, `Not everything is in "${this.#options.to}"`);
  }

  async #drain(): Promise<MaterializeReport> {
    while (this.#work.size > 0) await Promise.all(this.#work);
    const items = this.#items as readonly MaterializedItem[];
    const isStored = ({ status }: MaterializedItem) => status === "created" || status === "replaced";
    return {
      items,
      isComplete: items.every((item) => isStored(item) || item.status === "skipped"),
      byteLength: items.reduce((sum, item) => sum + (isStored(item) ? (item.byteLength ?? 0) : 0), 0),
    };
  }

  /** Never rejects: what happens is written down. */
  async #store(
    path: string,
    target: string,
    index: number,
    before: Promise<void> | undefined,
    accept: () => void,
  ): Promise<void> {
    const item = { path, target, isReleased: false };
    let byteLength: number | undefined;
    let release: (() => void) | undefined;
    try {
      const source = needOperation(await this.#files.backend(this.#options.from), "load");
      const sink = needOperation(await this.#files.backend(this.#options.to), "save");
      const stat = await source.stat(path, { signal: this.#signal });
      if (!stat.exists) {
        const context = { backend: this.#options.from, operation: "materialize", identifier: path };
        throw new StorageError("NOT_FOUND", `No "${path}" in "${this.#options.from}"`, context);
      }
      byteLength = stat.byteLength;
      // Before there is room for it: who waits for another must hold nothing that the other needs.
      await before;
      // A value of unknown size might be any: it goes alone.
      release = await this.#budget.take(byteLength ?? Number.POSITIVE_INFINITY, this.#signal);
      accept();
      this.#items[index] = {
        ...item,
        byteLength,
        ...(await this.#inTurn(() => this.#move(source, sink, path, target))),
      };
    } catch (cause) {
      const error = toStorageError(cause, { operation: "materialize", identifier: path });
      const { aborted, reason } = this.#signal;
      const isCalledOff = aborted && (error.code === "ABORTED" || error.cause === reason);
      this.#items[index] = {
        ...item,
        byteLength,
        ...(isCalledOff ? { status: "cancelled" } : { status: "failed", error }),
      };
    } finally {
      release?.();
    }
  }

  async #move(source: StorageBackend, sink: StorageBackend, path: string, target: string) {
    const signal = this.#signal;
    checkAborted(signal, { operation: "materialize", identifier: path });
    const { ifExists, saveOptions, release = false } = this.#options;
    const stat = await source.stat(path, { signal });
    const value = await source.load(path, { signal });
    // What was loaded is ours alone, so its memory may be handed on.
    const options = { createParents: true, ...saveOptions, ifExists, signal, transfer: true };
    const result = await sink.save(value, target, options);
    if (result.status === "failed") throw result.error;
    const { status } = result;
    // What was skipped is not in the target, or is something else there.
    const isGone = release && status !== "skipped" && !(await isSamePlace(source, path, sink, target));
    if (!isGone) return { status, isReleased: false };
    try {
      return { status, isReleased: await this.#release(source, path, stat) };
    } catch (cause) {
      // It is stored, whatever becomes of the other copy.
      const error = toStorageError(cause, { backend: source.name, operation: "materialize", identifier: path });
      return { status, isReleased: false, error };
    }
  }

  /** Removes a stored value from its source, unless somebody has put another one there. */
  async #release(source: StorageBackend, path: string, before: EntryStat): Promise<boolean> {
    const storage = needOperation(source, "delete");
    const now = await storage.stat(path);
    const isKnown = before.etag !== undefined || before.modifiedMs !== undefined;
    const isSame = now.exists && now.etag === before.etag && now.modifiedMs === before.modifiedMs;
    if (!isKnown || !isSame) return false;
    await storage.delete(path);
    return true;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= (this.#options.concurrency as number)) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    } else this.#running++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }

  #checkOpen(identifier: string): void {
    const context = { backend: this.#options.to, operation: "materialize", identifier };
    checkOpen(this.#finishing === undefined, "The materialization", context);
    checkAborted(this.#signal, context);
  }
}

/**
 * Begins to store values of one backend in another, in the background: memory to disk, to Zarr, to a bucket.
 *
 * @param files - A `FileManager`, which has the backends. It must stay open until the job is done.
 * @example
 * ```ts
 * import { FileManager, materialize } from "sluice";
 * import { BackendSet, createRegistry } from "sluice/registry";
 * await using backends = new BackendSet(createRegistry(), { work: { use: "memory" }, done: { use: "memory" } });
 * const files = new FileManager(backends);
 * await using job = materialize(files, { from: "work", to: "done" });
 * await files.save({ cells: 12 }, "A01.json", "work");
 * await job.add("A01.json", "2026/A01.json");
 * const { isComplete } = await job.finish();
 * ```
 */
export function materialize(files: MaterializeBackends, options: MaterializeOptions): Materialization {
  return new Materialization(files, options);
}

/** True if two paths may lead to one value. Two services may have places of one name: then nothing is removed. */
async function isSamePlace(source: BackendBase, path: string, sink: BackendBase, target: string): Promise<boolean> {
  if (source === sink && normalizeKey(path) === normalizeKey(target)) return true;
  const [one, other] = await Promise.all([bytesOf(source), bytesOf(sink)]);
  if (one === undefined || other === undefined || !one.capabilities.persistent) return false;
  return one.uri(keyIn(one, path)) === other.uri(keyIn(other, target));
}

function throwProblems({ items }: MaterializeReport, target: string): void {
  const failures: unknown[] = items.flatMap(({ error }) => (error === undefined ? [] : [error]));
  const cancelled = items.filter(({ status }) => status === "cancelled");
  if (cancelled.length > 0) {
    const message = `${cancelled.length} of ${items.length} values were called off before they were in "${target}"`;
    failures.push(new StorageError("ABORTED", message, { backend: target, operation: "materialize" }));
  }
  throwFailures(failures, `Not everything is in "${target}"`);
}
