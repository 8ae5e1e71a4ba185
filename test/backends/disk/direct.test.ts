import { execFileSync } from "node:child_process";
import { constants } from "node:fs";
import { mkdtemp, open, readdir, readFile, readlink, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { disk } from "../../../backends/disk/index.ts";
import { DiskStore } from "../../../backends/disk/store.ts";
import { PAGE_BYTES, pageBlocks } from "../../../src/core/page-memory.ts";
import { pattern, text } from "../../../src/testing/byte-store-checks.ts";
import { freshDisk } from "../../support/byte-stores.ts";
import { whyNoMount } from "../../support/mounts.ts";

let root: string;
let store: DiskStore;
let release: () => Promise<void>;
beforeEach(async () => {
  const fresh = await freshDisk({ durability: "data" });
  ({ root, store } = fresh);
  release = async () => fresh.dispose?.();
});
afterEach(() => release());

/** Files below a folder that this process has open, each with whether it goes past the cache. */
async function openFiles(folder: string): Promise<boolean[]> {
  const found: boolean[] = [];
  for (const fd of await readdir("/proc/self/fd")) {
    const path = await readlink(`/proc/self/fd/${fd}`).catch(() => "");
    if (!path.startsWith(folder)) continue;
    const flags = /flags:\s*(\d+)/.exec(await readFile(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] as string;
    found.push((Number.parseInt(flags, 8) & constants.O_DIRECT) !== 0);
  }
  return found;
}

const isLinux = process.platform === "linux";

describe.skipIf(!isLinux)("writing past the cache of the system (only tried on Linux)", () => {
  test("happens for writers that ask for it, unless the store or its durability says otherwise", async () => {
    const opened = async (options: ConstructorParameters<typeof DiskStore>[0], hint?: "auto" | "never") => {
      await using writer = await new DiskStore({ root, ...options }).openWriter("value", { direct: hint });
      return (await openFiles(root)).includes(true) && writer.byteLength === 0;
    };
    expect(await opened({}, "auto")).toBe(true);
    expect(await opened({ durability: "data", direct: "auto" }, "auto")).toBe(true);
    expect(await opened({})).toBe(false);
    expect(await opened({}, "never")).toBe(false);
    expect(await opened({ direct: "never" }, "auto")).toBe(false);
    expect(await opened({ durability: "none" }, "auto")).toBe(false);
    const context = { instance: "raw", store: () => Promise.reject(new Error("not used")) };
    const raw = await disk.openStore?.({ root, direct: "never" }, context);
    const writer = await raw?.openWriter("value", { direct: "auto" });
    expect(await openFiles(root)).toEqual([false]);
    await writer?.abort();
    const schema = await disk.options?.();
    expect(schema?.["~standard"].validate({ direct: true })).toMatchObject({ issues: [{ path: ["direct"] }] });
  });

  test("takes a chunk of more bytes than one system call may have", async () => {
    const writer = await store.openWriter("value", { direct: "auto" });
    const chunk = pageBlocks(2 ** 31 + PAGE_BYTES, 1)[0] as Uint8Array;
    const probe = await open(import.meta.filename);
    const calls = vi.spyOn(Object.getPrototypeOf(probe) as typeof probe, "write");
    let end = 0;
    // Nothing is written: two GiB would take too long.
    calls.mockImplementation((async (_bytes: unknown, _offset: number, length: number, position: number) => {
      expect(length).toBeLessThan(2 ** 31);
      expect(position).toBe(end);
      end += length;
      return { bytesWritten: length, buffer: chunk };
    }) as never);
    try {
      await writer.write(chunk);
    } finally {
      calls.mockRestore();
      await probe.close();
      await writer.abort();
    }
    expect(end).toBe(chunk.byteLength);
  });

  test("holds to the byte, whatever the chunks, their memory, their places and their order", async () => {
    const length = fc.oneof(
      fc.constantFrom(0, 1, PAGE_BYTES, 16 * PAGE_BYTES, 64 * PAGE_BYTES, (2 << 20) + 5, 5 << 20),
      fc.integer({ min: 0, max: 300_000 }),
    );
    const chunk = fc.record({ length, offset: fc.constantFrom(0, 1, 16, 512, 4095), isPage: fc.boolean() });
    const run = async (chunks: { length: number; offset: number; isPage: boolean }[], order: number[]) => {
      const total = chunks.reduce((sum, each) => sum + each.length, 0);
      const expected = pattern(total);
      let at = 0;
      const pieces = chunks.map(({ length, offset, isPage }) => {
        const size = Math.ceil((offset + length + 1) / PAGE_BYTES) * PAGE_BYTES;
        const memory = isPage ? (pageBlocks(size, 1)[0] as Uint8Array) : new Uint8Array(size);
        const bytes = memory.subarray(offset, offset + length);
        bytes.set(expected.subarray(at, at + length));
        const piece = { bytes, position: at };
        at += length;
        return piece;
      });
      const writer = await store.openWriter("value", { direct: "auto", checksum: "crc32c" });
      const shuffled = pieces.map((piece, i) => ({ piece, at: order[i] ?? 0 })).sort((a, b) => a.at - b.at);
      await Promise.all(shuffled.map(({ piece }) => writer.write([piece.bytes], { position: piece.position })));
      expect((await writer.close()).byteLength).toBe(total);
      expect((await readFile(join(root, "value"))).equals(expected)).toBe(true);
      expect(await readdir(root)).toEqual(["value"]);
    };
    await fc.assert(
      fc.asyncProperty(fc.array(chunk, { maxLength: 6 }), fc.array(fc.nat(9), { minLength: 6, maxLength: 6 }), run),
      { numRuns: 40 },
    );
  });

  test("chunks over others leave what came last, through the cache or past it", async () => {
    const [page] = pageBlocks(1 << 20, 1) as [Uint8Array];
    page.set(pattern(1 << 20, 3));
    const expected = pattern((1 << 20) + 100, 1);
    const writer = await store.openWriter("value", { direct: "auto" });
    await writer.write(expected);
    await writer.write(pattern(10, 2), { position: 5000 });
    await writer.write(page.subarray(0, 1 << 19), { position: 8192 });
    await writer.write(text("small"), { position: 100_000 });
    await writer.close();
    expected.set(pattern(10, 2), 5000);
    expected.set(page.subarray(0, 1 << 19), 8192);
    expected.set(text("small"), 100_000);
    expect((await readFile(join(root, "value"))).equals(expected)).toBe(true);
  });

  test("an abort leaves the old value and nothing else, and no file open", async () => {
    await store.write("value", text("old"));
    const writer = await store.openWriter("value", { direct: "auto" });
    const writing = writer.write(pattern(10 << 20));
    await writer.abort();
    await writing;
    const left = await store.openWriter("new/value", { direct: "auto" });
    await left.write(pattern(100_000));
    await store.close();
    expect(await openFiles(root)).toEqual([]);
    expect(await readFile(join(root, "value"), "utf8")).toBe("old");
    expect(await readdir(root)).toEqual(["value"]);
  });

  test("no file stays open after close, and a link is written through as ever", async () => {
    await store.write("value", text("old"));
    await symlink("value", join(root, "link"));
    const writer = await store.openWriter("link", { direct: "auto" });
    await writer.write(pattern(1 << 20));
    await writer.close();
    expect(await openFiles(root)).toEqual([]);
    expect((await readFile(join(root, "value"))).equals(pattern(1 << 20))).toBe(true);
  });

  const noMount = whyNoMount();
  test.skipIf(noMount !== undefined)(
    `a file system that has no such way is written through the cache${noMount ? ` (not tried: ${noMount})` : ""}`,
    async () => {
      const folder = await mkdtemp(join(tmpdir(), "sluice-ramfs-"));
      execFileSync("mount", ["-t", "ramfs", "ramfs", folder]);
      try {
        const writer = await new DiskStore({ root: folder }).openWriter("value", { direct: "auto" });
        expect(await openFiles(folder)).toEqual([false]);
        await writer.write(pattern(3 << 20));
        await writer.close();
        expect((await readFile(join(folder, "value"))).equals(pattern(3 << 20))).toBe(true);
      } finally {
        execFileSync("umount", [folder]);
        await rm(folder, { recursive: true });
      }
    },
  );
});

describe("blocks at pages", () => {
  test("are apart, all zero, and hold what is written", () => {
    const blocks = pageBlocks(8192, 3);
    expect(blocks.map((block) => block.byteLength)).toEqual([8192, 8192, 8192]);
    blocks.forEach((block, i) => {
      expect(block.every((byte) => byte === 0)).toBe(true);
      block.fill(i + 1);
    });
    expect(blocks.map((block) => [block[0], block[8191]])).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
  });
});
