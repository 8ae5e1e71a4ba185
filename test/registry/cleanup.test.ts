import { describe, expect, it } from "vitest";
import { MemoryBackend } from "../../backends/memory/backend.ts";
import { BackendSet } from "../../registry/backend-set.ts";
import { createRegistry } from "../../registry/builtin.ts";
import { storageCapabilities } from "../../src/core/capabilities.ts";
import { defineBackend } from "../../src/core/descriptor.ts";
import { rejectionOf } from "../support/rejection.ts";

const fresh = () => new BackendSet(createRegistry(), { memory: { use: "memory" } });

describe("cleanup callbacks of a set", () => {
  it("run once each, the last first, while the backends are still open", async () => {
    const set = fresh();
    const said: unknown[] = [];
    const first = async () => {
      said.push("first", await ((await set.get("memory")) as MemoryBackend).load("note.txt"));
    };
    await ((await set.get("memory")) as MemoryBackend).save("kept", "note.txt");
    set.registerCleanup(first);
    set.registerCleanup(() => said.push("second"));
    set.registerCleanup(first);
    const takeBack = set.registerCleanup(() => said.push("never"));
    takeBack();
    await set.close();
    await set.close();
    expect(said).toEqual(["second", "first", "kept"]);
    expect(() => set.registerCleanup(first)).toThrow(expect.objectContaining({ code: "NOT_OPEN" }));
  });

  it("all run although some fail, the backends close, and one error tells of everything", async () => {
    const registry = createRegistry();
    let isClosed = false;
    class Failing extends MemoryBackend {
      protected override async doClose(): Promise<void> {
        isClosed = true;
        throw new Error("backend");
      }
    }
    registry.register(
      defineBackend({
        key: "failing",
        capabilities: { ...storageCapabilities, persistent: false },
        open: async () => new Failing(),
      }),
    );
    const set = new BackendSet(registry, { failing: { use: "failing" } });
    await set.get("failing");
    const said: string[] = [];
    for (const name of ["a", "b", "c"]) {
      set.registerCleanup(() => {
        said.push(name);
        if (name !== "b") throw new Error(name);
      });
    }
    const error = (await rejectionOf(set.close())) as AggregateError;
    expect(said).toEqual(["c", "b", "a"]);
    expect(isClosed).toBe(true);
    expect(error).toBeInstanceOf(AggregateError);
    expect(
      error.errors.map((each: Error) => (each.cause instanceof Error ? each.cause.message : each.message)),
    ).toEqual(["c", "a", "backend"]);
  });

  it("are waited for, one after another: backends stay open for a slow one, and what it rejects with is told", async () => {
    const set = fresh();
    const memory = (await set.get("memory")) as MemoryBackend;
    const said: string[] = [];
    set.registerCleanup(() => said.push("after"));
    set.registerCleanup(async () => {
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      await memory.save("late", "note.txt");
      said.push("slow");
      throw new RangeError("slowly");
    });
    await expect(set.close()).rejects.toThrow("slowly");
    expect(said).toEqual(["slow", "after"]);
    expect(memory.isOpen).toBe(false);
  });

  it("that register themselves again run once all the same, and closing ends", async () => {
    const set = fresh();
    let runs = 0;
    const again = () => {
      runs++;
      set.registerCleanup(again);
    };
    set.registerCleanup(again);
    await Promise.all([set.close(), set.close(), set[Symbol.asyncDispose]()]);
    expect(runs).toBe(1);
  });

  it("may register more, which run too; one failure arrives as it is", async () => {
    const set = fresh();
    const said: string[] = [];
    set.registerCleanup(() => set.registerCleanup(() => said.push("late")));
    set.registerCleanup(() => {
      throw new RangeError("only one");
    });
    await expect(set.close()).rejects.toBeInstanceOf(RangeError);
    expect(said).toEqual(["late"]);
  });
});
