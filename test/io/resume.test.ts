import { spawn } from "node:child_process";
import { once } from "node:events";
import { type FileHandle, open, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { moveTree, syncTree } from "../../src/io/tree-transfer.ts";
import { stack } from "../../src/layers/stack.ts";
import { bundle } from "../support/bundle.ts";
import { freshMemory } from "../support/byte-stores.ts";
import {
  backendOf,
  freshFolder,
  goOnCopying,
  interruptCopy,
  isSame,
  longBytes,
  MIB,
} from "../support/interrupted-copy.ts";
import { rejectionOf } from "../support/rejection.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function disk() {
  const subject = await freshFolder();
  closing.push(() => subject.dispose?.());
  return subject;
}

describe("a long value on disk", () => {
  test("goes on where a copy was called off; nobody sees the half of it", async () => {
    const [from, to] = [await disk(), await disk()];
    const value = longBytes(8 * MIB);
    await from.side.put("a.bin", value);
    expect(await interruptCopy(from.store, to.store, 5 * MIB)).toBe("ABORTED");
    expect(await to.temps()).toHaveLength(1);
    const listed: string[] = [];
    for await (const { key } of to.store.list()) listed.push(key);
    expect(listed).toEqual([]);
    expect(await goOnCopying(from.store, to.store)).toBeGreaterThanOrEqual(5 * MIB);
    expect(isSame(await to.side.get("a.bin"), value)).toBe(true);
    expect(await to.temps()).toEqual([]);
  });

  test("is never made of two versions: what was copied of the old one is thrown away", async () => {
    const [from, to] = [await disk(), await disk()];
    await from.side.put("a.bin", longBytes(8 * MIB));
    await interruptCopy(from.store, to.store, 5 * MIB);
    const newer = longBytes(8 * MIB, 2);
    await from.side.put("a.bin", newer);
    await utimes(join(from.root, "a.bin"), 1, 1);
    expect(await goOnCopying(from.store, to.store)).toBe(0);
    expect(isSame(await to.side.get("a.bin"), newer)).toBe(true);
    expect(await to.temps()).toEqual([]);
  });

  test("stays where it was if going on is called off while what is there is read", async () => {
    const { store, root, temps } = await disk();
    const resume = { origin: "version 1", content: () => store.readStream("none") };
    const first = await store.openWriter("a.bin", { resume });
    await first.write(longBytes(10 * MIB));
    await first.suspend?.();
    const controller = new AbortController();
    const probe = await open(join(root, (await temps())[0] as string));
    const handles = Object.getPrototypeOf(probe) as FileHandle;
    const read = handles.read;
    const reads = vi.spyOn(handles, "read").mockImplementation(function (this: FileHandle, ...call: unknown[]) {
      controller.abort();
      return Reflect.apply(read, this, call);
    } as FileHandle["read"]);
    const opening = store.openWriter("a.bin", { resume, signal: controller.signal });
    expect((await rejectionOf(opening)).code).toBe("ABORTED");
    expect(reads).toHaveBeenCalledTimes(1);
    reads.mockRestore();
    await probe.close();
    await using second = await store.openWriter("a.bin", { resume });
    expect(second.kept?.byteLength).toBe(10 * MIB);
  });

  test("is begun again if its first half was damaged or cut", async () => {
    const [from, to] = [await disk(), await disk()];
    const value = longBytes(8 * MIB);
    await from.side.put("a.bin", value);
    for (const damage of [(half: Buffer) => half.fill(0, 4096, 4097), (half: Buffer) => half.subarray(0, MIB)]) {
      await interruptCopy(from.store, to.store, 5 * MIB);
      const [name = ""] = await to.temps();
      const path = join(to.root, name);
      await writeFile(path, damage(await readFile(path)));
      expect(await goOnCopying(from.store, to.store)).toBe(0);
      expect(isSame(await to.side.get("a.bin"), value)).toBe(true);
      expect(await to.temps()).toEqual([]);
      await to.store.delete("a.bin");
    }
  });

  test("goes on after a kill, from the last mark at most 16 MiB back, with every other file", async () => {
    const child = await bundle(new URL("children/copy-and-die.ts", import.meta.url));
    closing.push(() => child.remove());
    const [from, to] = [await disk(), await disk()];
    const value = longBytes(96 * MIB);
    await from.side.put("b.bin", value);
    await from.side.put("a.txt", new TextEncoder().encode("small"));
    for (const [killedAt, kept] of [
      [40 * MIB, 32 * MIB],
      [80 * MIB, 64 * MIB],
    ] as const) {
      const process_ = spawn(process.execPath, [child.path, from.root, to.root, String(killedAt)]);
      expect((await once(process_, "close"))[1]).toBe("SIGKILL");
      const names = await readdir(to.root);
      expect(names).toContain("a.txt");
      expect(names).not.toContain("b.bin");
      const [partial = ""] = await to.temps();
      expect(Number.parseInt(/z([0-9a-z]+)z[0-9a-f]{8}$/.exec(partial)?.[1] ?? "", 36)).toBeGreaterThanOrEqual(kept);
    }
    const seen: number[] = [];
    const ends = { source: backendOf(from.store), from: "", target: backendOf(to.store), to: "" };
    const items = await syncTree(ends, { concurrency: 1, onProgress: ({ byteLength }) => seen.push(byteLength) });
    expect(items.map((item) => item.status)).toEqual(["equal", "copied"]);
    expect(seen[1]).toBeGreaterThanOrEqual(64 * MIB);
    expect(isSame(await to.side.get("b.bin"), value)).toBe(true);
    expect(await to.temps()).toEqual([]);
  }, 60_000);

  test("is taken over by one of two copies at once; both leave the right value and nothing else", async () => {
    const [from, to] = [await disk(), await disk()];
    const value = longBytes(8 * MIB);
    await from.side.put("a.bin", value);
    await interruptCopy(from.store, to.store, 5 * MIB);
    const both = [goOnCopying(from.store, to.store), goOnCopying(from.store, to.store)];
    const answers = await Promise.allSettled(both);
    expect(answers.some((answer) => answer.status === "fulfilled" && answer.value >= 5 * MIB)).toBe(true);
    for (const answer of answers) {
      if (answer.status === "rejected") expect(answer.reason).toMatchObject({ code: "ALREADY_EXISTS" });
    }
    expect(isSame(await to.side.get("a.bin"), value)).toBe(true);
    expect(await to.temps()).toEqual([]);
  });

  test("is found and removed by recover while nobody writes it", async () => {
    const [from, to] = [await disk(), await disk()];
    await from.side.put("a.bin", longBytes(4 * MIB));
    await interruptCopy(from.store, to.store, 2 * MIB);
    const temps = await to.temps();
    expect((await to.store.removeLeftovers()).map(({ path }) => path)).toEqual(temps);
    expect(await goOnCopying(from.store, to.store)).toBe(0);
  });

  test("is moved only when it is whole", async () => {
    const [from, to] = [await disk(), await disk()];
    const value = longBytes(4 * MIB);
    await from.side.put("a.bin", value);
    await interruptCopy(from.store, to.store, 2 * MIB);
    const ends = { source: backendOf(from.store), from: "a.bin", target: backendOf(to.store), to: "a.bin" };
    expect(await moveTree(ends, { resumeFrom: MIB })).toMatchObject([{ status: "copied" }]);
    expect(await from.side.keys()).toEqual([]);
    expect(isSame(await to.side.get("a.bin"), value)).toBe(true);
  });

  test("is begun again where its version has no name that lasts, and below the length asked for", async () => {
    const [from, to] = [await freshMemory(), await disk()];
    await from.side.put("a.bin", longBytes(4 * MIB));
    expect(await interruptCopy(from.store, to.store, 2 * MIB)).toBe("ABORTED");
    expect(await to.temps()).toEqual([]);
    const near = await disk();
    await near.side.put("a.bin", longBytes(4 * MIB));
    await interruptCopy(near.store, to.store, 2 * MIB);
    expect(await goOnCopying(near.store, to.store, { resumeFrom: 8 * MIB })).toBe(0);
  });

  test("goes on through layers, and is begun again under one that sums what passes by", async () => {
    const from = await disk();
    const value = longBytes(8 * MIB);
    await from.side.put("a.bin", value);
    for (const [layers, kept] of [
      [[{ use: "prefix", prefix: "p" }, { use: "retry" }, { use: "meter" }, { use: "limit", concurrency: 4 }], 5 * MIB],
      [[{ use: "checksum", sums: (await freshMemory()).store }], 0],
    ] as const) {
      const to = await disk();
      const target = await stack(to.store, layers);
      await interruptCopy(from.store, target, 5 * MIB);
      expect(await goOnCopying(from.store, target)).toBeGreaterThanOrEqual(kept);
      if (kept === 0) expect(await to.temps()).toEqual([]);
      expect(isSame(await target.read("a.bin"), value)).toBe(true);
    }
  });
});
