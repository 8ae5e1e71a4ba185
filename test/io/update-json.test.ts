import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lockPath } from "../../backends/disk/process-lock.ts";
import { DiskStore } from "../../backends/disk/store.ts";
import { MemoryBackend } from "../../backends/memory/backend.ts";
import { FileBackend } from "../../src/codecs/file-backend.ts";
import type { ByteStore } from "../../src/core/byte-store.ts";
import { StorageError } from "../../src/core/errors.ts";
import { updateJson } from "../../src/io/update-json.ts";
import { stack } from "../../src/layers/stack.ts";
import { type Bundle, bundle } from "../support/bundle.ts";
import { freshDisk, freshMemory } from "../support/byte-stores.ts";
import { rejectionOf } from "../support/rejection.ts";
import { replaceMethods } from "../support/replace-methods.ts";

const PROCESSES = 8;
const INCREMENTS = 200;

let increment: Bundle;
let holdLock: Bundle;
beforeAll(async () => {
  increment = await bundle(new URL("children/increment.ts", import.meta.url));
  holdLock = await bundle(new URL("children/hold-lock.ts", import.meta.url));
}, 60_000);
afterAll(() => Promise.all([increment.remove(), holdLock.remove()]));

/** Starts a child; `said` is what it has printed so far. */
function start(child: Bundle, ...args: readonly string[]): { process: ChildProcess; said: () => string[] } {
  const running = spawn(process.execPath, [child.path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  running.stdout.on("data", (chunk: Buffer) => {
    output += chunk;
  });
  return { process: running, said: () => output.split("\n").slice(0, -1) };
}

async function countIn(root: string): Promise<number> {
  return (JSON.parse(await readFile(join(root, "state/count.json"), "utf8")) as { count: number }).count;
}

describe.each([
  ["MemoryStore", freshMemory],
  ["DiskStore", () => freshDisk()],
] as const)("updateJson on a %s", (_name, make) => {
  test("makes the document from the default, then changes what is there", async () => {
    const { store, side, dispose } = await make();
    const options = { default: { runs: 0, seen: ["a"] } };
    const add = (value: { runs: number; seen: string[] }) => {
      value.seen.push("b");
      return { ...value, runs: value.runs + 1 };
    };
    expect((await updateJson(store, "state.json", add, options)).value).toEqual({ runs: 1, seen: ["a", "b"] });
    const second = await updateJson(store, "state.json", add, options);
    expect(second.value).toEqual({ runs: 2, seen: ["a", "b", "b"] });
    expect(options.default.seen).toEqual(["a"]);
    expect(new TextDecoder().decode(await side.get("state.json"))).toBe(`${JSON.stringify(second.value, null, 2)}\n`);
    expect(second.etag).toBe((await store.stat("state.json")).etag);
    await dispose?.();
  });

  test("calls under way at once lose nothing", async () => {
    const { store, dispose } = await make();
    const one = () => updateJson<number>(store, "count.json", async (count) => count + 1, { default: 0 });
    await Promise.all(Array.from({ length: 50 }, one));
    expect((await updateJson<number>(store, "count.json", () => undefined)).value).toBe(50);
    await dispose?.();
  });

  test("a damaged document is CORRUPT and stays, also with a default", async () => {
    const { store, side, dispose } = await make();
    const damaged = new TextEncoder().encode('{"runs": 3');
    await side.put("state.json", damaged);
    const error = await rejectionOf(updateJson(store, "state.json", () => ({ runs: 0 }), { default: {} }));
    expect(error.code).toBe("CORRUPT");
    expect(await side.get("state.json")).toEqual(damaged);
    await dispose?.();
  });

  test.each([
    ["NaN", { runs: Number.NaN }],
    ["undefined inside", { runs: undefined }],
    ["a date", new Date(0)],
  ])("%s is refused, and the old document stays", async (_what, next) => {
    const { store, side, dispose } = await make();
    await updateJson(store, "state.json", () => ({ runs: 1 }), { default: {} });
    const before = await side.get("state.json");
    expect((await rejectionOf(updateJson<unknown>(store, "state.json", () => next))).code).toBe("INVALID_DATA");
    expect(await side.get("state.json")).toEqual(before);
    await dispose?.();
  });

  test("nothing there and no default is NOT_FOUND; a change that fails, or is undefined, writes nothing", async () => {
    const { store, side, dispose } = await make();
    expect((await rejectionOf(updateJson(store, "state.json", () => 1))).code).toBe("NOT_FOUND");
    const failure = new Error("no");
    const failing = updateJson(store, "state.json", () => Promise.reject(failure), { default: 0 });
    await expect(failing).rejects.toBe(failure);
    expect(await side.keys()).toEqual([]);
    await updateJson(store, "state.json", () => 1, { default: 0 });
    const { etag } = await store.stat("state.json");
    expect(await updateJson<number>(store, "state.json", () => undefined)).toEqual({ value: 1, etag });
    expect((await store.stat("state.json")).etag).toBe(etag);
    await dispose?.();
  });

  test("an abort ends it and changes nothing", async () => {
    const { store, side, dispose } = await make();
    const controller = new AbortController();
    const change = () => {
      controller.abort();
      return 1;
    };
    const error = await rejectionOf(updateJson(store, "state.json", change, { default: 0, signal: controller.signal }));
    expect(error.code).toBe("ABORTED");
    expect(await side.keys()).toEqual([]);
    await dispose?.();
  });
});

test("a backend is taken for its store; one of values, and a store without a safe compare-and-set, are refused", async () => {
  const { store, side, dispose } = await freshDisk();
  await using backend = new FileBackend(store, { key: "disk" });
  await updateJson(backend, "a/state.json", () => 1, { default: 0 });
  expect(await side.keys()).toEqual(["a/state.json"]);
  await using memory = new MemoryBackend();
  expect((await rejectionOf(updateJson(memory, "state.json", () => 1, { default: 0 }))).code).toBe("UNSUPPORTED");
  const weak = Object.create(store, {
    capabilities: { value: { ...store.capabilities, ifMatch: "emulated" } },
  }) as ByteStore;
  expect((await rejectionOf(updateJson(weak, "state.json", () => 1, { default: 0 }))).code).toBe("UNSUPPORTED");
  const readOnly = Object.create(store, { capabilities: { value: { ...store.capabilities, write: false } } });
  expect((await rejectionOf(updateJson(readOnly as ByteStore, "s.json", () => 1, { default: 0 }))).code).toBe(
    "READ_ONLY",
  );
  await dispose?.();
});

describe("updateJson when others are faster", () => {
  /** A clock on which every wait is over at once. */
  function quickClock() {
    const waits: number[] = [];
    const now = () => waits.reduce((sum, each) => sum + each, 0);
    const after = (delayMs: number, run: () => void) => {
      waits.push(delayMs);
      queueMicrotask(run);
      return () => {};
    };
    return { waits, clock: { now, after } };
  }

  /** A store on which somebody else always writes first. */
  function contested(store: ByteStore, code: "PRECONDITION_FAILED" | "CONFLICT") {
    const write = () => Promise.reject(new StorageError(code, "refused", { retryable: code === "CONFLICT" }));
    return Object.assign(Object.create(store) as ByteStore, {
      stat: store.stat.bind(store),
      read: store.read.bind(store),
      write,
    });
  }

  test.each(["PRECONDITION_FAILED", "CONFLICT"] as const)(
    "after %s it waits a random part of a doubling bound, and gives up in time with CONFLICT",
    async (code) => {
      const { store, side } = await freshMemory();
      await side.put("n.json", new TextEncoder().encode("1"));
      const { waits, clock } = quickClock();
      const options = { clock, random: () => 0.5, maxElapsedMs: 1000 };
      const update = updateJson<number>(contested(store, code), "n.json", (n) => n + 1, options);
      expect(await rejectionOf(update)).toMatchObject({ code: "CONFLICT", retryable: true });
      expect(waits.slice(0, 8)).toEqual([1, 2, 4, 8, 16, 32, 32, 32]);
      expect(clock.now()).toBeLessThanOrEqual(1000);
      expect(clock.now()).toBeGreaterThan(900);
      expect(await side.get("n.json")).toEqual(new TextEncoder().encode("1"));
    },
  );

  test("a version that is never to be read takes as long, and no longer", async () => {
    const { store, side } = await freshMemory();
    await side.put("n.json", new TextEncoder().encode("1"));
    const { waits, clock } = quickClock();
    const read = () => Promise.reject(new StorageError("PRECONDITION_FAILED", "another version"));
    const options = { clock, random: () => 0.5, maxElapsedMs: 1000 };
    const update = updateJson<number>(replaceMethods(store, { read }), "n.json", (n) => n + 1, options);
    expect(await rejectionOf(update)).toMatchObject({ code: "CONFLICT", retryable: true });
    expect(waits.slice(0, 4)).toEqual([1, 2, 4, 8]);
  });

  test("an abort ends the wait", async () => {
    const { store, side } = await freshMemory();
    await side.put("n.json", new TextEncoder().encode("1"));
    const controller = new AbortController();
    const after = () => {
      queueMicrotask(() => controller.abort());
      return () => {};
    };
    const clock = { now: () => 0, after };
    const options = { clock, signal: controller.signal };
    const update = updateJson<number>(contested(store, "PRECONDITION_FAILED"), "n.json", (n) => n + 1, options);
    expect((await rejectionOf(update)).code).toBe("ABORTED");
  });
});

describe.each(["etag", "content"])("updateJson through retry, a cache by %s and a prefix", (bind) => {
  test("loses no step of clients that each have a cache of their own, and reads no old version", async () => {
    const { root, side, dispose } = await freshDisk({ durability: "none" });
    const open = async () => {
      const medium = (await freshMemory()).store;
      return stack(new DiskStore({ root, durability: "none" }), [
        { use: "prefix", prefix: "lab" },
        { use: "cache", medium, bind },
        { use: "retry" },
      ]);
    };
    const clients = await Promise.all(Array.from({ length: 4 }, open));
    const count = async (client: ByteStore) => {
      for (let step = 0; step < 25; step++) {
        // Reads that fill the cache, of versions that are old in a moment.
        await client.read("count.json").catch(() => {});
        await updateJson<number>(client, "count.json", (n) => n + 1, { default: 0 });
      }
    };
    await Promise.all(clients.map(count));
    expect(new TextDecoder().decode(await side.get("lab/count.json"))).toBe("100\n");
    // What somebody writes past the stack is seen as well.
    await side.put("lab/count.json", new TextEncoder().encode("500"));
    const [client] = clients as [ByteStore];
    expect((await updateJson<number>(client, "count.json", (n) => n + 1)).value).toBe(501);
    await Promise.all(clients.map((each) => each.close()));
    await dispose?.();
  });
});

describe("updateJson among processes, on disk", () => {
  test(`${PROCESSES} processes with ${INCREMENTS} increments each lose none, and leave no lock`, async () => {
    const { root, side, dispose } = await freshDisk();
    const children = Array.from({ length: PROCESSES }, () => start(increment, root, String(INCREMENTS)));
    const codes = await Promise.all(children.map(async (child) => (await once(child.process, "close"))[0]));
    expect(codes).toEqual(Array.from({ length: PROCESSES }, () => 0));
    expect(await countIn(root)).toBe(PROCESSES * INCREMENTS);
    expect(await side.keys()).toEqual(["state/count.json"]);
    await dispose?.();
  }, 120_000);

  test("processes killed in the middle lose nothing that they told of, and hinder nobody", async () => {
    const { root, store, side, dispose } = await freshDisk();
    let told = 0;
    const rounds = 6;
    for (let round = 0; round < rounds; round++) {
      const children = Array.from({ length: 4 }, () => start(increment, root, "1000000"));
      await Promise.all(children.map((child) => once(child.process.stdout as NodeJS.ReadableStream, "data")));
      const closed = children.map((child) => once(child.process, "close"));
      for (const child of children) {
        await new Promise((resolve) => setTimeout(resolve, randomInt(20)));
        child.process.kill("SIGKILL");
      }
      await Promise.all(closed);
      told += children.reduce((sum, child) => sum + child.said().length, 0);
    }
    const count = await countIn(root);
    expect(count).toBeGreaterThanOrEqual(told);
    // Each killed process may have made one step that it had no time to tell of.
    expect(count).toBeLessThanOrEqual(told + rounds * 4);
    await updateJson<{ count: number }>(store, "state/count.json", (value) => ({ count: value.count + 1 }));
    expect(await countIn(root)).toBe(count + 1);
    await store.removeLeftovers();
    expect(await side.keys()).toEqual(["state/count.json"]);
    await dispose?.();
  }, 120_000);

  test("the lock of a killed process is taken over, and recover finds it", async () => {
    const { root, store, side, dispose } = await freshDisk();
    await updateJson(store, "state.json", () => 1, { default: 0 });
    const lock = lockPath(join(root, "state.json"));
    const kill = async () => {
      const holder = start(holdLock, join(root, "state.json"));
      await once(holder.process.stdout as NodeJS.ReadableStream, "data");
      // Also a live lock: it is no leftover.
      expect(await store.removeLeftovers()).toEqual([]);
      expect(await readlink(lock)).toMatch(/^\.sluice-tmp-/);
      holder.process.kill("SIGKILL");
      await once(holder.process, "close");
    };
    await kill();
    await updateJson<number>(store, "state.json", (value) => value + 1);
    expect(await side.keys()).toEqual(["state.json"]);
    await kill();
    expect((await store.removeLeftovers()).map((each) => join(root, each.path))).toEqual([lock]);
    expect(await side.keys()).toEqual(["state.json"]);
    await dispose?.();
  }, 60_000);

  test("a lock of another machine is waited for, then named, and never removed", async () => {
    const { root, dispose } = await freshDisk();
    const store = new DiskStore({ root, waiting: { pollMs: 1, timeoutMs: 5 } });
    await updateJson(store, "state.json", () => 1, { default: 0 });
    const lock = lockPath(join(root, "state.json"));
    await symlink(".sluice-tmp-elsewhere.12.34.abc", lock);
    const update = updateJson<number>(store, "state.json", (value) => value + 1, { maxElapsedMs: 0 });
    const error = (await rejectionOf(update)) as StorageError;
    expect([error.code, error.retryable]).toEqual(["CONFLICT", true]);
    expect(error.message).toContain("process 12 of elsewhere");
    expect(error.message).toContain(lock);
    expect(await readlink(lock)).toBe(".sluice-tmp-elsewhere.12.34.abc");
    expect(await readdir(root)).toHaveLength(2);
    const aborted = updateJson<number>(new DiskStore({ root }), "state.json", (value) => value + 1, {
      signal: AbortSignal.timeout(10),
    });
    expect((await rejectionOf(aborted)).code).toBe("ABORTED");
    await dispose?.();
  });

  test("the mode of the file stays", async () => {
    const { root, store, dispose } = await freshDisk();
    await mkdir(join(root, "a"));
    await writeFile(join(root, "a/state.json"), "1");
    await chmod(join(root, "a/state.json"), 0o640);
    await updateJson<number>(store, "a/state.json", (value) => value + 1);
    expect((await stat(join(root, "a/state.json"))).mode & 0o7777).toBe(0o640);
    expect(await readFile(join(root, "a/state.json"), "utf8")).toBe("2\n");
    await dispose?.();
  });
});
