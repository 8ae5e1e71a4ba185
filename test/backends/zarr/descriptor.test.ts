import { describe, expect, it } from "vitest";
import { openZarr, zarr } from "../../../backends/zarr/index.ts";
import type { InstanceConfig } from "../../../src/core/descriptor.ts";
import { frameOf, memoryStore } from "./support.ts";

describe("the zarr descriptor", () => {
  /** Opens a writer, and answers what it asked its context for. */
  async function storeOf(uri: string, durability?: "data"): Promise<string | InstanceConfig> {
    const asked: (string | InstanceConfig)[] = [];
    const store = memoryStore();
    const context = {
      instance: "scan",
      store: async (reference: string | InstanceConfig) => {
        asked.push(reference);
        return store;
      },
    };
    const writer = await zarr.openWriter!({ uri, durability }, context);
    writer.updateSource("cam", "uint16", [2]);
    const sink = await writer.prepare("cam");
    await writer.kickoff();
    await sink.write(frameOf(0, [2]));
    await sink.close();
    expect(writer.name).toBe("scan");
    expect((await openZarr(store)).kind).toBe("group");
    // The store belongs to whoever opened it: it is still open.
    expect((await openZarr(store, "cam")).kind).toBe("array");
    expect(asked).toHaveLength(1);
    return asked[0]!;
  }

  it("opens a writer over the store of its URI", async () => {
    expect(await storeOf("file://localhost/data/a%20b.zarr")).toBe("file://localhost/data/a%20b.zarr");
    expect(await storeOf("s3://bucket/runs")).toBe("s3://bucket/runs/scan.zarr");
  });

  it("has a schema that names every mistake with its path", async () => {
    const { validate } = (await zarr.options!())["~standard"];
    expect(await validate({ codec: "none", shardBytes: 1 })).toEqual({ value: { codec: "none", shardBytes: 1 } });
    expect(await validate({ codec: "gzip", shard: 1 })).toMatchObject({
      issues: [{ path: ["codec"] }, { path: ["shard"] }],
    });
    expect(await validate(3)).toMatchObject({ issues: [{}] });
  });

  it("passes durability to the disk store, and only there", async () => {
    const config = { use: "disk", root: "/data/a b.zarr", durability: "data" };
    expect(await storeOf("file://localhost/data/a%20b.zarr", "data")).toEqual(config);
    expect(await storeOf("file:///data/a%20b.zarr", "data")).toEqual(config);
    expect(await storeOf("s3://bucket/a.zarr", "data")).toBe("s3://bucket/a.zarr");
  });
});
