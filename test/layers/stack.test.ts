import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { MemoryStore } from "../../backends/memory/store.ts";
import { BackendSet, createRegistry } from "../../registry/index.ts";
import { layerTable } from "../../src/layers/layer-table.ts";
import { LimitStore } from "../../src/layers/limit.ts";
import { orderRules } from "../../src/layers/order.ts";
import { PermitPool } from "../../src/layers/permit-pool.ts";
import { ReadOnlyStore } from "../../src/layers/read-only.ts";
import { RetryStore } from "../../src/layers/retry.ts";
import { stack } from "../../src/layers/stack.ts";
import { TimeoutStore } from "../../src/layers/timeout.ts";
import { layersOf } from "../../src/layers/wrapped-store.ts";
import { checkSession } from "../../src/session/schema.ts";
import { rejectionOf } from "../support/rejection.ts";

const options: Readonly<Record<string, object>> = {
  cache: { medium: new MemoryStore() },
  checksum: { sums: new MemoryStore() },
  chaos: { faults: [] },
};

describe("a stack", () => {
  it("goes from the outermost to the store", async () => {
    const store = await stack(new MemoryStore(), [{ use: "retry" }, { use: "timeout", timeoutMs: 5 }]);
    expect(layersOf(store)).toEqual(["retry", "timeout"]);
  });

  it.each(orderRules)("refuses $inner around $outer, and says why", async ({ outer, inner, reason }) => {
    const layer = (use: string) => ({ use, ...options[use] });
    const store = new MemoryStore();
    const right = await stack(store, [layer(outer), layer(inner)]);
    expect(layersOf(right)).toEqual([outer, inner]);
    const error = await rejectionOf(stack(store, [layer(inner), layer(outer)]));
    expect(error).toMatchObject({ code: "CONFIG_INVALID" });
    expect(error).toHaveProperty("message", expect.stringContaining(reason));
  });

  it("is refused in a wrong order also when it is built by hand, and by what is below already", async () => {
    const timed = new TimeoutStore(new MemoryStore());
    expect(() => new TimeoutStore(new RetryStore(new MemoryStore()))).toThrow(/timeout goes inside retry/);
    await expect(stack(timed, [{ use: "timeout" }])).rejects.toThrow(/timeout stands there twice/);
  });

  it("refuses a cache or sums that nothing can be written to, sums only where values can", async () => {
    const [store, readOnly] = [new MemoryStore(), new ReadOnlyStore(new MemoryStore())];
    const refusal = (message: string) => ({ code: "CONFIG_INVALID", message: expect.stringContaining(message) });
    const cached = await rejectionOf(stack(store, [{ use: "cache", medium: readOnly }]));
    expect(cached).toMatchObject(refusal('would keep nothing: its medium "memory" takes no writes'));
    const summed = await rejectionOf(stack(store, [{ use: "checksum", sums: readOnly }]));
    expect(summed).toMatchObject(refusal('its sums "memory" take no writes'));
    expect(layersOf(await stack(readOnly, [{ use: "checksum", sums: readOnly }]))).toContain("checksum");
  });

  it("names every mistake with its place", async () => {
    const error = await rejectionOf(stack(new MemoryStore(), [{ use: "rety" }, { use: "limit", concurency: 3 }]));
    expect(error).toHaveProperty(
      "message",
      'Layers of "memory": layers[0].use: no layer of this name; did you mean "retry"?; ' +
        'layers[1].concurency: unknown option; did you mean "concurrency"?',
    );
  });

  it("refuses two limits that would wait for each other", () => {
    const pool = new PermitPool({ concurrency: 1 });
    expect(() => new LimitStore(new LimitStore(new MemoryStore(), pool), pool)).toThrow(/wait for its own permit/);
  });

  it("has its rules on the page about layers", () => {
    const page = readFileSync(new URL("../../docs/layers.md", import.meta.url), "utf8").replaceAll(/ +/g, " ");
    for (const { outer, inner, reason } of orderRules) {
      expect(page).toContain(`| \`${outer}\` | \`${inner}\` | ${reason} |`);
    }
  });

  it("has every option of every layer on that page, and no other", async () => {
    const page = readFileSync(new URL("../../docs/layers.md", import.meta.url), "utf8");
    for (const [kind, { options }] of Object.entries(layerTable)) {
      const { issues } = await options["~standard"].validate({ "no such option": 1 });
      const known = issues?.[0]?.message.replace("unknown option; known: ", "").split(", ").filter(Boolean);
      const row = page.split("\n").find((line) => line.startsWith(`| \`${kind}\``));
      // Values of an option stand in brackets.
      const cell = row?.split("|")[2]?.replaceAll(/\([^)]*\)/g, "") ?? "";
      expect([...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name).sort(), kind).toEqual(known?.sort());
    }
  });
});

describe("a named instance", () => {
  it("has the layers of its configuration, also under its values", async () => {
    await using backends = new BackendSet(createRegistry(), {
      plain: { use: "memory" },
      layered: { use: "memory", layers: [{ use: "read-only" }] },
    });
    expect(layersOf(await backends.store("layered"))).toEqual(["read-only"]);
    expect(layersOf(await backends.store("plain"))).toEqual([]);
    const values = await backends.get("layered");
    expect(values).toHaveProperty("store", await backends.store("layered"));
  });

  it("shares a pool by its name, and takes other stores by theirs", async () => {
    const limit = { use: "limit", pool: "network", concurrency: 2 };
    const cache = { use: "cache", medium: "kept" };
    await using backends = new BackendSet(createRegistry(), {
      a: { use: "memory", layers: [limit] },
      b: { use: "memory", layers: [cache, limit] },
      kept: { use: "memory" },
      wrong: { use: "memory", layers: [{ ...limit, concurrency: 3 }] },
    });
    const a = (await backends.store("a")) as LimitStore;
    const b = (await backends.store("b")) as unknown as { inner: LimitStore };
    expect(a.pool).toBe(b.inner.pool);
    await a.write("x", new Uint8Array(3));
    await expect(backends.store("wrong")).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });

  it("shares a retry budget by its name: what one uses up, the other has not", async () => {
    const layers = [
      { use: "retry", attempts: 9, baseDelayMs: 0, budget: "bucket", budgetCapacity: 3 },
      { use: "chaos", faults: [{ on: "read" }] },
    ];
    await using backends = new BackendSet(createRegistry(), {
      a: { use: "memory", layers },
      b: { use: "memory", layers },
      wrong: { use: "memory", layers: [{ use: "retry", budget: "bucket", budgetCapacity: 4 }] },
    });
    const attemptsOf = async (name: string) => {
      const store = await backends.store(name);
      const error = await rejectionOf(store.read("x"));
      return /given up after (\d+): the retry budget/.exec(error.message)?.[1];
    };
    expect([await attemptsOf("a"), await attemptsOf("b")]).toEqual(["4", "1"]);
    await expect(backends.store("wrong")).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining('Budget "bucket" has capacity 3, and is asked for with 4'),
    });
  });

  it("cannot have layers where there are no bytes", async () => {
    await using backends = new BackendSet(createRegistry(), { w: { use: "tiff", layers: [{ use: "retry" }] } });
    await expect(backends.store("w")).rejects.toMatchObject({ code: "UNSUPPORTED" });
    const config = { use: "memory", layers: [{ use: "retry" }] };
    await expect(backends.openWriter(config)).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });
});

it("a session file that names no layer is told so", () => {
  const backends = { raw: { use: "memory", layers: [{ use: "rety" }] } };
  expect(checkSession({ session: "s", backends }).mistakes.map(({ path }) => path)).toEqual([
    "backends.raw.layers[0].use",
  ]);
});
