/** The checks of announcements catch writers and recoveries that break them. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type * as Recover from "../../../backends/zarr/recover-shards.ts";
import type * as Journal from "../../../backends/zarr/shard-journal.ts";
import type { ByteWriter } from "../../../src/core/byte-store.ts";
import { devices } from "./children/devices.ts";
import { frameOf } from "./support.ts";

const RECORD_BYTES = 32;

let root = "";
beforeEach(async () => {
  root = join(await mkdtemp(join(tmpdir(), "sluice-mutants-")), "run.zarr");
});
afterEach(async () => {
  vi.doUnmock("../../../backends/zarr/shard-journal.ts");
  vi.resetModules();
  await rm(root, { recursive: true, force: true });
});

/** Modules as they are after a mutation: those that were loaded before have the original. */
async function load(mutation: Partial<typeof Journal> = {}) {
  vi.resetModules();
  vi.doMock("../../../backends/zarr/shard-journal.ts", async (original) => ({
    ...(await original<typeof Journal>()),
    ...mutation,
  }));
  const { DiskStore } = await import("../../../backends/disk/store.ts");
  const { ZarrWriter } = await import("../../../backends/zarr/writer.ts");
  const { checkLive, checkRecovered, filesBelow } = await import("./announced.ts");
  return { DiskStore, ZarrWriter, checkLive, checkRecovered, filesBelow };
}

type Loaded = Awaited<ReturnType<typeof load>>;

/** Frames of the camera that are announced, and then left by a writer whose store goes away. */
async function leave({ DiskStore, ZarrWriter }: Loaded, store = new DiskStore({ root })): Promise<void> {
  const writer = new ZarrWriter("run", async () => store, { uri: pathToFileURL(root).href });
  for (const [name, { dtype, shape }] of Object.entries(devices)) writer.updateSource(name, dtype, shape);
  for (const name of Object.keys(devices)) await writer.prepare(name);
  await writer.kickoff();
  const { shape, dtype } = devices.camera;
  for (let i = 0; i < 4; i++) await writer.writeFrame("camera", frameOf(i, shape, dtype));
  for await (const count of writer.observeIndicesWritten({ name: "camera" })) if (count === 4) break;
  await store.close();
  await expect(writer.close()).rejects.toThrow();
}

async function change({ filesBelow }: Loaded, end: "d" | "j", how: (bytes: Buffer) => Buffer): Promise<void> {
  for (const path of await filesBelow(root)) {
    if (path.includes(".sluice-tmp-") && path.endsWith(end)) await writeFile(path, how(await readFile(path)));
  }
}

/** Cuts the last record in the middle of its checksum of the frame, and the frame itself away. */
async function tear(modules: Loaded): Promise<void> {
  await change(modules, "j", (bytes) => bytes.subarray(0, bytes.length - 10));
  await change(modules, "d", (bytes) => bytes.fill(7, 3 * 8192));
}

describe("the checks of announcements", () => {
  it("pass a writer that keeps its promises, also when its journal was cut", async () => {
    const modules = await load();
    await leave(modules);
    await using store = new modules.DiskStore({ root });
    await modules.checkLive(store, { camera: 4 });
    await tear(modules);
    expect(await modules.checkRecovered(store, { camera: 3 })).toEqual({ camera: 3, spectrum: 0 });
  });

  it("catch a writer that records frames before the store has them", async () => {
    const modules = await load();
    class Hasty extends modules.DiskStore {
      override async openWriter(...args: Parameters<InstanceType<Loaded["DiskStore"]>["openWriter"]>) {
        const writer = await super.openWriter(...args);
        // It says so at once; the process ends before it is true.
        const write: ByteWriter["write"] = async () => {};
        return new Proxy(writer, {
          get: (target, name) => (name === "write" ? write : Reflect.get(target, name, target)),
        });
      }
    }
    await leave(modules, new Hasty({ root }));
    await using store = new modules.DiskStore({ root });
    await expect(modules.checkLive(store, { camera: 4 })).rejects.toThrow();
    await expect(modules.checkRecovered(store, { camera: 4 })).rejects.toThrow("4 announced, 0 stored");
  });

  it("catch a recovery that does not compare checksums", async () => {
    await leave(await load());
    const { decodeRecords } = await vi.importActual<typeof Journal>("../../../backends/zarr/shard-journal.ts");
    const blind = await load({
      chunkChecksum: () => 0,
      decodeRecords: (bytes, first) => decodeRecords(bytes, first).map((record) => ({ ...record, crc32: 0 })),
    });
    await change(blind, "d", (bytes) => bytes.fill(7, 3 * 8192));
    await using store = new blind.DiskStore({ root });
    await expect(blind.checkRecovered(store, { camera: 3 })).rejects.toThrow("Frame 3 of camera is another one");
  });

  it("catch a recovery that takes a record which was cut short", async () => {
    await leave(await load());
    const { decodeRecords } = await vi.importActual<typeof Journal>("../../../backends/zarr/shard-journal.ts");
    const credulous = await load({
      chunkChecksum: () => 0,
      decodeRecords: (bytes, first = 0) => {
        const records = decodeRecords(bytes, first).map((record) => ({ ...record, crc32: 0 }));
        const rest = bytes.byteLength % RECORD_BYTES;
        const { offset, length } = records.at(-1) ?? { offset: 0, length: 0 };
        return rest < 16 ? records : [...records, { offset: offset + length, length, crc32: 0 }];
      },
    });
    await tear(credulous);
    await using store = new credulous.DiskStore({ root });
    await expect(credulous.checkRecovered(store, { camera: 3 })).rejects.toThrow("Frame 3 of camera is another one");
  });

  it("catch a recovery that does nothing", async () => {
    await leave(await load());
    vi.doMock(
      "../../../backends/zarr/recover-shards.ts",
      async (): Promise<Partial<typeof Recover>> => ({
        recoverShards: async () => [],
      }),
    );
    const { DiskStore, checkRecovered } = await load();
    await using store = new DiskStore({ root });
    await expect(checkRecovered(store, { camera: 4 })).rejects.toThrow("4 announced, 0 stored");
    vi.doUnmock("../../../backends/zarr/recover-shards.ts");
  });
});
