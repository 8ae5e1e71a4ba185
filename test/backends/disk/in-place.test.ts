import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DiskStore, type DiskStoreOptions } from "../../../backends/disk/store.ts";
import { inPlaceReader } from "../../../src/core/in-place.ts";
import { MeterStore } from "../../../src/layers/meter.ts";
import { pattern, text } from "../../../src/testing/byte-store-checks.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-in-place-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A store that knows what its root is on. */
async function storeWith(options: DiskStoreOptions = {}): Promise<DiskStore> {
  const store = new DiskStore({ root: join(folder, "root"), durability: "none", ...options });
  await store.write("known", text("x"));
  await setImmediate();
  return store;
}

/** The value of a key in place; the event loop has its turn first. */
async function openNow(store: DiskStore, key: string) {
  await setImmediate();
  const value = store.openInPlace(key);
  if (value === undefined) throw new Error("not read in place");
  return value;
}

const openFiles = () => readdirSync("/proc/self/fd").length;

describe("a value in place", () => {
  test("fills memory of the caller with any part", async () => {
    const store = await storeWith();
    await store.write("a/b", pattern(1000));
    const value = await openNow(store, "a/b");
    const into = new Uint8Array(100);
    expect(value.read(into, 300)).toBe(true);
    expect(into).toEqual(pattern(1000).subarray(300, 400));
    expect([value.byteLength, value.etag]).toEqual([1000, (await store.stat("a/b")).etag]);
    value.close();
    value.close();
  });

  test("is of one version, also when it is replaced or deleted between two reads", async () => {
    const store = await storeWith();
    await store.write("a", new Uint8Array(64).fill(1));
    const value = await openNow(store, "a");
    const [first, second] = [new Uint8Array(32), new Uint8Array(32)];
    expect(value.read(first, 0)).toBe(true);
    await store.write("a", new Uint8Array(64).fill(2));
    await store.delete("a");
    await setImmediate();
    expect(value.read(second, 32)).toBe(true);
    value.close();
    expect(new Set([...first, ...second])).toEqual(new Set([1]));
  });

  test("never leads out of the root", async () => {
    const store = await storeWith();
    writeFileSync(join(folder, "secret"), "x");
    mkdirSync(join(folder, "elsewhere"));
    writeFileSync(join(folder, "elsewhere", "b"), "x");
    symlinkSync(join(folder, "secret"), join(folder, "root", "link"));
    symlinkSync(join(folder, "elsewhere"), join(folder, "root", "folder"));
    for (const key of ["link", "folder/b", "../secret"]) {
      await setImmediate();
      expect(() => store.openInPlace(key)).toThrow(expect.objectContaining({ code: "INVALID_KEY" }));
      await expect(store.read(key)).rejects.toMatchObject({ code: "INVALID_KEY" });
    }
  });

  test("follows links inside the root", async () => {
    const store = await storeWith();
    await store.write("a", text("inside"));
    await store.symlink("a", "link");
    const value = await openNow(store, "link");
    const into = new Uint8Array(6);
    value.read(into, 0);
    value.close();
    expect(into).toEqual(text("inside"));
  });

  test("answers as a read does where there is none", async () => {
    const store = await storeWith();
    await store.write("folder/a", text("x"));
    execFileSync("mkfifo", [join(folder, "root", "pipe")]);
    const codes = { missing: "NOT_FOUND", "known/below": "NOT_FOUND", folder: "IS_A_DIRECTORY", pipe: "UNSUPPORTED" };
    const before = openFiles();
    for (const [key, code] of Object.entries(codes)) {
      await setImmediate();
      expect(() => store.openInPlace(key)).toThrow(expect.objectContaining({ code }));
      await expect(store.read(key)).rejects.toMatchObject({ code });
    }
    expect(openFiles()).toBe(before);
    await store.close();
    expect(() => store.openInPlace("known")).toThrow(expect.objectContaining({ code: "NOT_OPEN" }));
  });

  test("refuses what lies beyond its end, and reads nothing long", async () => {
    const store = await storeWith();
    await store.write("long", new Uint8Array(5 << 20).fill(3));
    const value = await openNow(store, "long");
    expect(() => value.read(new Uint8Array(2), (5 << 20) - 1)).toThrow(
      expect.objectContaining({ code: "OUT_OF_RANGE" }),
    );
    expect(value.read(new Uint8Array(5 << 20), 0)).toBe(false);
    value.close();
    expect((await store.read("long")).every((byte) => byte === 3)).toBe(true);
  });
});

describe("in place", () => {
  test("the event loop has its turn before long", async () => {
    const store = await storeWith();
    let count = 0;
    for (let value = store.openInPlace("known"); value !== undefined; value = store.openInPlace("known")) {
      value.close();
      count++;
    }
    expect(count).toBeGreaterThan(0);
    await setImmediate();
    (await openNow(store, "known")).close();
  });

  test("a caller that only reads lets others run", async () => {
    const store = await storeWith();
    let isOver = false;
    void setImmediate().then(() => {
      isOver = true;
    });
    while (!isOver) await store.read("known");
    expect(isOver).toBe(true);
  });

  test("what a caller does between its calls is part of its turn", async () => {
    const store = await storeWith();
    (await openNow(store, "known")).close();
    for (const begin = performance.now(); performance.now() - begin < 3; );
    expect(store.openInPlace("known")).toBeUndefined();
    (await openNow(store, "known")).close();
  });

  test("nothing is asked where it is switched off, where the root is not known yet, and where there is none", async () => {
    const never = await storeWith({ inPlace: "never" });
    expect(never.openInPlace("known")).toBeUndefined();
    expect(await never.read("known")).toEqual(text("x"));
    expect(new DiskStore({ root: join(folder, "root") }).openInPlace("known")).toBeUndefined();
    const whole = new DiskStore();
    await whole.read(join(folder, "root", "known"));
    expect(whole.openInPlace(join(folder, "root", "known"))).toBeUndefined();
  });

  test("layers see every read: they do not pass it on", async () => {
    const store = await storeWith();
    expect(inPlaceReader(store)).toBe(store);
    expect(inPlaceReader(new MeterStore(store))).toBeUndefined();
  });

  test("no file stays open", async () => {
    const store = await storeWith();
    await store.write("a", pattern(3 << 20));
    const before = openFiles();
    for (let i = 0; i < 200; i++) {
      await store.read("a", { range: { offset: i, length: 1000 } });
      await store.readRanges("a", [{ offset: 0, length: 10 }, { suffix: 10 }, { offset: 1 << 20, length: 1 << 20 }]);
      await expect(store.read("a", { ifMatch: "other" })).rejects.toMatchObject({ code: "PRECONDITION_FAILED" });
      await expect(store.read("a", { range: { offset: 4 << 20 } })).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
    }
    expect(openFiles()).toBe(before);
  });
});
