/** The smallest backends that the bases allow, for testing what the bases do. */
import type { BackendOptions, DirectoryEntry } from "../../src/core/backend.ts";
import type { OperationOptions } from "../../src/core/byte-store.ts";
import { type Capabilities, storageCapabilities } from "../../src/core/capabilities.ts";
import type { SaveOptions, SaveResult } from "../../src/core/data-sink.ts";
import type { LoadOptions } from "../../src/core/data-source.ts";
import { baseName, joinKey, parentKey } from "../../src/core/key.ts";
import type { BackendStat, DoStatOptions } from "../../src/core/readable-backend.ts";
import {
  ReadOnlyBackend,
  StreamingBackend,
  VirtualBackend,
  type WithContext,
} from "../../src/core/special-backends.ts";
import { type DoSaveOptions, StorageBackend } from "../../src/core/storage-backend.ts";

/** A value, a directory (`null`) or a link. */
export type Entry = { readonly value: unknown } | { readonly link: string } | null;

/** A flat map of entries with the hooks of a backend and nothing else: every default of the base is in use. */
export class TinyBackend extends StorageBackend {
  readonly key = "tiny";
  readonly capabilities: Capabilities;
  /** Everything stored, by key: the side door. */
  readonly entries = new Map<string, Entry>();
  /** Calls of hooks, in order. */
  readonly calls: string[] = [];

  constructor(options: BackendOptions & { readonly capabilities?: Partial<Capabilities> } = {}) {
    super(options);
    this.capabilities = { ...storageCapabilities, symlinks: true, ...options.capabilities };
  }

  protected async doLoad(key: string, _options: LoadOptions): Promise<unknown> {
    this.calls.push(`load ${key}`);
    const entry = this.entries.get(this.#real(key));
    if (entry && "value" in entry) return structuredClone(entry.value);
    throw Object.assign(new Error("ENOENT"), { code: "ENOENT" });
  }

  protected async doStat(key: string, { followSymlinks }: DoStatOptions): Promise<BackendStat> {
    const at = followSymlinks ? this.#real(key) : joinKey(this.#real(parentKey(key)), baseName(key));
    const entry = at === "" ? null : this.entries.get(at);
    if (entry === undefined) return { kind: "missing", exists: false };
    if (entry === null) return { kind: "directory", exists: true };
    if ("value" in entry) return { kind: "file", exists: true };
    return { kind: "symlink", exists: this.#real(at) !== at && this.entries.has(this.#real(at)), target: entry.link };
  }

  protected async *doList(key: string, _options: OperationOptions): AsyncIterable<DirectoryEntry> {
    const real = this.#real(key);
    for (const [path, entry] of [...this.entries].reverse()) {
      if (parentKey(path) !== real) continue;
      yield {
        name: baseName(path),
        kind: entry === null ? "directory" : "value" in entry ? "file" : "symlink",
      };
    }
  }

  protected override async doRealKey(key: string): Promise<string> {
    return this.#real(key);
  }

  protected async doSave(data: unknown, key: string, options: DoSaveOptions): Promise<SaveResult> {
    this.calls.push(`save ${key} ${options.ifExists}`);
    const isThere = this.entries.has(key);
    if (isThere && options.ifExists === "skip") return { status: "skipped", identifier: key };
    if (isThere && options.ifExists === "error") throw Object.assign(new Error("EEXIST"), { code: "EEXIST" });
    this.entries.set(key, { value: structuredClone(data) });
    return { status: isThere ? "replaced" : "created", identifier: key };
  }

  protected async doDelete(key: string, kind: BackendStat["kind"]): Promise<void> {
    this.calls.push(`delete ${key} ${kind}`);
    this.entries.delete(key);
  }

  protected override async doCreateDirectory(key: string): Promise<void> {
    if (key !== "" && !this.entries.has(key)) {
      await this.doCreateDirectory(parentKey(key));
      this.entries.set(key, null);
    }
  }

  protected override async doSymlink(target: string, key: string): Promise<void> {
    this.entries.set(key, { link: target });
  }

  protected override async doClose(): Promise<void> {
    this.calls.push("close");
  }

  /** The key with every link on the way followed; a circle ends at itself. */
  #real(key: string): string {
    let at = key;
    for (let steps = 0; steps < 20; steps++) {
      const prefix = [...this.entries].find(([path, entry]) => {
        return entry !== null && "link" in entry && (at === path || at.startsWith(`${path}/`));
      });
      if (!prefix) return at;
      at = (prefix[1] as { link: string }).link + at.slice(prefix[0].length);
    }
    return key;
  }
}

/** Reads two fixed files. */
export class TinyArchive extends ReadOnlyBackend {
  readonly key = "archive";
  readonly capabilities: Capabilities = { ...storageCapabilities, write: false, requiresFilesystemValidation: false };

  protected async doLoad(key: string): Promise<unknown> {
    if (key === "a.txt") return "one";
    throw new Error(`archive has no ${key}`);
  }

  protected async doStat(key: string): Promise<BackendStat> {
    if (key === "") return { kind: "directory", exists: true };
    return key === "a.txt" ? { kind: "file", exists: true } : { kind: "missing", exists: false };
  }

  protected async *doList(): AsyncIterable<DirectoryEntry> {
    yield { name: "a.txt", kind: "file" };
  }
}

/** Lists the wells of a plate that every call must name. */
export class TinyPlates extends VirtualBackend<{ plateId: number }> {
  readonly key = "plates";
  readonly capabilities: Capabilities = { ...storageCapabilities, requiresFilesystemValidation: false };
  override readonly requiredContext = ["plateId"] as const;

  protected async doLoad(key: string, options: WithContext<LoadOptions, { plateId: number }>): Promise<unknown> {
    return `${key} of plate ${options.plateId}`;
  }

  protected async doStat(key: string): Promise<BackendStat> {
    return { kind: key === "" ? "directory" : "file", exists: true };
  }

  protected async *doList(): AsyncIterable<DirectoryEntry> {
    yield { name: "B02.tif", kind: "file" };
    yield { name: "A01.tif", kind: "file" };
  }
}

/** Keeps what it was sent. */
export class TinyViewer extends StreamingBackend {
  readonly key = "viewer";
  readonly capabilities: Capabilities = { ...storageCapabilities, read: false, list: false };
  readonly sent: [string, unknown][] = [];

  protected async doSend(data: unknown, key: string, options: SaveOptions): Promise<void> {
    if (options.format === "broken") throw new Error("no viewer");
    this.sent.push([key, data]);
  }
}
