/** Segment files: what was appended comes back, torn ends mean nothing, and damage is named. */
import { appendFile, mkdtemp, open, readFile, rm, truncate, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readSegment, readSegments, SegmentReader } from "../../../src/live/segments/segment-reader.ts";
import { type SegmentReference, SegmentWriter } from "../../../src/live/segments/segment-writer.ts";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-segments-"));
  path = join(folder, "1.seg");
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function written(...payloads: readonly Uint8Array[]): Promise<SegmentReference[]> {
  await using writer = await SegmentWriter.create(path);
  return await Promise.all(payloads.map((payload) => writer.append(payload)));
}

async function scanned(): Promise<SegmentReference[]> {
  const found: SegmentReference[] = [];
  for await (const reference of readSegments(pathToFileURL(path).href)) found.push(reference);
  return found;
}

const bytes = (...values: number[]) => Uint8Array.from(values);

describe("a segment file", () => {
  it("gives back payloads of any length, which a reference finds as plain bytes of the file", async () => {
    const payloads = [new Uint8Array(0), bytes(1, 2, 3), new Uint8Array(300_000).fill(7)];
    const references = await written(...payloads);
    const file = new Uint8Array(await readFile(path));
    for (const [i, reference] of references.entries()) {
      expect(await readSegment(reference)).toEqual(payloads[i]);
      expect(file.slice(reference.offset, reference.offset + reference.length)).toEqual(payloads[i]);
      expect(reference.crc32).toBe(crc32(payloads[i] as Uint8Array));
    }
    expect(await scanned()).toEqual(references);
  });

  it("takes a payload in pieces, and keeps the order of calls that are not awaited", async () => {
    await using writer = await SegmentWriter.create(path);
    const appends = Array.from({ length: 50 }, (_, i) => writer.append([bytes(i), new Uint8Array(0), bytes(i, i)]));
    const references = await Promise.all(appends);
    expect(await scanned()).toEqual(references);
    for (const [i, reference] of references.entries()) expect(await readSegment(reference)).toEqual(bytes(i, i, i));
    await writer.sync();
    expect(writer.size).toBe((await readFile(path)).length);
  });

  it("is read up to the last whole record, wherever its writer was when it died", async () => {
    const payloads = [bytes(1, 2, 3), bytes(), bytes(4, 5)];
    const references = await written(...payloads);
    const whole = await readFile(path);
    const ends = references.map(({ offset, length }) => offset + length);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 16, max: whole.length }),
        fc.uint8Array({ maxLength: 40 }),
        async (cut, noise) => {
          await writeFile(path, Buffer.concat([whole.subarray(0, cut), cut < whole.length ? new Uint8Array() : noise]));
          expect(await scanned()).toEqual(references.slice(0, ends.filter((end) => end <= cut).length));
        },
      ),
    );
  });

  it("that claims a record longer than itself is read up to it", async () => {
    const references = await written(bytes(1));
    const other = join(folder, "2.seg");
    await using writer = await SegmentWriter.create(other);
    const { offset } = await writer.append(new Uint8Array(100_000));
    const header = (await readFile(other)).subarray(offset - 16, offset);
    await appendFile(path, header);
    expect(await scanned()).toEqual(references);
  });

  it("that was damaged is CORRUPT for whoever reads the payload, and only that", async () => {
    const [first, second] = (await written(bytes(1, 2), bytes(3, 4))) as [SegmentReference, SegmentReference];
    const file = await open(path, "r+");
    await file.write(bytes(9), 0, 1, first.offset);
    await file.close();
    await expect(readSegment(first)).rejects.toMatchObject({ code: "CORRUPT", identifier: path });
    expect(await readSegment(second)).toEqual(bytes(3, 4));
    await truncate(path, second.offset + 1);
    await expect(readSegment(second)).rejects.toMatchObject({ code: "CORRUPT" });
  });

  it("is not taken for another file, nor another file for it", async () => {
    const [reference] = (await written(bytes(1))) as [SegmentReference];
    await expect(SegmentWriter.create(path)).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await expect(SegmentWriter.create(join(folder, "no", "1.seg"))).rejects.toMatchObject({ code: "NOT_FOUND" });
    const file = await readFile(path);
    file.writeUInt32LE(2, 8);
    await writeFile(path, file);
    await expect(scanned()).rejects.toMatchObject({ code: "UNSUPPORTED" });
    await writeFile(path, "something else entirely");
    await expect(scanned()).rejects.toMatchObject({ code: "CORRUPT" });
    await unlink(path);
    await expect(scanned()).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(readSegment(reference)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("takes nothing more once it is closed, and has what came before", async () => {
    const writer = await SegmentWriter.create(path);
    const last = writer.append(bytes(1));
    await writer[Symbol.asyncDispose]();
    await writer[Symbol.asyncDispose]();
    expect(await readSegment(await last)).toEqual(bytes(1));
    await expect(writer.append(bytes(2))).rejects.toMatchObject({ code: "NOT_OPEN" });
  });
});

describe("a reader of segments", () => {
  it("reads on in a file that was removed while it had it open, until it forgets it", async () => {
    const [one, other] = (await written(bytes(1), bytes(2))) as [SegmentReference, SegmentReference];
    await using reader = new SegmentReader();
    expect(await reader.read(one)).toEqual(bytes(1));
    await unlink(path);
    expect(await reader.read(other)).toEqual(bytes(2));
    reader.forget(one.uri);
    await expect(reader.read(other)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("holds on to no file that another process has removed, once it has gone on to the next", async () => {
    const paths = ["1.seg", "2.seg", "3.seg"].map((name) => join(folder, name));
    const [gone, kept, next] = (await Promise.all(
      paths.map(async (name) => {
        await using writer = await SegmentWriter.create(name);
        return await writer.append(bytes(1));
      }),
    )) as [SegmentReference, SegmentReference, SegmentReference];
    await using reader = new SegmentReader();
    for (const reference of [gone, kept]) await reader.read(reference);
    await unlink(paths[0] as string);
    expect(await reader.read(gone)).toEqual(bytes(1));
    await reader.read(next);
    const reading = () => reader.read(gone).catch(({ code }: { code: string }) => code);
    await expect.poll(reading, { timeout: 30_000 }).toBe("NOT_FOUND");
    expect(await reader.read(kept)).toEqual(bytes(1));
  });

  it("reads many files with few open, at once", async () => {
    const references: SegmentReference[] = [];
    for (let i = 0; i < 20; i++) {
      await using writer = await SegmentWriter.create(join(folder, `many-${i}.seg`));
      references.push(await writer.append(bytes(i)));
    }
    await using reader = new SegmentReader({ keptFiles: 2 });
    const read = await Promise.all([...references, ...references].map((reference) => reader.read(reference)));
    expect(read.map(([value]) => value)).toEqual([...references.keys(), ...references.keys()]);
  });

  it("heeds signals, and takes nothing more once it is closed", async () => {
    const [reference] = (await written(bytes(1))) as [SegmentReference];
    const reader = new SegmentReader();
    await expect(reader.read(reference, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "ABORTED" });
    const last = reader.read(reference);
    await reader[Symbol.asyncDispose]();
    expect(await last).toEqual(bytes(1));
    await expect(reader.read(reference)).rejects.toMatchObject({ code: "NOT_OPEN" });
  });
});
