/** The scans of one file, as their engine knows them. */
import { checkAborted } from "../../core/checks.ts";
import { isStorageError, StorageError } from "../../core/errors.ts";
import type { DataStore } from "../data-store.ts";
import type { CallOptions, HistoryTag } from "../engine.ts";
import type { JsonObject } from "../json.ts";
import type { Scan } from "../scan.ts";
import { scanStates } from "../scan-state.ts";
import type { LayoutGroup, LayoutNode } from "./layout.ts";
import { readLayout } from "./read-layout.ts";

/** Headers of closed scans that are kept; others are loaded again. */
const KEPT = 64;

/** A scan, and the part of the file that it is. */
export interface ScanLayout {
  readonly scan: Scan;
  readonly root: LayoutGroup;
  /** What the layout was read from. */
  readonly info: JsonObject;
}

interface Known {
  /** Names at the root of the file; `undefined` while the scan is open. */
  names?: readonly string[];
  layout?: ScanLayout;
}

/**
 * The scans of one file. What is asked for is as of now: open scans are updated, new ones come from the history since
 * the last look, and what is closed does not change.
 */
export class FileScans {
  readonly #store: DataStore;
  readonly #file: string;
  /** In the order in which they were created. */
  readonly #known = new Map<string, Known>();
  #tag: HistoryTag | undefined;
  #looking: Promise<void> | undefined;

  constructor(store: DataStore, file: string) {
    this.#store = store;
    this.#file = file;
  }

  /** Takes in scans that are new. Answers the place in the history up to which all are known. */
  async look({ signal }: CallOptions): Promise<HistoryTag> {
    checkAborted(signal, { operation: "look", identifier: this.#file });
    // Without the signal: others wait for the same look.
    this.#looking ??= this.#lookNow().finally(() => {
      this.#looking = undefined;
    });
    await this.#looking;
    return this.#tag as HistoryTag;
  }

  /** Keys of the scans that are there, as of the last look. */
  get keys(): readonly string[] {
    return [...this.#known.keys()];
  }

  /** What all scans have at the root of the file, by name. A scan whose layout is wrong has nothing there. */
  async names(options: CallOptions): Promise<readonly string[]> {
    const names = new Set<string>();
    const keys = this.keys;
    const states = await this.#store.states(keys, options);
    for (const [i, key] of keys.entries()) {
      if (states[i] === undefined) this.#known.delete(key);
      else for (const name of await this.namesOf(key, options).catch(passWrong)) names.add(name);
    }
    return [...names];
  }

  /** The scans that have a name at the root of the file. */
  async find(name: string, options: CallOptions): Promise<readonly ScanLayout[]> {
    const found: ScanLayout[] = [];
    let wrong: unknown;
    for (const key of this.keys) {
      try {
        if (!(await this.namesOf(key, options)).includes(name)) continue;
        const layout = await this.layout(key, options);
        const [state] = await this.#store.states([key], options);
        if (state === undefined) this.#known.delete(key);
        else if (layout !== undefined) found.push(layout);
      } catch (error) {
        if (!isStorageError(error, "INVALID_DATA")) throw error;
        wrong = error;
      }
    }
    if (found.length === 0 && wrong !== undefined) throw wrong;
    return found;
  }

  /** What one scan has at the root of the file. */
  async namesOf(key: string, options: CallOptions): Promise<readonly string[]> {
    const known = this.#known.get(key);
    if (known?.names !== undefined) return known.names;
    return Object.keys((await this.layout(key, options))?.root.children ?? {});
  }

  /** A scan and its layout as it is now; `undefined` if it is not there, or has none yet. */
  async layout(key: string, options: CallOptions): Promise<ScanLayout | undefined> {
    const known = this.#known.get(key);
    if (known === undefined) return undefined;
    const before = known.layout;
    try {
      const scan = before?.scan ?? (await this.#store.loadScan(key, options));
      if (before !== undefined) await scan.update({ ...options, timeoutMs: 0 });
      const { info } = scan;
      const layout = before?.info === info ? before : { scan, root: layoutOf(scan, this.#file), info };
      this.#keep(key, known, layout);
      return scan.state >= scanStates.PREPARED || Object.keys(layout.root.children ?? {}).length > 0
        ? layout
        : undefined;
    } catch (error) {
      if (!isStorageError(error, "NOT_FOUND")) throw error;
      this.#known.delete(key);
      return undefined;
    }
  }

  /** A scan, as it was last seen. */
  async scan(key: string, options: CallOptions): Promise<Scan> {
    return this.#known.get(key)?.layout?.scan ?? (await this.#store.loadScan(key, options));
  }

  #keep(key: string, known: Known, layout: ScanLayout): void {
    known.layout = layout;
    if (layout.scan.state < scanStates.CLOSED) return;
    known.names = Object.keys(layout.root.children ?? {});
    const closed = [...this.#known].filter(([other, { names, layout: kept }]) => other !== key && names && kept);
    for (const [, other] of closed.slice(0, Math.max(0, closed.length + 1 - KEPT))) delete other.layout;
  }

  async #lookNow(): Promise<void> {
    const { engine } = this.#store;
    let hasGap = this.#tag === undefined;
    while (!hasGap) {
      const page = await engine.scansAfter(this.#tag as HistoryTag, { timeoutMs: 0 });
      hasGap = page.hasGap;
      for (const { key } of page.scans) await this.#take(key);
      this.#tag = page.tag;
      if (page.scans.length === 0) break;
    }
    if (!hasGap) return;
    const path = this.#file.replace(/[\\*]/g, "\\$&");
    const { tag, keys } = await this.#store.search({ identity: { path } });
    for (const key of keys) if (!this.#known.has(key)) this.#known.set(key, {});
    this.#tag = tag;
  }

  async #take(key: string): Promise<void> {
    if (this.#known.has(key)) return;
    try {
      const scan = await this.#store.loadScan(key);
      if (scan.identity.path === this.#file) this.#known.set(key, {});
    } catch (error) {
      // One that is damaged is of no file.
      if (!isStorageError(error, "NOT_FOUND", "CORRUPT")) throw error;
    }
  }
}

/**
 * The root of a file, as a scan sees it. A layout under `mapping` that is the scan's own entry is the group
 * `<number>.1` of the file.
 */
function layoutOf(scan: Scan, file: string): LayoutGroup {
  const { h5maps, mapping } = scan.info;
  const layout = isObject(h5maps) && Object.hasOwn(h5maps, file) ? h5maps[file] : mapping;
  if (layout === undefined) return { type: "group", attributes: {}, children: {} };
  const root = readLayout(layout, `The layout of ${scan.key} for ${file}`);
  if (root.attributes?.NX_class !== "NXentry") return root;
  const { number } = scan.identity;
  const name = `${typeof number === "number" ? number : scan.key}.1`;
  return { type: "group", attributes: {}, children: { [name]: root satisfies LayoutNode } };
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function passWrong(error: unknown): readonly string[] {
  if (error instanceof StorageError && error.code === "INVALID_DATA") return [];
  throw error;
}
