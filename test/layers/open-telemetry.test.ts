import { expect, it } from "vitest";
import { MemoryStore } from "../../backends/memory/store.ts";
import { MeterStore } from "../../src/layers/meter.ts";
import { bridgeToOpenTelemetry } from "../../src/layers/open-telemetry.ts";

it("meters reach OpenTelemetry while the bridge is up, without keys", async () => {
  const seen: unknown[] = [];
  const note = (name: string) => (value: number, attributes: object) => seen.push([name, value > 0, attributes]);
  const stop = await bridgeToOpenTelemetry({
    metrics: {
      getMeter: () => ({
        createHistogram: (name) => ({ record: note(name) }),
        createCounter: (name) => ({ add: note(name) }),
      }),
    },
  });
  const store = new MeterStore(new MemoryStore(), { name: "m" });
  await store.write("secret", new Uint8Array(3));
  await store.read("missing").catch(() => {});
  stop();
  await store.read("secret");
  const write = { store: "m", operation: "write" };
  expect(seen).toEqual([
    ["sluice.store.duration", true, write],
    ["sluice.store.bytes", true, { ...write, direction: "in" }],
    ["sluice.store.duration", true, { store: "m", operation: "read", error: "NOT_FOUND" }],
  ]);
});
