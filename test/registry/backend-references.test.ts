/** Backends that take other backends' values from the context that they are opened with. */
import { describe, expect, it } from "vitest";
import { BackendSet } from "../../registry/backend-set.ts";
import { Registry } from "../../registry/registry.ts";
import type { BackendBase } from "../../src/core/backend.ts";
import type { OpenContext } from "../../src/core/descriptor.ts";
import { StorageError } from "../../src/core/errors.ts";
import { rejectionOf } from "../support/rejection.ts";
import { TapeBackend, type TapeOptions, tape } from "./tape.ts";

interface MirrorOptions extends TapeOptions {
  /** Asked for while it opens. */
  readonly of?: string;
}

/** A registry with `tape` and with `mirror`, which needs another backend; `log` says who closed. */
function mirrorRegistry() {
  const log: string[] = [];
  const contexts = new Map<string, OpenContext>();
  class Mirror extends TapeBackend {
    protected override async doClose(): Promise<void> {
      log.push(`close ${this.name}`);
    }
  }
  const registry = new Registry();
  for (const key of ["tape", "mirror"]) {
    registry.register(
      tape({
        key,
        open: async ({ of, ...options }: MirrorOptions, context) => {
          contexts.set(context.instance, context);
          if (of !== undefined) await (context.backend as (name: string) => Promise<BackendBase>)(of);
          if (options.label === "broken") throw new StorageError("PERMISSION_DENIED", "no tape");
          return new Mirror({ ...options, instance: context.instance });
        },
      }),
    );
  }
  return { registry, log, contexts };
}

const ask = (contexts: Map<string, OpenContext>, from: string, name: string) =>
  contexts.get(from)?.backend?.(name) as Promise<BackendBase>;

describe("a backend's reference to another backend", () => {
  it("leads to the very instance of that name, and closes before it", async () => {
    const { registry, log, contexts } = mirrorRegistry();
    const set = new BackendSet(registry, { a: { use: "tape" }, m: { use: "mirror", of: "a" }, z: { use: "tape" } });
    await Promise.all([set.get("z"), set.get("a")]);
    await set.get("m");
    expect(await ask(contexts, "m", "A")).toBe(await set.get("a"));
    await ask(contexts, "m", "z");
    await set.close();
    expect(log[0]).toBe("close m");
    expect([...log].sort()).toEqual(["close a", "close m", "close z"]);
  });

  it.each([
    ["to itself", { a: "a" }, "a → a"],
    ["in a pair", { a: "b", b: "a" }, "b → a → b"],
    ["in three", { a: "b", b: "c", c: "a" }, "c → a → b → c"],
  ])("is CONFIG_INVALID %s, and names the circle", async (_, links, circle) => {
    const instances = Object.entries(links).map(([name, of]) => [name, { use: "mirror", of }]);
    const set = new BackendSet(mirrorRegistry().registry, Object.fromEntries(instances));
    const error = await rejectionOf(set.get("a"));
    expect(error).toMatchObject({ code: "CONFIG_INVALID", operation: "backend" });
    expect(error.message).toContain(circle);
  });

  it("is found to make a circle also when it is followed long after opening", async () => {
    const { registry, contexts } = mirrorRegistry();
    const set = new BackendSet(registry, { a: { use: "mirror" }, b: { use: "mirror" } });
    await Promise.all([set.get("a"), set.get("b")]);
    await ask(contexts, "a", "b");
    expect(await rejectionOf(ask(contexts, "b", "a"))).toMatchObject({ code: "CONFIG_INVALID" });
  });

  it("that fails leaves no trace, so that the circle's other half may be built", async () => {
    const { registry, contexts } = mirrorRegistry();
    const set = new BackendSet(registry, { a: { use: "mirror" }, bad: { use: "tape", label: "broken" } });
    await set.get("a");
    expect(await rejectionOf(ask(contexts, "a", "bad"))).toMatchObject({ code: "PERMISSION_DENIED" });
    expect(await ask(contexts, "bad", "a")).toBe(await set.get("a"));
  });

  it("is NOT_OPEN once the set is closed, and UNKNOWN_BACKEND for a name that nobody has", async () => {
    const { registry, contexts } = mirrorRegistry();
    const set = new BackendSet(registry, { a: { use: "mirror" } });
    await set.get("a");
    expect(await rejectionOf(ask(contexts, "a", "b"))).toMatchObject({ code: "UNKNOWN_BACKEND" });
    await set.close();
    expect(await rejectionOf(ask(contexts, "a", "b"))).toMatchObject({ code: "NOT_OPEN" });
  });
});
