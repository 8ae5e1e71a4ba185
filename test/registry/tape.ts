/** Small backends of a third party. */
import type { BackendOptions, DirectoryEntry } from "../../src/core/backend.ts";
import { storageCapabilities } from "../../src/core/capabilities.ts";
import type { SaveResult } from "../../src/core/data-sink.ts";
import { type BackendDescriptor, defineBackend } from "../../src/core/descriptor.ts";
import type { BackendStat } from "../../src/core/readable-backend.ts";
import { StorageBackend } from "../../src/core/storage-backend.ts";

export const tapeCapabilities = { ...storageCapabilities, directories: false };

/** Options of {@link TapeBackend}. */
export interface TapeOptions extends BackendOptions {
  readonly label?: string;
}

/** A complete backend that holds nothing but its options. */
export class TapeBackend extends StorageBackend {
  readonly key: string = "tape";
  readonly capabilities = tapeCapabilities;
  readonly label: string;
  /** Number of calls of `doClose`. */
  closed = 0;

  constructor(options: TapeOptions = {}) {
    super(options);
    this.label = options.label ?? "";
  }

  protected async doLoad(key: string): Promise<unknown> {
    return `${this.label}:${key}`;
  }

  protected async doStat(): Promise<BackendStat> {
    return { kind: "missing", exists: false };
  }

  protected async *doList(): AsyncIterable<DirectoryEntry> {}

  protected async doSave(_data: unknown, key: string): Promise<SaveResult> {
    return { status: "created", identifier: key };
  }

  protected async doDelete(): Promise<void> {}

  protected override async doClose(): Promise<void> {
    this.closed++;
  }
}

/** Its descriptor, with changes. */
export function tape(changes: Partial<BackendDescriptor<TapeOptions>> = {}): BackendDescriptor<TapeOptions> {
  return {
    ...defineBackend<TapeOptions>({
      key: "tape",
      capabilities: tapeCapabilities,
      open: async (options, context) => new TapeBackend({ ...options, instance: context.instance }),
    }),
    ...changes,
  };
}
