import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MemoryStore } from "../../../backends/memory/store.ts";
import { openZarr } from "../../../backends/zarr/index.ts";
import { createArchive } from "../../../backends/zip/index.ts";
import { ZipStore, type ZipStoreOptions } from "../../../backends/zip/store.ts";
import { BackendSet } from "../../../registry/backend-set.ts";
import { createRegistry } from "../../../registry/builtin.ts";
import { isStorageError } from "../../../src/core/errors.ts";
import { ChaosStore } from "../../../src/layers/chaos.ts";
import { drain, keysOf, pattern, text } from "../../../src/testing/byte-store-checks.ts";
import { hasProgram, ourZip, piecesOf, pythonZip } from "../../support/archives.ts";
import { storeAt } from "../../support/http-store.ts";
import { rejectionOf } from "../../support/rejection.ts";
import { webServer } from "../../support/web-server.ts";

const python = hasProgram("python3");
const infoZip = hasProgram("zip") && hasProgram("unzip");
if (!python) console.warn("python3 is not installed: archives are not compared with those of its zipfile");
if (!infoZip) console.warn("zip and unzip are not installed: archives are not compared with theirs");

async function archiveOf(bytes: Uint8Array, options: ZipStoreOptions = {}) {
  const outer = new MemoryStore();
  await outer.write("a.zip", bytes);
  return { outer, store: new ZipStore(outer, "a.zip", options) };
}

/** What Python says of an archive that it reads itself. */
function askPython(script: string, input: Uint8Array): string {
  return execFileSync("python3", ["-c", script], { input, encoding: "utf8" });
}

/** An archive of one entry, with the bytes of its name exchanged for others of equal length. */
async function renamed(name: string, raw: string): Promise<Uint8Array> {
  const bytes = Buffer.from(await ourZip("store", false)(new Map([[name, text("x")]])));
  for (let at = bytes.indexOf(name); at >= 0; at = bytes.indexOf(name, at + 1)) bytes.write(raw, at);
  return new Uint8Array(bytes);
}

const contents = new Map([
  ["notes.txt", text("wet sample ".repeat(1000))],
  ["a/é 😀 [1].bin", pattern(300_000)],
  ["empty", new Uint8Array(0)],
]);

describe("archives of other tools", () => {
  it.skipIf(!python)("of Python: what it writes we read, what we write it finds whole", async () => {
    const { store } = await archiveOf(await pythonZip(contents));
    for (const [key, value] of contents) expect(await store.read(key)).toEqual(value);
    const script = `
import io, sys, zipfile, zlib
z = zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read()))
assert z.testzip() is None
print([(n, len(z.read(n)), zlib.crc32(z.read(n))) for n in z.namelist()] == eval(sys.argv[1]) if len(sys.argv) > 1 else [(n, len(z.read(n))) for n in z.namelist()])`;
    for (const make of [ourZip("deflate", false), ourZip("store", true), ourZip("deflate", true)]) {
      const expected = [...contents].map(([key, value]) => `('${key}', ${value.length})`).join(", ");
      expect(askPython(script, await make(contents)).trim()).toBe(`[${expected}]`);
    }
  });

  it.skipIf(!python)(
    "more than 65,535 entries, and something before the archive",
    async () => {
      const many = new Map(Array.from({ length: 66_000 }, (_, i) => [`d${i % 9}/${i}`, text(String(i))] as const));
      const ours = await ourZip("store", false)(many);
      const { store } = await archiveOf(new Uint8Array([...text("#!/bin/sh\n"), ...ours]));
      expect((await keysOf(store)).length).toBe(66_000);
      expect(await store.read("d3/65046")).toEqual(text("65046"));
      const count =
        "import io, sys, zipfile; print(len(zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read())).namelist()))";
      expect(askPython(count, ours).trim()).toBe("66000");
    },
    60_000,
  );

  it.skipIf(!infoZip)("of Info-ZIP: both ways, with links, and streamed", async () => {
    const folder = mkdtempSync(join(tmpdir(), "sluice-zip-"));
    try {
      mkdirSync(join(folder, "in/a"), { recursive: true });
      for (const [key, value] of contents) writeFileSync(join(folder, "in", key), value);
      symlinkSync("notes.txt", join(folder, "in/link"));
      const utf8 = { cwd: join(folder, "in"), env: { ...process.env, LC_ALL: "C.UTF-8" } };
      execFileSync("zip", ["-qry", "../a.zip", "."], utf8);
      const streamed = spawnSync("zip", ["-qr", "-", "."], { ...utf8, maxBuffer: 1e8 }).stdout;
      for (const bytes of [readFileSync(join(folder, "a.zip")), streamed]) {
        const { store } = await archiveOf(new Uint8Array(bytes));
        for (const [key, value] of contents) expect(await store.read(key)).toEqual(value);
      }
      const { store } = await archiveOf(new Uint8Array(readFileSync(join(folder, "a.zip"))));
      expect(await store.read("link")).toEqual(text("notes.txt"));
      for (const isStreamed of [false, true]) {
        writeFileSync(join(folder, "ours.zip"), await ourZip("deflate", isStreamed)(contents));
        expect(spawnSync("unzip", ["-tq", join(folder, "ours.zip")], { encoding: "utf8" }).stdout).toMatch(/No errors/);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("names without a mark are of code page 437", async () => {
    const bytes = Buffer.from(await renamed("xyz", "xyz"));
    for (let at = bytes.indexOf("xyz"); at >= 0; at = bytes.indexOf("xyz", at + 1)) bytes.set([0x81, 0x9c, 0xe1], at);
    // The flags: six bytes into the local header, eight into the central one.
    bytes.writeUInt16LE(0, 6);
    bytes.writeUInt16LE(0, bytes.indexOf("PK\x01\x02") + 8);
    const { store } = await archiveOf(new Uint8Array(bytes));
    expect(await keysOf(store)).toEqual(["ü£ß"]);
    expect(await store.read("ü£ß")).toEqual(text("x"));
  });
});

describe("a damaged or hostile archive", () => {
  it.each(["../../xy", "/abs/xyz", "c:\\xyz/w", "a/../xyz", "..\\..\\xy"])(
    "%s is refused, or skipped",
    async (name) => {
      const bytes = await renamed("abcdefgh", name);
      expect((await rejectionOf(keysOf((await archiveOf(bytes)).store))).code).toBe("CORRUPT");
      expect(await keysOf((await archiveOf(bytes, { badNames: "skip" })).store)).toEqual([]);
    },
  );

  it("cut off anywhere is CORRUPT", async () => {
    const whole = await ourZip("deflate", false)(contents);
    for (let length = 0; length < whole.length; length += 1 + Math.floor(whole.length / 97)) {
      const { store } = await archiveOf(whole.slice(0, length));
      expect((await rejectionOf(store.read("notes.txt"))).code).toBe("CORRUPT");
    }
  });

  it("with a wrong checksum fails whole reads and the end of streams", async () => {
    for (const make of [ourZip("store", false), ourZip("store", true)]) {
      const bytes = Buffer.from(await make(contents));
      bytes.write("dry", bytes.indexOf("wet"));
      const { store } = await archiveOf(new Uint8Array(bytes));
      expect((await rejectionOf(store.read("notes.txt"))).message).toMatch(/CRC-32/);
      expect((await rejectionOf(store.readStream("notes.txt").then(drain))).message).toMatch(/CRC-32/);
      expect(await store.read("empty")).toEqual(new Uint8Array(0));
    }
  });

  it("that would grow beyond what it declares is stopped there", async () => {
    const bytes = Buffer.from(await ourZip("deflate", false)(new Map([["bomb", new Uint8Array(10_000_000)]])));
    const central = bytes.indexOf("PK\x01\x02");
    for (const [length, problem] of [
      [1000, /more bytes than the 1000/],
      [2 ** 31, /more than deflate can do/],
    ] as const) {
      bytes.writeUInt32LE(length, central + 24);
      const { store } = await archiveOf(new Uint8Array(bytes));
      expect((await rejectionOf(store.read("bomb"))).message).toMatch(problem);
      expect((await rejectionOf(store.readStream("bomb").then(drain))).message).toMatch(problem);
    }
  });

  it("whose entries share bytes is refused", async () => {
    const bytes = Buffer.from(
      await ourZip(
        "store",
        false,
      )(
        new Map([
          ["a", text("12345")],
          ["b", text("12345")],
        ]),
      ),
    );
    const second = bytes.lastIndexOf("PK\x01\x02");
    bytes.writeUInt32LE(0, second + 42);
    expect((await rejectionOf(keysOf((await archiveOf(new Uint8Array(bytes))).store))).message).toMatch(/next one/);
  });

  it("limits are kept", async () => {
    const bytes = await ourZip("deflate", false)(contents);
    const small = await archiveOf(bytes, { maxDirectoryBytes: 50 });
    expect((await rejectionOf(keysOf(small.store))).code).toBe("UNSUPPORTED");
    const { store } = await archiveOf(bytes, { maxValueBytes: 10_000 });
    expect((await rejectionOf(store.read("notes.txt"))).code).toBe("OUT_OF_RANGE");
    expect((await drain(await store.readStream("notes.txt"))).bytes.length).toBe(11_000);
  });

  it("with any bytes changed gives the right value or a typed error, and ends", async () => {
    const whole = await ourZip(
      "deflate",
      false,
    )(
      new Map([
        ["k", text("some text, some text")],
        ["l", pattern(50)],
      ]),
    );
    const change = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const bytes = whole.slice();
        for (const [at, value] of changes) bytes[at] = value;
        const { store } = await archiveOf(bytes);
        const outcome = await store.read("k").catch((error: unknown) => error);
        if (outcome instanceof Uint8Array) expect(outcome).toEqual(text("some text, some text"));
        else expect(isStorageError(outcome, "CORRUPT", "UNSUPPORTED", "NOT_FOUND", "IS_A_DIRECTORY")).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

describe("one version of an archive", () => {
  it("once it changes, reads are PRECONDITION_FAILED until refresh", async () => {
    const { outer, store } = await archiveOf(await ourZip("store", false)(contents));
    const { etag } = await store.stat("notes.txt");
    await outer.write("a.zip", await ourZip("store", false)(new Map([["notes.txt", pattern(11_000)]])));
    for (const read of [
      () => store.read("notes.txt"),
      () => store.read("notes.txt", { range: { offset: 5, length: 5 } }),
      () => store.readStream("notes.txt").then(drain),
    ]) {
      expect((await rejectionOf(read)).code).toBe("PRECONDITION_FAILED");
    }
    store.refresh();
    expect(await store.read("notes.txt")).toEqual(pattern(11_000));
    expect((await rejectionOf(store.read("notes.txt", { ifMatch: etag }))).code).toBe("PRECONDITION_FAILED");
  });

  it("costs few requests over HTTP, and a change there is seen", async () => {
    await using server = await webServer();
    server.values.set("a.zip", await ourZip("store", false)(contents));
    const store = new ZipStore(storeAt(server.url), "a.zip");
    expect(await store.read("notes.txt")).toEqual(contents.get("notes.txt"));
    expect(server.requests).toHaveLength(3);
    server.values.set("a.zip", await ourZip("deflate", false)(contents));
    expect((await rejectionOf(store.read("empty"))).code).toBe("PRECONDITION_FAILED");
  });
});

it.each(["store", "deflate"] as const)(
  "a %s entry that is left while the medium is silent lets go of it",
  async (kind) => {
    const outer = new MemoryStore();
    await outer.write("a.zip", await ourZip(kind, false)(new Map([["v", pattern(3_000_000)]])));
    const silent = new ChaosStore(outer, { faults: [{ on: "streamChunk", kind: "hang", after: 1 }] });
    const reader = (await new ZipStore(silent, "a.zip").readStream("v")).getReader();
    while (silent.hits.length === 0) {
      // Deflated pieces come ahead: read until one waits.
      const next = reader.read();
      await Promise.race([next, new Promise((resolve) => setImmediate(resolve))]);
    }
    await reader.cancel();
    expect(await reader.closed).toBeUndefined();
  },
);

describe("a new archive", () => {
  it("has the checksum of a stream that has empty pieces in it", async () => {
    const store = new MemoryStore();
    await using archive = await createArchive(store, "a.zip", { compression: "store" });
    await archive.addStream(
      "a",
      (async function* () {
        yield text("one");
        // The memory of this one has no address, which to zlib means "begin anew".
        yield new Uint8Array(new ArrayBuffer(0), 0, 0);
        yield text("two");
      })(),
    );
    await archive.close();
    expect(await new ZipStore(store, "a.zip").read("a")).toEqual(text("onetwo"));
  });

  it("appears at once when it is closed, and not at all when it is given up", async () => {
    const store = new MemoryStore();
    {
      await using archive = await createArchive(store, "run.zip");
      await archive.add("a", text("a"));
      expect((await rejectionOf(store.stat("run.zip"))).code).toBe("NOT_FOUND");
    }
    expect(await keysOf(store)).toEqual([]);
    await using archive = await createArchive(store, "run.zip", { ifAbsent: true });
    await Promise.all([archive.addStream("b", piecesOf(pattern(500_000))), archive.add("./a", text("a"))]);
    expect((await rejectionOf(archive.add("a", text("again")))).code).toBe("ALREADY_EXISTS");
    expect((await rejectionOf(archive.add("../a", text("out")))).code).toBe("INVALID_KEY");
    await archive.close();
    expect(await keysOf(new ZipStore(store, "run.zip"))).toEqual(["a", "b"]);
    expect((await rejectionOf(archive.add("c", text("c")))).code).toBe("NOT_OPEN");
    expect((await rejectionOf(createArchive(store, "run.zip", { ifAbsent: true }))).code).toBe("ALREADY_EXISTS");
  });

  it("takes an entry that was called off before its turn when it is added again", async () => {
    const store = new MemoryStore();
    await using archive = await createArchive(store, "run.zip");
    const controller = new AbortController();
    const first = archive.add("a", text("a"));
    const second = archive.add("b", text("never"), { signal: controller.signal });
    controller.abort();
    expect((await rejectionOf(second)).code).toBe("ABORTED");
    await first;
    await archive.add("b", text("b"));
    await archive.close();
    expect(await new ZipStore(store, "run.zip").read("b")).toEqual(text("b"));
  });

  it("of which an entry failed cannot be closed, and leaves what was there", async () => {
    const store = new MemoryStore();
    await store.write("run.zip", text("old"));
    for (const compression of ["deflate", "store"] as const) {
      const archive = await createArchive(store, "run.zip", { compression });
      const source = async function* () {
        yield pattern(200_000);
        throw new Error("the camera is gone");
      };
      expect((await rejectionOf(archive.addStream("a", source()))).message).toBe("the camera is gone");
      expect((await rejectionOf(archive.close())).code).toBe("CONFLICT");
      expect(await store.read("run.zip")).toEqual(text("old"));
    }
  });
});

describe("Zarr in an archive", () => {
  it("is read from a ZIP on a web server by its URL as it is from where it was written", async () => {
    const memory = new MemoryStore();
    const metadata = {
      zarr_format: 3,
      node_type: "array",
      shape: [4],
      data_type: "uint16",
      chunk_grid: { name: "regular", configuration: { chunk_shape: [2] } },
      chunk_key_encoding: { name: "default", configuration: { separator: "/" } },
      fill_value: 0,
      codecs: [{ name: "bytes", configuration: { endian: "little" } }],
      attributes: {},
    };
    await using archive = await createArchive(memory, "plate.zip");
    await archive.add("plate.zarr/zarr.json", text(JSON.stringify({ zarr_format: 3, node_type: "group" })));
    await archive.add("plate.zarr/cam/zarr.json", text(JSON.stringify(metadata)));
    await archive.add("plate.zarr/cam/c/0", new Uint8Array([1, 0, 2, 0]));
    await archive.add("plate.zarr/cam/c/1", new Uint8Array([3, 0, 4, 1]));
    await archive.close();
    await using server = await webServer();
    server.values.set("d/plate.zip", await memory.read("plate.zip"));
    await using set = new BackendSet(createRegistry());
    const store = await set.store(`zip:${server.url}d/plate.zip!/plate.zarr`);
    const group = await openZarr(store);
    expect(group).toMatchObject({ kind: "group", arrays: ["cam"] });
    const array = await openZarr(store, "cam");
    if (array.kind !== "array") throw new Error("no array");
    expect([...(await array.read()).data]).toEqual([1, 2, 3, 260]);
  });
});
