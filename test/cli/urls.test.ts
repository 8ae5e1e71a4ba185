import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { MemoryStore } from "../../backends/memory/store.ts";
import { createArchive } from "../../backends/zip/index.ts";
import { webServer } from "../support/web-server.ts";
import { scratchFolder, sluice } from "./command.ts";

describe("addresses of web servers and archives", () => {
  it("are understood by ls, cat, info and cp, also one inside the other", async () => {
    const memory = new MemoryStore();
    await using archive = await createArchive(memory, "a.zip");
    await archive.add("in ner/x#1.txt", new TextEncoder().encode("hello"));
    await archive.close();
    const zip = await memory.read("a.zip");
    const folder = scratchFolder({});
    await using server = await webServer({ index: "json" });
    server.values.set("d/a.zip", zip).set("d/note.txt", new TextEncoder().encode("note"));
    expect((await sluice(["ls", `${server.url}d`], folder)).output).toMatch(/a\.zip\n.*note\.txt\n$/);
    expect((await sluice(["cat", `${server.url}d/note.txt`], folder)).output).toBe("note");
    expect((await sluice(["cp", `${server.url}d/a.zip`, "b.zip"], folder)).code).toBe(0);
    expect(new Uint8Array(readFileSync(join(folder, "b.zip")))).toEqual(zip);
    for (const outer of [`${server.url}d/a.zip`, "b.zip"]) {
      const address = `zip:${outer}!/in%20ner`;
      expect((await sluice(["ls", address], folder)).output).toMatch(/x#1\.txt\n$/);
      expect((await sluice(["cat", `${address}/x%231.txt`], folder)).output).toBe("hello");
      expect((await sluice(["info", `${address}/x%231.txt`], folder)).code).toBe(0);
    }
    const target = await sluice(["cp", "b.zip", "zip:b.zip!/c"], folder);
    expect([target.code, target.errors]).toEqual([1, expect.stringContaining("READ_ONLY")]);
  });
});
