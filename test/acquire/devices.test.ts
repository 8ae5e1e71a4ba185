import { describe, expect, it } from "vitest";
import {
  Device,
  getAvailableWriters,
  handleDescriptorMetadata,
  hasMetadata,
  hasWriterLogic,
  injectStorage,
  isConfigurable,
  isFlyable,
  isReadable,
  Status,
  storageSlot,
  storageSlotsOf,
  writesStreamAssets,
} from "../../src/acquire/index.ts";
import type { DataWriter, StorageProxy } from "../../src/core/frame-writer.ts";
import { ndArray } from "../../src/core/nd-array.ts";
import { FakeStorage } from "../../src/testing/fake-storage.ts";
import { PlainWriter } from "../support/plain-writer.ts";

class Stage extends Device {}

class Camera extends Device {
  static {
    storageSlot(this);
  }
  declare storage: StorageProxy | null;

  async expose(n: number): Promise<number> {
    if (this.storage === null) throw new Error("No storage configured for this session");
    this.storage.updateSource(this.name, "uint8", [2, 2]);
    const sink = await this.storage.prepare(this.name, n);
    await this.storage.kickoff();
    for (let i = 0; i < n; i++) await sink.write(ndArray(new Uint8Array(4).fill(i), [2, 2]));
    await sink.close();
    return this.storage.getIndicesWritten(this.name);
  }
}

describe("A storage slot", () => {
  it("is not there on devices that declare none", () => {
    const stage = new Stage("stage");
    expect("storage" in stage).toBe(false);
    expect(storageSlotsOf(stage).size).toBe(0);
    expect(injectStorage(stage, new FakeStorage())).toEqual([]);
    expect(Object.keys(stage)).toEqual(["name"]);
  });

  it("is null until a writer is put in, for each instance on its own", () => {
    const [one, two] = [new Camera("one"), new Camera("two")];
    const writer = new FakeStorage();
    expect([one.storage, two.storage]).toEqual([null, null]);
    expect(injectStorage(one, writer)).toEqual(["storage"]);
    expect([one.storage, two.storage]).toEqual([writer, null]);
    injectStorage(one, null);
    expect(one.storage).toBeNull();
  });

  it("has any name, is inherited, and is found on the class before a device exists", () => {
    class Spectrometer extends Camera {
      static {
        storageSlot(this, "archive");
      }
      declare archive: StorageProxy | null;
    }
    expect([...storageSlotsOf(Spectrometer).keys()].sort()).toEqual(["archive", "storage"]);
    expect([...storageSlotsOf(Camera).keys()]).toEqual(["storage"]);
    const device = new Spectrometer("s");
    const writer = new FakeStorage();
    injectStorage(device, writer, "archive");
    expect([device.archive, device.storage]).toEqual([writer, null]);
  });

  it("works for plain JavaScript that neither declares types nor extends Device", () => {
    function OldCamera() {}
    storageSlot(OldCamera as never, "store");
    const device = Object.freeze(new (OldCamera as unknown as new () => { store: unknown })());
    const writer = new FakeStorage();
    injectStorage(device, writer);
    expect(device.store).toBe(writer);
  });

  it("says so when a field hides it, or when it is not there", () => {
    class Shadow extends Device {
      static {
        storageSlot(this);
      }
      storage = null;
    }
    expect(() => injectStorage(new Shadow("s"), new FakeStorage())).toThrow(/declare storage/);
    expect(() => injectStorage(new Camera("c"), new FakeStorage(), "archive")).toThrow(/Declared: storage/);
  });
});

describe("The fake storage", () => {
  it("tests a device alone: calls in order, frames copied, documents and failures as told", async () => {
    const storage = new FakeStorage();
    const camera = new Camera("cam");
    await expect(camera.expose(1)).rejects.toThrow(/No storage/);
    injectStorage(camera, storage);
    expect(await camera.expose(2)).toBe(2);
    expect(storage.methods).toEqual([
      ...["updateSource", "prepare", "kickoff", "write", "write", "closeSink", "getIndicesWritten"],
    ]);
    expect(storage.calls[0]).toEqual({ method: "updateSource", values: ["cam", "uint8", [2, 2], {}] });
    expect(storage.frames("cam").map(({ data }) => data[0])).toEqual([0, 1]);
    expect(storage.isOpen).toBe(false);
    storage.failNext("kickoff", new Error("no disk"));
    await expect(camera.expose(1)).rejects.toThrow("no disk");
  });
});

describe("A device", () => {
  it("has a name that can be a data key", () => {
    expect(new Stage("stage").name).toBe("stage");
    for (const name of ["", "a/b", "a.b"]) expect(() => new Stage(name)).toThrow(/without dots/);
  });

  it("is known by what it can do", () => {
    const readable = { read: () => ({}), describe: () => ({}) };
    const flyer = { kickoff() {}, complete() {}, describeCollect() {}, collectAssetDocs() {}, getIndex() {} };
    expect([isReadable(readable), isConfigurable(readable), isFlyable(readable)]).toEqual([true, false, false]);
    expect([isFlyable(flyer), writesStreamAssets(flyer), isReadable(flyer)]).toEqual([true, true, false]);
    expect(isReadable(null)).toBe(false);
  });
});

describe("A status", () => {
  it("finishes once, and can be awaited", async () => {
    const status = new Status();
    const seen: boolean[] = [];
    status.onDone((done) => seen.push(done.success));
    expect([status.done, status.success]).toEqual([false, false]);
    status.setFinished();
    await status;
    expect([status.done, status.success, status.exception]).toEqual([true, true, undefined]);
    expect(seen).toEqual([true]);
    expect(() => status.setException(new Error("late"))).toThrow(/done already/);
  });

  it("fails without an unhandled rejection, and rejects whoever awaits it", async () => {
    const error = new Error("stuck");
    const status = Status.of(() => Promise.reject(error));
    await new Promise((resolve) => setImmediate(resolve));
    expect([status.done, status.success, status.exception]).toEqual([true, false, error]);
    await expect(status.wait()).rejects.toBe(error);
    await expect(Promise.resolve(status)).rejects.toBe(error);
    await expect(
      Status.of(() => {
        throw error;
      }),
    ).rejects.toBe(error);
    await Status.of(() => 1);
  });
});

describe("Writers are found through devices", () => {
  const zarr = new PlainWriter("main");
  const other = new PlainWriter("other");
  const bare: DataWriter = Object.assign(Object.create(null) as DataWriter, {
    mimetype: "image/tiff",
    open: async () => ({}),
    close: async () => {},
  });

  it("each once, by MIME type and group", () => {
    const twin = new PlainWriter("main");
    const devices = {
      a: { writerLogic: zarr },
      b: { writerLogic: zarr },
      c: { writerLogic: other },
      d: { writerLogic: bare },
      e: { writerLogic: twin },
      stage: new Stage("stage"),
      nothing: null,
      wrong: { writerLogic: 5 },
    };
    const expected = {
      "application/x-plain": { main: zarr, other, "main#2": twin },
      "image/tiff": { default: bare },
    };
    expect(getAvailableWriters(devices)).toEqual(expected);
    expect(getAvailableWriters(new Map(Object.entries(devices)))["application/x-plain"]?.main).toBe(zarr);
    expect(getAvailableWriters({})).toEqual({});
  });

  it("and told the configuration in a descriptor, where they store metadata", async () => {
    const writer = new PlainWriter("w", { uri: "plain://a" });
    expect([hasWriterLogic({ writerLogic: writer }), hasMetadata(writer), hasMetadata(bare)]).toEqual([
      true,
      true,
      false,
    ]);
    const configuration = (value: number) => ({
      data: { exposure: value },
      timestamps: { exposure: 1 },
      data_keys: {},
    });
    const doc = {
      configuration: {
        cam: configuration(0.1),
        stage: configuration(3),
        plain: configuration(4),
        empty: {} as never,
        unknown: configuration(5),
      },
    };
    const devices = {
      cam: { writerLogic: writer },
      empty: { writerLogic: writer },
      stage: new Stage("stage"),
      plain: { writerLogic: bare },
    };
    handleDescriptorMetadata(doc, devices);
    handleDescriptorMetadata({ configuration: {} }, devices);
    await writer.kickoff();
    expect(writer.stores.get("plain://a")?.metadata).toEqual({ cam: configuration(0.1) });
    await writer.close();
    writer.setUri("plain://b");
    handleDescriptorMetadata(doc, new Map(Object.entries(devices)), [writer, bare]);
    await writer.kickoff();
    expect(Object.keys(writer.stores.get("plain://b")?.metadata ?? {})).toEqual(["cam", "stage", "plain"]);
  });
});
