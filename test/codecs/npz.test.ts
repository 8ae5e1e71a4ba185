import { execFileSync } from "node:child_process";
import { crc32, deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { npyCodec } from "../../src/codecs/npy.ts";
import { type NpzOptions, npzCodec } from "../../src/codecs/npz.ts";
import { ArchiveInMemory } from "../../src/codecs/zip/archive-in-memory.ts";
import { readDirectory, type ZipEntry } from "../../src/codecs/zip/directory.ts";
import { EntryReader } from "../../src/codecs/zip/entry-reader.ts";
import { centralHeader, endRecords, localHeader, type WrittenEntry } from "../../src/codecs/zip/records.ts";
import { type NdArray, ndArray, zeros } from "../../src/core/nd-array.ts";
import { hasProgram } from "../support/archives.ts";
import { anyArray, bitsOf, ramp } from "../support/arrays.ts";
import { decode, encode, roundTrip } from "./codec-calls.ts";

type Arrays = Record<string, NdArray>;

/** An archive made entry by entry, whose records may say what is not so. */
function archive(entries: readonly { name: string; bytes: Uint8Array; lie?: Partial<WrittenEntry> }[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const written: WrittenEntry[] = [];
  let offset = 0;
  for (const { name, bytes, lie } of entries) {
    const entry: WrittenEntry = {
      name: Buffer.from(name),
      method: 0,
      isStreamed: false,
      crc32: crc32(bytes),
      compressedLength: bytes.length,
      byteLength: bytes.length,
      headerOffset: offset,
      modifiedMs: 0,
      ...lie,
    };
    const header = localHeader(entry);
    parts.push(header, bytes);
    offset += header.length + bytes.length;
    written.push(entry);
  }
  const directory = Buffer.concat(written.map(centralHeader));
  return new Uint8Array(Buffer.concat([...parts, directory, endRecords(written.length, offset, directory.length)]));
}

const npy = (array: NdArray) => encode(npyCodec, array);

describe("npz", () => {
  it.each(["store", "deflate"] as const)("gives back arrays of every dtype under any name: %s", async (compression) => {
    const name = fc
      .array(fc.string({ unit: "grapheme", minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 3 })
      .map((parts) => parts.map((part) => part.replace(/[/\\\0:]/g, "_").replace(/^\.+$/, "dots")).join("/"));
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(name, anyArray({ maxRank: 3 }), { maxKeys: 4, noNullPrototype: true }),
        async (arrays) => {
          const bytes = await encode(npzCodec, arrays, { compression });
          const loaded = (await decode(npzCodec, bytes)) as Arrays;
          expect(Object.keys(loaded)).toEqual(Object.keys(arrays));
          for (const [key, array] of Object.entries(arrays)) expect(bitsOf(loaded[key])).toEqual(bitsOf(array));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("keeps the order of the arrays, names that mean something to JavaScript, and no array at all", async () => {
    const arrays = Object.fromEntries(
      ["z", "a", "__proto__", "constructor"].map((name, i) => [name, ndArray(Uint8Array.of(i))]),
    );
    const loaded = (await roundTrip(npzCodec, arrays)) as Arrays;
    expect(Object.keys(loaded)).toEqual(["z", "a", "__proto__", "constructor"]);
    expect(Object.getOwnPropertyDescriptor(loaded, "__proto__")?.value.data[0]).toBe(2);
    expect(await roundTrip(npzCodec, {})).toEqual({});
  });

  it("stores from the arrays' own memory, and the same arrays give the same bytes", async () => {
    const image = ramp([4, 5], "uint16");
    const parts = (await npzCodec.encode({ image }, { identifier: "x", options: {} })) as Uint8Array[];
    expect(parts.some((part) => part.buffer === image.data.buffer)).toBe(true);
    expect(await encode(npzCodec, { image })).toEqual(await encode(npzCodec, { image }));
  });

  it("deflates where that is shorter", async () => {
    const blank = zeros([100, 100], "uint16");
    expect((await encode(npzCodec, { blank })).length).toBeGreaterThan(20_000);
    expect((await encode(npzCodec, { blank }, { compression: "deflate" })).length).toBeLessThan(500);
  });

  it("loads only the arrays that are named", async () => {
    const bytes = archive([
      { name: "notes.txt", bytes: Buffer.from("not an array") },
      { name: "a.npy", bytes: await npy(ramp([3], "int8")) },
      { name: "b.npy", bytes: Buffer.from("damaged") },
    ]);
    const loaded = (await decode(npzCodec, bytes, { names: ["a"] } satisfies NpzOptions)) as Arrays;
    expect(Object.keys(loaded)).toEqual(["a"]);
    await expect(decode(npzCodec, bytes, { names: ["c"] })).rejects.toMatchObject({
      code: "INVALID_DATA",
      message: expect.stringContaining("there are: a, b"),
    });
    await expect(decode(npzCodec, bytes)).rejects.toMatchObject({
      code: "CORRUPT",
      message: expect.stringContaining("notes.txt"),
    });
  });

  it.each([
    ["a list of arrays", [zeros([1], "int8")], "INVALID_DATA"],
    ["one array", zeros([1], "int8").data, "INVALID_DATA"],
    ["nothing", null, "INVALID_DATA"],
    ["a record with a number in it", { a: zeros([1], "int8"), b: 3 }, "INVALID_DATA"],
    ["a name that leads out", { "../a": zeros([1], "int8") }, "INVALID_KEY"],
    ["an absolute name", { "/a": zeros([1], "int8") }, "INVALID_KEY"],
    ["a name of Windows that leads out", { "a\\..\\..\\b": zeros([1], "int8") }, "INVALID_KEY"],
    ["a name that would change", { "a//b": zeros([1], "int8") }, "INVALID_KEY"],
    ["a name beyond 65,535 bytes", { ["ü".repeat(33_000)]: zeros([1], "int8") }, "INVALID_KEY"],
  ])("refuses to save %s", async (_what, value, code) => {
    await expect(encode(npzCodec, value)).rejects.toMatchObject({ code });
  });

  it("names the array that a record cannot hold, and options that it does not have", async () => {
    await expect(encode(npzCodec, { good: zeros([1], "int8"), bad: 3 })).rejects.toThrow('"bad"');
    await expect(encode(npzCodec, {}, { compression: "bzip2" })).rejects.toMatchObject({ code: "INVALID_DATA" });
    await expect(encode(npzCodec, {}, { level: 9 })).rejects.toThrow('no option "level"');
    await expect(decode(npzCodec, await encode(npzCodec, {}), { names: "a" })).rejects.toMatchObject({
      code: "INVALID_DATA",
    });
  });

  it("finds every truncation, and any byte of an array that was changed", async () => {
    const file = await encode(npzCodec, { a: ramp([3], "uint16"), b: ramp([5], "uint8") });
    for (let length = 0; length < file.length; length++) {
      await expect(decode(npzCodec, file.subarray(0, length)), `${length}`).rejects.toMatchObject({ code: "CORRUPT" });
    }
    const dataEnd = 30 + "a.npy".length + 128 + 6;
    for (let at = 30 + "a.npy".length; at < dataEnd; at++) {
      const damaged = file.slice();
      damaged[at] = (damaged[at] as number) ^ 0x10;
      await expect(decode(npzCodec, damaged), `byte ${at}`).rejects.toMatchObject({ code: "CORRUPT" });
    }
  });

  it("refuses two arrays of one name", async () => {
    const bytes = await npy(ramp([3], "int8"));
    const file = archive([
      { name: "a.npy", bytes },
      { name: "a.npy", bytes },
    ]);
    await expect(decode(npzCodec, file)).rejects.toMatchObject({
      code: "CORRUPT",
      message: expect.stringContaining("two entries"),
    });
  });

  it.each(["../a.npy", "/a.npy", "C:\\a.npy", "a\\..\\b.npy"])("refuses to load the name %s", async (name) => {
    const file = archive([{ name, bytes: await npy(ramp([3], "int8")) }]);
    await expect(decode(npzCodec, file)).rejects.toMatchObject({ code: "CORRUPT" });
  });

  it("unpacks to the declared length and not a byte more", async () => {
    const bomb = deflateRawSync(Buffer.alloc(64 << 20));
    const lie = { method: 8, byteLength: 1000, crc32: 0 } as const;
    await expect(decode(npzCodec, archive([{ name: "a.npy", bytes: bomb, lie }]))).rejects.toMatchObject({
      code: "CORRUPT",
      message: expect.stringContaining("more bytes than the 1000"),
    });
    const impossible = archive([{ name: "a.npy", bytes: bomb, lie: { ...lie, byteLength: 2 ** 40 } }]);
    await expect(decode(npzCodec, impossible)).rejects.toThrow("more than deflate can do");
    const honest = archive([{ name: "a.npy", bytes: bomb, lie: { ...lie, byteLength: 64 << 20 } }]);
    await expect(decode(npzCodec, honest, { maxBytes: 1 << 20 })).rejects.toMatchObject({
      code: "OUT_OF_RANGE",
      message: expect.stringContaining("maxBytes"),
    });
  });

  it("stops between arrays when it is aborted", async () => {
    const bytes = await encode(npzCodec, { a: zeros([1], "int8") });
    const context = { identifier: "x", options: {}, signal: AbortSignal.abort() };
    await expect(npzCodec.decode(bytes, context)).rejects.toMatchObject({ code: "ABORTED" });
    await expect(npzCodec.encode({ a: zeros([1], "int8") }, context)).rejects.toMatchObject({ code: "ABORTED" });
  });

  it("an archive in memory is read in parts and by stream as one in a store is", async () => {
    const file = await encode(npzCodec, { a: ramp([30_000], "uint8") });
    const source = new ArchiveInMemory(file, { identifier: "a.npz" });
    const directory = await readDirectory(source, { maxDirectoryBytes: 1000, badNames: "refuse" }, {});
    const entry = directory.get("a.npy") as ZipEntry;
    const reader = new EntryReader(source);
    const whole = await reader.whole(entry, {}, {});
    const [part] = await reader.storedParts(entry, [{ offset: 100, length: 50 }], {}, {});
    expect(part).toEqual(whole.subarray(100, 150));
    const pieces: Uint8Array[] = [];
    for await (const piece of reader.pieces(entry, { offset: 0, length: entry.byteLength }, {}, {})) pieces.push(piece);
    expect(new Uint8Array(Buffer.concat(pieces))).toEqual(whole);
    await expect(source.read(file.length - 1, 2)).rejects.toMatchObject({ code: "CORRUPT" });
  });
});

/** With the Python that any machine has: the interop tests ask numpy itself. */
describe.skipIf(!hasProgram("python3"))("npz and Python's zipfile", () => {
  it("finds nothing wrong with what we write", async () => {
    const file = await encode(
      npzCodec,
      { "a/b": ramp([100], "uint16"), ü: zeros([9], "int8") },
      { compression: "deflate" },
    );
    const script =
      "import io, json, sys, zipfile; z = zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read())); print(json.dumps([z.testzip(), z.namelist()]))";
    const answer = execFileSync("python3", ["-c", script], { input: file, encoding: "utf8" });
    expect(JSON.parse(answer)).toEqual([null, ["a/b.npy", "ü.npy"]]);
  });
});
