import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { disk } from "../../backends/disk/index.ts";
import { BackendSet } from "../../registry/backend-set.ts";
import { createRegistry } from "../../registry/builtin.ts";
import { Registry } from "../../registry/registry.ts";
import { FileBackend } from "../../src/codecs/file-backend.ts";
import type { ByteStore } from "../../src/core/byte-store.ts";
import { defineBackend, type OpenContext } from "../../src/core/descriptor.ts";
import { StorageResolutionError } from "../../src/core/errors.ts";
import type { FrameWriter } from "../../src/core/frame-writer.ts";
import { ndArray } from "../../src/core/nd-array.ts";
import { rejectionOf } from "../support/rejection.ts";
import { TapeBackend, tape, tapeCapabilities } from "./tape.ts";

interface LinkedOptions {
  /** References whose stores it asks for while it opens. */
  readonly on?: readonly string[];
  readonly label?: string;
}

/** A registry with `tape`, and with `linked`, a byte store that depends on others; `log` has what happened. */
function linkedRegistry({ persistent = true } = {}): { registry: Registry; log: string[]; contexts: OpenContext[] } {
  const log: string[] = [];
  const contexts: OpenContext[] = [];
  const registry = new Registry();
  registry.register(tape());
  const linked = defineBackend<LinkedOptions>({
    key: "linked",
    schemes: ["linked"],
    capabilities: { ...tapeCapabilities, frames: true },
    openStore: async (options, context) => {
      contexts.push(context);
      log.push(`open ${context.instance}`);
      for (const reference of options.on ?? []) await context.store(reference);
      const close = async () => void log.push(`close ${context.instance}`);
      return { name: context.instance, capabilities: { persistent }, close } as Partial<ByteStore> as ByteStore;
    },
    openWriter: async (options, context) => {
      for (const reference of options.on ?? []) await context.store(reference);
      return {
        name: context.instance,
        [Symbol.asyncDispose]: async () => void log.push(`close ${context.instance}`),
      } as Partial<FrameWriter> as FrameWriter;
    },
  });
  registry.register(linked);
  return { registry, log, contexts };
}

describe("a backend set", () => {
  it("opens an instance once for a hundred who ask at the same time", async () => {
    let opened = 0;
    const registry = new Registry();
    registry.register(
      tape({
        open: async (options, context) => {
          opened++;
          await new Promise((resolve) => setImmediate(resolve));
          return new TapeBackend({ ...options, instance: context.instance });
        },
      }),
    );
    const set = new BackendSet(registry, { a: { use: "tape" } });
    expect([set.has("a"), set.keys(), opened]).toEqual([true, ["a"], 0]);
    const got = await Promise.all(Array.from({ length: 100 }, (_, i) => set.get(i % 2 ? "a" : "A")));
    expect([opened, new Set(got).size]).toEqual([1, 1]);
    expect(await set.values()).toEqual([got[0]]);
    expect(await set.items()).toEqual([["a", got[0]]]);
    expect(opened).toBe(1);
  });

  it("forgets a failed opening, so that the next request tries again", async () => {
    let tries = 0;
    const registry = new Registry();
    registry.register(
      tape({
        open: async () => {
          if (++tries === 1) throw new Error("no tape in the drive");
          return new TapeBackend();
        },
      }),
    );
    const set = new BackendSet(registry, { a: { use: "tape" } });
    const failures = await Promise.allSettled([set.get("a"), set.get("a")]);
    expect(failures.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(tries).toBe(1);
    expect(await set.get("a")).toBeInstanceOf(TapeBackend);
  });

  it("gives each instance its own options, policy and name", async () => {
    const set = new BackendSet(createRegistry(), {
      raw: { use: "memory", ifExists: "skip" },
      scratch: { use: "memory" },
    });
    const [raw, scratch] = await set.values();
    expect(raw).not.toBe(scratch);
    expect([raw?.name, raw?.ifExists, scratch?.name, scratch?.ifExists]).toEqual(["raw", "skip", "scratch", "error"]);
  });

  it("answers an unknown name with the known ones", async () => {
    const set = new BackendSet(createRegistry(), { archive: { use: "memory" } });
    const error = await rejectionOf(set.get("archiv"));
    expect(error).toBeInstanceOf(StorageResolutionError);
    expect(error.message).toBe('Unknown backend "archiv". Did you mean "archive"? Known: archive');
    expect((await rejectionOf(set.get("disk"))).message).toMatch(/No instance "disk" is defined.*Known: archive/);
    expect(await rejectionOf(set.store("nowhere"))).toMatchObject({ code: "UNKNOWN_BACKEND" });
  });

  it("answers an unknown backend in a configuration when it is used", async () => {
    const set = new BackendSet(new Registry(), { a: { use: "tape" } });
    expect(await rejectionOf(set.get("a"))).toMatchObject({ code: "UNKNOWN_BACKEND" });
    set.registry.register(tape());
    expect(await set.get("a")).toBeInstanceOf(TapeBackend);
  });

  it.each<[string, Record<string, unknown>]>([
    ["no use", { a: { root: "/" } }],
    ["no object", { a: null }],
    ["an empty name", { "": { use: "memory" } }],
    ["a name with a scheme", { "file:a": { use: "memory" } }],
    ["a name with a space at its end", { "a ": { use: "memory" } }],
  ])("refuses a configuration with %s", (_, instances) => {
    expect(() => new BackendSet(createRegistry(), instances as never)).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID" }),
    );
  });

  it("refuses two instances whose names differ only in case", () => {
    const instances = { Raw: { use: "memory" }, raw: { use: "memory" } };
    expect(() => new BackendSet(createRegistry(), instances)).toThrow(
      expect.objectContaining({ code: "ALREADY_EXISTS" }),
    );
  });

  it("tells an instance the folder that its paths are relative to", async () => {
    const { registry, contexts } = linkedRegistry();
    await new BackendSet(registry, { a: { use: "linked" } }, { baseDirectory: "/lab" }).store("a");
    expect(contexts[0]?.baseDirectory).toBe("/lab");
  });

  it("is closed for good, once, and refuses everything afterwards", async () => {
    const set = new BackendSet(linkedRegistry().registry, { a: { use: "tape" } });
    const a = (await set.get("a")) as TapeBackend;
    await Promise.all([set.close(), set.close()]);
    await set[Symbol.asyncDispose]();
    expect([a.isOpen, a.closed]).toEqual([false, 1]);
    const calls = [() => set.get("a"), () => set.store("a"), () => set.openWriter({ use: "linked" })];
    for (const call of calls) expect(await rejectionOf(call)).toMatchObject({ code: "NOT_OPEN" });
    expect(() => set.define("b", { use: "tape" })).toThrow(expect.objectContaining({ code: "NOT_OPEN" }));
  });

  it("waits, when it closes, for what is still opening, and closes that too", async () => {
    const { registry, log } = linkedRegistry();
    const set = new BackendSet(registry, { a: { use: "linked" } });
    const opening = set.store("a");
    await set.close();
    await opening;
    expect(log).toEqual(["open a", "close a"]);
  });
});

describe("a live instance", () => {
  it("is given back as it is, opens nothing, and stays its owner's to close", async () => {
    const { registry, log } = linkedRegistry();
    const set = new BackendSet(registry, { a: { use: "linked" } });
    const live = new TapeBackend();
    set.set("Mine", live);
    expect(log).toEqual([]);
    expect(await set.get("mine")).toBe(live);
    await set.close();
    expect(live.isOpen).toBe(true);
  });

  it("does not take a name that is taken, unless it may, and what it replaces is closed with the set", async () => {
    const set = new BackendSet(linkedRegistry().registry, { a: { use: "tape" } });
    const live = new TapeBackend();
    expect(() => set.set("a", live)).toThrow(expect.objectContaining({ code: "ALREADY_EXISTS" }));
    const before = await set.get("a");
    set.set("a", live, { override: true });
    expect(await set.get("a")).toBe(live);
    expect(() => set.define("A", { use: "tape" })).toThrow(expect.objectContaining({ code: "ALREADY_EXISTS" }));
    await set.close();
    expect([before.isOpen, live.isOpen]).toEqual([false, true]);
  });

  it("must be a backend", () => {
    const set = new BackendSet(new Registry());
    expect(() => set.set("a", {} as never)).toThrow(expect.objectContaining({ code: "INVALID_DATA" }));
  });

  it("has a byte store only if it is a file-like one", async () => {
    const set = new BackendSet(createRegistry(), { bytes: { use: "memory" } });
    const store = await set.store("bytes");
    set.set("files", new FileBackend(store, { key: "memory" }));
    set.set("tape", new TapeBackend());
    expect(await set.store("files")).toBe(store);
    expect(await rejectionOf(set.store("tape"))).toMatchObject({ code: "UNSUPPORTED" });
  });
});

describe("the store of a reference", () => {
  it("of an instance is shared with all who ask, and with its value backend", async () => {
    const { registry } = linkedRegistry();
    const set = new BackendSet(registry, { a: { use: "linked" } });
    const [store, again] = await Promise.all([set.store("a"), set.store("A")]);
    expect(again).toBe(store);
  });

  it("of a file-like instance lies under its values", async () => {
    const set = new BackendSet(createRegistry(), { files: { use: "disk" } });
    const backend = (await set.get("files")) as FileBackend;
    expect(backend).toBeInstanceOf(FileBackend);
    expect(await set.store("files")).toBe(backend.store);
  });

  it("of a URI is shared by its normal form, and unknown schemes are answered with the known ones", async () => {
    const { registry, log } = linkedRegistry();
    const set = new BackendSet(registry);
    const [a, b, c] = await Promise.all(["linked://h/a", "LINKED://h/a/", "linked://h/b"].map((uri) => set.store(uri)));
    expect(a).toBe(b);
    expect(a).not.toBe(c);
    expect(log.length).toBe(2);
    const error = await rejectionOf(set.store("s3://bucket/a"));
    expect(error).toMatchObject({ code: "UNKNOWN_BACKEND" });
    expect(error.message).toBe('Unknown URI scheme "s3". Known: linked');
  });

  it("of a configuration is new each time", async () => {
    const { registry, log } = linkedRegistry();
    const set = new BackendSet(registry);
    expect(await set.store({ use: "linked" })).not.toBe(await set.store({ use: "linked" }));
    await set.close();
    expect(log.filter((line) => line.startsWith("close")).length).toBe(2);
  });

  it("is UNSUPPORTED where a backend has none", async () => {
    const set = new BackendSet(linkedRegistry().registry, { a: { use: "tape" } });
    expect(await rejectionOf(set.store("a"))).toMatchObject({ code: "UNSUPPORTED" });
  });
});

describe("instances that refer to each other", () => {
  const opening = (instances: Record<string, readonly string[]>) => {
    const { registry, log } = linkedRegistry();
    const configs = Object.entries(instances).map(([name, on]) => [name, { use: "linked", on }]);
    return { set: new BackendSet(registry, Object.fromEntries(configs)), log };
  };

  it.each<[string, Record<string, readonly string[]>, RegExp]>([
    ["themselves", { a: ["a"] }, /a → a$/],
    ["in a pair", { a: ["b"], b: ["a"] }, /b → a → b$|a → b → a$/],
    ["in a longer circle", { a: ["b"], b: ["c"], c: ["A"] }, /circle: . → . → . → .$/],
  ])("%s are CONFIG_INVALID, however many ask at once", async (_, instances, message) => {
    const { set } = opening(instances);
    const names = Object.keys(instances);
    const results = await Promise.allSettled(names.map((name) => set.store(name)));
    for (const result of results) {
      expect(result).toMatchObject({ status: "rejected", reason: { code: "CONFIG_INVALID" } });
      expect((result as PromiseRejectedResult).reason.message).toMatch(message);
    }
  });

  it("are closed before what they refer to, whatever opened first", async () => {
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray(["a", "b", "c", "d"], { minLength: 4 }), async (order) => {
        const { set, log } = opening({ a: ["b", "c"], b: ["d"], c: ["d"], d: [] });
        for (const name of order) await set.store(name);
        await set.close();
        const closed = log.filter((line) => line.startsWith("close")).map((line) => line.slice(-1));
        expect([...closed].sort()).toEqual(["a", "b", "c", "d"]);
        for (const [above, below] of ["ab", "ac", "bd", "cd"]) {
          expect(closed.indexOf(above as string)).toBeLessThan(closed.indexOf(below as string));
        }
      }),
    );
  });

  it("may ask later than at their opening, and are still closed first", async () => {
    const { registry, log, contexts } = linkedRegistry();
    const set = new BackendSet(registry, { a: { use: "linked" }, b: { use: "linked" } });
    await set.store("a");
    await contexts[0]?.store("b");
    await set.close();
    expect(log.slice(-2)).toEqual(["close a", "close b"]);
  });

  it("are all closed although some fail, and every failure is reported", async () => {
    const registry = new Registry();
    const closed: string[] = [];
    registry.register(
      tape({
        open: async (_options, context) => {
          const backend = new TapeBackend({ instance: context.instance });
          const close = backend.close.bind(backend);
          backend.close = async () => {
            await close();
            closed.push(backend.name);
            if (backend.name !== "b") throw new Error(`${backend.name} jams`);
          };
          return backend;
        },
      }),
    );
    const set = new BackendSet(registry, { a: { use: "tape" }, b: { use: "tape" }, c: { use: "tape" } });
    await set.values();
    const error = (await rejectionOf(set.close())) as AggregateError;
    expect(closed.sort()).toEqual(["a", "b", "c"]);
    expect(error.errors.map((one: Error) => one.message).sort()).toEqual(["a jams", "c jams"]);
  });
});

describe("a writer of a set", () => {
  it("is new each time, has the name it was given, and closes before the stores it asked for", async () => {
    const { registry, log } = linkedRegistry();
    const set = new BackendSet(registry, { raw: { use: "linked" } });
    const config = { use: "linked", on: ["raw"] };
    const writer = await set.openWriter(config, { instance: "camera" });
    expect(writer.name).toBe("camera");
    expect(await set.openWriter(config)).not.toBe(writer);
    await set.close();
    expect(log).toEqual(["open raw", "close linked", "close camera", "close raw"]);
  });

  it("is refused by a backend that has none", async () => {
    const set = new BackendSet(linkedRegistry().registry);
    expect(await rejectionOf(set.openWriter({ use: "tape" }))).toMatchObject({ code: "UNSUPPORTED" });
    expect(await rejectionOf(set.openWriter({ use: "tap" }))).toMatchObject({ code: "UNKNOWN_BACKEND" });
  });
});

describe("a store that is given back", () => {
  it.each([
    ["zarr", {}],
    ["zarr", { durability: "none" }],
    ["tiff", {}],
  ])("of an acquisition is closed with it: a hundred runs of %s %o keep none open", async (use, options) => {
    const folder = await mkdtemp(join(tmpdir(), "sluice-runs-"));
    const open = new Set<ByteStore>();
    let opened = 0;
    const registry = createRegistry();
    registry.register(
      {
        ...disk,
        openStore: async (config, context) => {
          const store = await (disk.openStore as NonNullable<typeof disk.openStore>)(config, context);
          const close = store.close.bind(store);
          store.close = async () => {
            open.delete(store);
            await close();
          };
          open.add(store);
          opened++;
          return store;
        },
      },
      { override: true },
    );
    await using set = new BackendSet(registry);
    const writer = await set.openWriter({ use, ...options });
    writer.updateSource("cam", "uint8", [2, 2]);
    for (let run = 0; run < 100; run++) {
      writer.setUri(pathToFileURL(join(folder, `run ${run % 98}`)).href); // the last two are there already
      const sink = await writer.prepare("cam");
      const starting = writer.kickoff();
      if (run >= 98) expect(await rejectionOf(starting)).toMatchObject({ code: "ALREADY_EXISTS" });
      await starting.catch(() => {});
      if (run < 98) await sink.write(ndArray(new Uint8Array(4), [2, 2]));
      await sink.close();
      expect(open.size).toBe(0);
    }
    expect(opened).toBe(100);
    await rm(folder, { recursive: true });
  });

  it("stays open for others who asked for it, and is a new one for who asks later", async () => {
    const { registry, log, contexts } = linkedRegistry();
    const set = new BackendSet(registry, { a: { use: "linked" }, b: { use: "linked" } });
    await Promise.all([set.store("a"), set.store("b")]);
    const [a, b] = contexts as [OpenContext, OpenContext];
    const shared = await a.store("linked:shared");
    expect([await b.store("linked:shared"), await b.store("linked:shared")]).toEqual([shared, shared]);
    for (const context of [a, a, b]) await context.release?.(shared); // the second of "a" is one too many
    expect(log).not.toContain("close linked:shared");
    await b.release?.(shared);
    expect(log).toContain("close linked:shared");
    expect(await a.store("linked:shared")).not.toBe(shared);
    await set.close();
    expect(log.filter((line) => line === "close linked:shared")).toHaveLength(2);
  });

  it("stays open if it has a name, if it was asked for from outside, and if its values would be lost", async () => {
    const { registry, log, contexts } = linkedRegistry({ persistent: false });
    const set = new BackendSet(registry, { a: { use: "linked" }, raw: { use: "linked", on: [] } });
    await set.store("a");
    const context = contexts[0] as OpenContext;
    await context.release?.(await context.store("raw"));
    const outside = await set.store("linked:outside");
    await context.release?.(await context.store("linked:outside"));
    const passing = await context.store("linked:passing");
    await context.release?.(passing);
    expect(log.filter((line) => line.startsWith("close"))).toEqual([]);
    expect([await set.store("linked:outside"), await context.store("linked:passing")]).toEqual([outside, passing]);
    await set.close();
    expect(log.filter((line) => line.startsWith("close"))).toHaveLength(4);
  });

  it("leaves all others in their places, also after failures", async () => {
    const { registry, log } = linkedRegistry();
    const set = new BackendSet(registry);
    const failing = set.store({ use: "linked", on: ["nobody"] });
    const kept = set.store({ use: "linked" });
    await rejectionOf(failing);
    await kept;
    await set.store({ use: "linked" });
    await set.close();
    expect(log.filter((line) => line === "close linked")).toHaveLength(2);
  });
});
