/** Scans with layouts, for tests of the view. */
import type { CreateScanOptions, DataStore } from "../../../src/live/data-store.ts";
import { DataStore as Store } from "../../../src/live/data-store.ts";
import { MemoryEngine } from "../../../src/live/engines/memory.ts";
import { MemoryLiveStore } from "../../../src/live/engines/memory-store.ts";
import type { JsonObject } from "../../../src/live/json.ts";
import type { StreamDefinition } from "../../../src/live/stream-definition.ts";
import { h5maps, type Layout, type LayoutItem } from "../../../src/live/view/layout.ts";
import type { WritableScan } from "../../../src/live/writable-scan.ts";

/** A store of this process. */
export function memoryStore(): DataStore {
  return new Store(new MemoryEngine(new MemoryLiveStore()));
}

/** Where a scan belongs, and what it has. */
export interface TestScan {
  readonly file: string;
  readonly number?: number;
  /** The children of the group `<number>.1`. */
  readonly children?: Readonly<Record<string, LayoutItem>>;
  /** The whole layout, in place of `children`. */
  readonly layout?: Layout;
  readonly info?: JsonObject;
  readonly streams?: Readonly<Record<string, StreamDefinition>>;
  readonly options?: CreateScanOptions;
}

/** The layout of a scan that is the group `<number>.1`. */
export function entry(number: number, children: Readonly<Record<string, LayoutItem>>): Layout {
  return {
    type: "group",
    children: { [`${number}.1`]: { type: "group", attributes: { NX_class: "NXentry" }, children } },
  };
}

/** A scan that is created, with its layout in its info. */
export async function createScan(store: DataStore, scan: TestScan): Promise<WritableScan> {
  const { file, number = 1, children = {}, layout = entry(number, children), info, streams = {} } = scan;
  const identity = { name: "test", number, data_policy: "None", path: file };
  const made = await store.createScan(identity, { ...scan.options, info: { ...(info ?? h5maps(file, layout)) } });
  for (const [name, definition] of Object.entries(streams)) await made.createStream(name, definition);
  return made;
}

/** A scan that takes data. */
export async function startScan(store: DataStore, scan: TestScan): Promise<WritableScan> {
  const made = await createScan(store, scan);
  await made.prepare();
  await made.start();
  return made;
}
