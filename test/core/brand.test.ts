import { describe, expect, it, vi } from "vitest";
import { BackendBase } from "../../src/core/backend.ts";
import { DataSink } from "../../src/core/data-sink.ts";
import { DataSource } from "../../src/core/data-source.ts";
import { StorageError } from "../../src/core/errors.ts";
import { ReadOnlyBackend, StreamingBackend, VirtualBackend } from "../../src/core/special-backends.ts";
import { StorageBackend } from "../../src/core/storage-backend.ts";
import { TinyArchive, TinyBackend, TinyPlates, TinyViewer } from "./tiny-backends.ts";

const bases = { BackendBase, DataSink, DataSource, ReadOnlyBackend, StorageBackend, StreamingBackend, VirtualBackend };

/** The bases that a value is an instance of. */
function basesOf(value: unknown): string[] {
  return Object.entries(bases).flatMap(([name, base]) => (value instanceof base ? [name] : []));
}

describe("instanceof", () => {
  it("tells the kinds of backends apart", () => {
    expect(basesOf(new TinyBackend())).toEqual(["BackendBase", "DataSink", "DataSource", "StorageBackend"]);
    expect(basesOf(new TinyArchive())).toEqual(["BackendBase", "DataSource", "ReadOnlyBackend"]);
    expect(basesOf(new TinyPlates())).toEqual(["BackendBase", "DataSink", "DataSource", "VirtualBackend"]);
    expect(basesOf(new TinyViewer())).toEqual(["BackendBase", "DataSink", "StreamingBackend"]);
    for (const other of [{}, [], null, undefined, "disk", () => {}, new Map()]) expect(basesOf(other)).toEqual([]);
  });

  it("compares subclasses in the ordinary way", () => {
    expect(new TinyBackend()).toBeInstanceOf(TinyBackend);
    expect(new TinyArchive()).not.toBeInstanceOf(TinyBackend);
  });

  it("holds between two loaded copies of the package", async () => {
    vi.resetModules();
    const copy = await import("./tiny-backends.ts");
    const errors = await import("../../src/core/errors.ts");
    expect(copy.TinyBackend).not.toBe(TinyBackend);
    expect(errors.StorageError).not.toBe(StorageError);

    expect(basesOf(new copy.TinyBackend())).toEqual(basesOf(new TinyBackend()));
    expect(basesOf(new copy.TinyArchive())).toEqual(basesOf(new TinyArchive()));
    expect(basesOf(new copy.TinyPlates())).toEqual(basesOf(new TinyPlates()));
    expect(basesOf(new copy.TinyViewer())).toEqual(basesOf(new TinyViewer()));
    expect(new errors.StorageError("NOT_FOUND", "x")).toBeInstanceOf(StorageError);
    expect(new copy.TinyBackend()).not.toBeInstanceOf(TinyBackend);
  });
});
