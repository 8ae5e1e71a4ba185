import { describe, expect, it } from "vitest";
import { Registry } from "../../registry/registry.ts";
import { tape } from "./tape.ts";

describe("a clone of a registry", () => {
  it("knows every name and scheme of the original, also those that were overridden", async () => {
    const original = new Registry();
    original.register(tape({ aliases: ["reel", "spool"], schemes: ["tape", "reel"] }));
    original.register(tape({ key: "reel", schemes: ["reel"] }), { override: true });
    original.register(tape({ key: "new", aliases: ["spool"] }), { override: true });
    const clone = original.clone();
    expect(clone.keys()).toEqual(original.keys());
    expect(clone.schemes()).toEqual(original.schemes());
    expect(clone.forScheme("reel").key).toBe(original.forScheme("reel").key);
    for (const name of ["tape", "reel", "spool", "new"]) {
      expect(clone.descriptor(name)).toBe(original.descriptor(name));
      expect(await clone.load(name)).toBe(await original.load(name));
    }
  });

  it("and its original do not see what is registered in the other later", () => {
    const original = new Registry();
    original.register(tape());
    const clone = original.clone();
    clone.register(tape({ key: "of-clone" }));
    original.register(tape({ key: "of-original" }));
    clone.register(tape({ summary: "another" }), { override: true });
    expect(clone.keys().sort()).toEqual(["of-clone", "tape"]);
    expect(original.keys().sort()).toEqual(["of-original", "tape"]);
    expect([clone, original].map((registry) => registry.descriptor("tape").summary)).toEqual(["another", ""]);
  });
});
