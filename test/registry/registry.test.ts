import { describe, expect, it } from "vitest";
import type { LazyBackend } from "../../registry/backend-info.ts";
import { infoOf } from "../../registry/backend-info.ts";
import { builtins, createRegistry } from "../../registry/builtin.ts";
import { Registry } from "../../registry/registry.ts";
import { StorageError, StorageResolutionError } from "../../src/core/errors.ts";
import { rejectionOf } from "../support/rejection.ts";
import { TapeBackend, tape, tapeCapabilities } from "./tape.ts";

function lazyTape(changes: Partial<LazyBackend> = {}): LazyBackend {
  return {
    key: "tape",
    contractVersion: 1,
    capabilities: tapeCapabilities,
    opens: { store: false, values: true, writer: false },
    load: async () => tape(),
    ...changes,
  };
}

describe("a registry", () => {
  it("knows a backend by its key in any case, and by its aliases", async () => {
    const registry = new Registry();
    registry.register(tape({ key: "Tape", aliases: ["LTO"] }));
    expect(registry.keys()).toEqual(["tape"]);
    expect([registry.has("TAPE"), registry.has("lto"), registry.has("zarr")]).toEqual([true, true, false]);
    expect(registry.descriptor("Lto").key).toBe("tape");
    expect(await registry.open("LTO")).toBeInstanceOf(TapeBackend);
  });

  it("lists and describes without importing, and imports once on first use", async () => {
    let loads = 0;
    const registry = new Registry();
    const load = async () => {
      loads++;
      return { default: tape() };
    };
    registry.registerLazy(lazyTape({ load }));
    expect([registry.keys(), registry.has("tape"), registry.descriptor("tape").capabilities]).toEqual([
      ["tape"],
      true,
      tapeCapabilities,
    ]);
    expect(loads).toBe(0);
    const loaded = await Promise.all(Array.from({ length: 100 }, () => registry.load("tape")));
    expect(new Set(loaded).size).toBe(1);
    await registry.open("tape");
    expect(loads).toBe(1);
  });

  it("forgets a failed import, so that the next call tries again", async () => {
    let loads = 0;
    const registry = new Registry();
    const load = async () => {
      if (++loads === 1) throw new Error("the network mount is away");
      return tape();
    };
    registry.registerLazy(lazyTape({ load }));
    const error = await rejectionOf(registry.load("tape"));
    expect(error).toMatchObject({
      code: "UNEXPECTED",
      backend: "tape",
      cause: { message: "the network mount is away" },
    });
    expect((await registry.load("tape")).key).toBe("tape");
    expect(loads).toBe(2);
  });

  it("reports a missing package as MISSING_DEPENDENCY", async () => {
    const registry = new Registry();
    registry.registerLazy(lazyTape({ load: () => import("no-such-package-anywhere" as string) }));
    const error = await rejectionOf(registry.load("tape"));
    // vitest's own loader gives the code too.
    expect(error).toMatchObject({ code: "MISSING_DEPENDENCY", backend: "tape" });
    expect(error.message).toContain("no-such-package-anywhere");
  });

  it("answers an unknown key with the known ones and a guess", async () => {
    const registry = createRegistry();
    const error = await rejectionOf(registry.load("zar"));
    expect(error).toBeInstanceOf(StorageResolutionError);
    expect(error.code).toBe("UNKNOWN_BACKEND");
    const known = builtins.map(({ key }) => key).join(", ");
    expect(error.message).toBe(`Unknown backend "zar". Did you mean "zarr"? Known: ${known}`);
    expect(() => registry.descriptor("")).toThrow(/Unknown backend "". Known/);
    expect(() => registry.descriptor(undefined as unknown as string)).toThrow(StorageResolutionError);
  });

  it("answers an unknown scheme with the known ones", () => {
    expect(createRegistry().forScheme("FILE").key).toBe("disk");
    expect(() => createRegistry().forScheme("fil")).toThrow(
      `Unknown URI scheme "fil". Did you mean "file"? Known: ${createRegistry().schemes().join(", ")}`,
    );
  });

  it("shares nothing with another registry", () => {
    const [a, b] = [createRegistry(), createRegistry()];
    a.register(tape());
    expect([a.has("tape"), b.has("tape")]).toEqual([true, false]);
  });

  it("opens a new instance each time", async () => {
    const registry = new Registry();
    registry.register(tape());
    const [a, b] = [await registry.open("tape", { label: "x" }), await registry.open("tape")];
    expect(a).not.toBe(b);
    expect((a as TapeBackend).label).toBe("x");
    expect(a.name).toBe("tape");
  });

  it("says what a backend does not open", async () => {
    const registry = new Registry();
    registry.register(tape());
    expect(await rejectionOf(registry.openStore("tape"))).toMatchObject({ code: "UNSUPPORTED" });
    expect(await rejectionOf(registry.openWriter("tape"))).toMatchObject({ code: "UNSUPPORTED" });
  });

  it("refuses an open that gives no backend", async () => {
    const registry = new Registry();
    registry.register(tape({ open: async () => ({}) as never }));
    expect(await rejectionOf(registry.open("tape"))).toMatchObject({ code: "CONFIG_INVALID" });
  });

  it("refuses other stores to a backend that was opened alone", async () => {
    const registry = new Registry();
    registry.register(tape({ open: async (_options, context) => (await context.store("raw")) as never }));
    const error = await rejectionOf(registry.open("tape"));
    expect(error).toMatchObject({ code: "CONFIG_INVALID" });
    expect(error.message).toContain("BackendSet");
  });
});

describe("a duplicate", () => {
  const clashes: [string, (registry: Registry, override?: boolean) => unknown, string][] = [
    ["of a key", (registry, override) => registry.register(tape(), { override }), "tape"],
    ["of a key in other case", (registry, override) => registry.register(tape({ key: "TAPE" }), { override }), "tape"],
    [
      "of a key by an alias",
      (registry, override) => registry.register(tape({ key: "b", aliases: ["tape"] }), { override }),
      "b",
    ],
    ["of an alias by a key", (registry, override) => registry.register(tape({ key: "lto" }), { override }), "lto"],
    [
      "of a scheme",
      (registry, override) => registry.register(tape({ key: "b", schemes: ["tape"] }), { override }),
      "b",
    ],
    ["by a lazy entry", (registry, override) => registry.registerLazy(lazyTape(), { override }), "tape"],
  ];
  const firsts: [string, (registry: Registry) => unknown][] = [
    ["a descriptor", (registry) => registry.register(tape({ aliases: ["lto"], schemes: ["tape"] }))],
    [
      "a lazy entry",
      (registry) =>
        registry.registerLazy(
          lazyTape({
            aliases: ["lto"],
            schemes: ["tape"],
            load: async () => tape({ aliases: ["lto"], schemes: ["tape"] }),
          }),
        ),
    ],
  ];
  describe.each(firsts)("after %s", (_, first) => {
    it.each(clashes)("%s is refused and changes nothing", (_, again) => {
      const registry = new Registry();
      first(registry);
      const before = registry.descriptor("tape");
      expect(() => again(registry)).toThrow(expect.objectContaining({ code: "ALREADY_EXISTS" }));
      expect(registry.keys()).toEqual(["tape"]);
      expect(registry.descriptor("tape")).toBe(before);
    });

    it.each(clashes)("%s takes the name with override", (_, again, key) => {
      const registry = new Registry();
      first(registry);
      const before = registry.descriptor("tape");
      again(registry, true);
      expect(registry.descriptor(key)).not.toBe(before);
      expect(registry.descriptor(key).key).toBe(key);
    });
  });

  it("is refused before and after the first one was loaded", async () => {
    const registry = createRegistry();
    const again = () => registry.register(tape({ key: "memory" }));
    expect(again).toThrow(expect.objectContaining({ code: "ALREADY_EXISTS" }));
    await registry.load("memory");
    expect(again).toThrow(expect.objectContaining({ code: "ALREADY_EXISTS" }));
  });

  it("with override takes the place of a built-in for good, before and after that was loaded", async () => {
    const early = createRegistry();
    early.register(tape({ key: "memory" }), { override: true });
    expect(await early.open("memory")).toBeInstanceOf(TapeBackend);
    const late = createRegistry();
    await late.load("memory");
    late.register(tape({ key: "memory" }), { override: true });
    expect(await late.open("memory")).toBeInstanceOf(TapeBackend);
    expect(late.schemes()).toEqual(
      createRegistry()
        .schemes()
        .filter((scheme) => scheme !== "mem"),
    );
  });

  it("of an alias with override leaves its old owner the rest", () => {
    const registry = new Registry();
    registry.register(tape({ aliases: ["lto"], schemes: ["tape"] }));
    registry.register(tape({ key: "lto" }), { override: true });
    expect([registry.descriptor("lto").key, registry.descriptor("tape").key]).toEqual(["lto", "tape"]);
    expect(registry.forScheme("tape").key).toBe("tape");
  });

  it("of a key with override takes the old owner's aliases and schemes away", () => {
    const registry = new Registry();
    registry.register(tape({ aliases: ["lto"], schemes: ["tape"] }));
    registry.register(tape(), { override: true });
    expect([registry.has("lto"), registry.schemes()]).toEqual([false, []]);
  });
});

describe("an incomplete descriptor is refused, loudly:", () => {
  const { key: _key, ...keyless } = tape();
  const cases: [string, unknown, RegExp][] = [
    ["no object", null, /object, got null/],
    ["no key", keyless, /key must be/],
    ["a key with spaces", tape({ key: "my tape" }), /key must be/],
    ["another contract", { ...tape(), contractVersion: 2 }, /contractVersion is 2/],
    ["no way to open it", tape({ open: undefined }), /none of openStore, open and openWriter/],
    ["an open that is no function", { ...tape(), open: "later" }, /open is not a function/],
    ["no capabilities", { ...tape(), capabilities: undefined }, /capabilities are missing/],
    ["half its capabilities", { ...tape(), capabilities: { read: true } }, /capabilities\.write is missing/],
    ["frames without a writer", tape({ capabilities: { ...tapeCapabilities, frames: true } }), /opens no writer/],
    ["a writer without frames", tape({ openWriter: async () => ({}) as never }), /capabilities\.frames is false/],
    ["aliases that are no list", { ...tape(), aliases: "lto" }, /aliases must be a list/],
    ["a scheme with a colon", tape({ schemes: ["tape:"] }), /schemes must be a list/],
  ];
  it.each(cases)("%s", (_, descriptor, message) => {
    const registry = new Registry();
    expect(() => registry.register(descriptor as never)).toThrow(message);
    expect(() => registry.register(descriptor as never)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
    expect(registry.keys()).toEqual([]);
  });

  it("all mistakes at once", () => {
    const bad = { ...tape(), contractVersion: 0, open: 1, aliases: 3 };
    expect(() => new Registry().register(bad as never)).toThrow(/aliases.*contractVersion.*open is not/);
  });

  it("a lazy entry without load or opens", () => {
    const registry = new Registry();
    expect(() => registry.registerLazy(lazyTape({ load: undefined as never }))).toThrow(/load is not a function/);
    expect(() => registry.registerLazy(lazyTape({ opens: {} as never }))).toThrow(/opens does not say/);
  });

  it.each<[string, unknown, RegExp]>([
    ["nothing", undefined, /object, got undefined/],
    ["a descriptor of another key", tape({ key: "disc" }), /key is "disc" where "tape"/],
    [
      "other capabilities",
      tape({ capabilities: { ...tapeCapabilities, symlinks: true } }),
      /capabilities\.symlinks is true/,
    ],
    ["other aliases", tape({ aliases: ["lto"] }), /aliases is "lto"/],
    ["a store that was not announced", tape({ openStore: async () => ({}) as never }), /opens\.store is true/],
    ["no way to open it", { ...tape(), open: undefined }, /none of openStore/],
  ])("a module that holds %s, at first load", async (_, module, message) => {
    const registry = new Registry();
    registry.registerLazy(lazyTape({ load: async () => ({ default: module }) as never }));
    const error = await rejectionOf(registry.load("tape"));
    expect(error).toMatchObject({ code: "CONFIG_INVALID" });
    expect(error.message).toMatch(message);
  });
});

describe("options", () => {
  const schema = (issues: readonly object[] | undefined, value: object = {}) => ({
    options: async () => ({
      "~standard": { version: 1 as const, vendor: "test", validate: () => (issues ? { issues } : { value }) as never },
    }),
  });

  it("are checked by the schema, and every mistake is named with its path", async () => {
    const registry = new Registry();
    registry.register(
      tape(
        schema([
          { message: "Expected a string", path: ["label"] },
          { message: "Too long", path: ["reels", 2, { key: "name" }] },
          { message: "Unknown key" },
        ]),
      ),
    );
    const error = await rejectionOf(registry.open("tape", { label: 3 }));
    expect(error).toBeInstanceOf(StorageError);
    expect(error).toMatchObject({ code: "CONFIG_INVALID", identifier: "label" });
    expect(error.message).toBe(
      'Options of backend "tape": label: Expected a string; reels[2].name: Too long; Unknown key',
    );
  });

  it("arrive as the schema returns them", async () => {
    const registry = new Registry();
    registry.register(tape(schema(undefined, { label: "by default" })));
    expect(((await registry.open("tape", {})) as TapeBackend).label).toBe("by default");
  });
});

describe("the table of built-in backends", () => {
  it.each(builtins.map((entry) => [entry.key, entry] as const))("says of %s what its module says", async (_, entry) => {
    const descriptor = await createRegistry().load(entry.key);
    const { load: _load, aliases = [], schemes = [], ...rest } = entry;
    expect(infoOf(descriptor)).toEqual({ ...rest, aliases, schemes });
  });
});

describe("an opened built-in backend", () => {
  it.each([
    ["disk", {}],
    ["disk", { root: "/tmp" }],
    ["memory", {}],
  ])("has the capabilities that its descriptor declares: %s %o", async (key, options) => {
    const registry = createRegistry();
    const backend = await registry.open(key, options);
    expect(backend.capabilities).toEqual(registry.descriptor(key).capabilities);
    await backend.close();
  });
});

describe("the options of built-in backends", () => {
  it.each([
    ["disk", { roots: "/data" }, 'roots: unknown option; did you mean "root"?'],
    ["disk", { durability: "some" }, 'durability: must be "full" or "data" or "none", got a string'],
    ["memory", { quotaBytes: -1 }, "quotaBytes: must be a whole number ≥ 0, got a number"],
    ["memory", { ifExists: "ask" }, 'ifExists: must be "error" or "replace" or "skip", got a string'],
    ["zarr", { codek: "none" }, "codek"],
  ])("of %s are checked: %o", async (key, options, message) => {
    const registry = createRegistry();
    const opening = registry.descriptor(key).opens.values
      ? registry.open(key, options)
      : registry.openWriter(key, options);
    const error = await rejectionOf(opening);
    expect(error).toMatchObject({ code: "CONFIG_INVALID", identifier: Object.keys(options)[0] });
    expect(error.message).toContain(message);
  });
});
