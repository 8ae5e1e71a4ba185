import { describe, expect, it } from "vitest";
import { backend } from "../../registry/backend.ts";
import { BackendSet } from "../../registry/backend-set.ts";
import { Registry } from "../../registry/registry.ts";
import { storageCapabilities } from "../../src/core/capabilities.ts";
import { ReadOnlyBackend, StreamingBackend } from "../../src/core/special-backends.ts";
import { StorageBackend } from "../../src/core/storage-backend.ts";
import { TapeBackend, type TapeOptions, tapeCapabilities } from "./tape.ts";

@backend({ key: "decorated", aliases: ["deco"], capabilities: tapeCapabilities })
class DecoratedBackend extends TapeBackend {
  override readonly key = "decorated";
}

class Inheriting extends DecoratedBackend {}

describe("@backend", () => {
  it("makes a class that a registry takes, with options and instance name", async () => {
    const registry = new Registry();
    expect(registry.register(DecoratedBackend).aliases).toEqual(["deco"]);
    await using set = new BackendSet(registry, { reel: { use: "DECO", label: "seven" } });
    const reel = (await set.get("reel")) as DecoratedBackend;
    expect(reel).toBeInstanceOf(DecoratedBackend);
    expect([reel.name, reel.label]).toEqual(["reel", "seven"]);
  });

  it("registers nothing by itself", () => {
    expect(new Registry().keys()).toEqual([]);
  });

  it("works as a standard decorator, which gets a context, and as a plain function", () => {
    class Plain extends TapeBackend {}
    const decorate = backend({ key: "plain", capabilities: tapeCapabilities });
    expect(decorate(Plain, { kind: "class", name: "Plain" })).toBeUndefined();
    expect(new Registry().register(Plain).key).toBe("plain");
  });

  it("is not inherited: a subclass would take its parent's place unseen", () => {
    expect(() => new Registry().register(Inheriting)).toThrow(/Inheriting cannot .* no descriptor of its own/);
  });

  it("is needed", () => {
    expect(() => new Registry().register(TapeBackend)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
  });
});

describe("a class that is incomplete is refused when it is registered:", () => {
  const capabilities = { ...storageCapabilities, symlinks: true };
  const lacking = (base: unknown, methods: readonly string[]) => {
    const Made = class extends (base as typeof TapeBackend) {};
    for (const method of methods) Object.defineProperty(Made.prototype, method, { value: async () => {} });
    backend({ key: "made", capabilities })(Made);
    return () => new Registry().register(Made as new (options: TapeOptions) => TapeBackend);
  };

  it("one without hooks", () => {
    expect(lacking(StorageBackend, [])).toThrow(
      /does not implement doLoad, doStat, doList, doSave, doDelete, doCreateDirectory, doSymlink$/,
    );
  });

  it("one that inherits a base's refusal of what it declares", () => {
    expect(lacking(TapeBackend, [])).toThrow(/does not implement doCreateDirectory, doSymlink$/);
  });

  it("a reading one", () => {
    expect(lacking(ReadOnlyBackend, ["doLoad", "doStat"])).toThrow(/does not implement doList$/);
  });

  it("a streaming one", () => {
    expect(lacking(StreamingBackend, [])).toThrow(/does not implement doSend$/);
  });

  it("one that extends no base", () => {
    expect(lacking(class {}, [])).toThrow(/extends none of StorageBackend/);
  });

  it("and the complete one is not", () => {
    expect(lacking(TapeBackend, ["doCreateDirectory", "doSymlink"])().key).toBe("made");
  });
});
