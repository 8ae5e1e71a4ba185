import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BackendSet } from "../../registry/backend-set.ts";
import { createRegistry } from "../../registry/builtin.ts";
import { isUri, resolveUri } from "../../registry/uri.ts";

const registry = createRegistry();

describe("a URI", () => {
  it.each([
    ["file:///data/raw", "/data/raw"],
    ["file://localhost/data/raw/", "/data/raw/"],
    ["FILE:///data/a%20b%23c", "/data/a b#c"],
  ])("%s is a folder of the disk backend", (uri, root) => {
    expect(resolveUri(registry, uri)).toMatchObject({ key: "disk", options: { root } });
  });

  it("has one normal form for each place", () => {
    const forms = ["file:///data/raw", "file://localhost/data/raw/", "file:///data/x/../raw"];
    expect(new Set(forms.map((uri) => resolveUri(registry, uri).href)).size).toBe(1);
  });

  it("of any path leads back to that path", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1, unit: "grapheme" }), { minLength: 1 }), (names) => {
        const segments = names.map((name) => name.replace(/[/\0\\]/g, "_")).filter((name) => !/^\.*$/.test(name));
        const path = `/${segments.join("/")}`;
        expect(resolveUri(registry, pathToFileURL(path).href).options).toEqual({ root: path });
      }),
    );
  });

  it("of another scheme is handed to its backend whole", () => {
    expect(resolveUri(registry, "mem://a/b?c")).toMatchObject({ key: "memory", options: { uri: "mem://a/b?c" } });
  });

  it.each([
    ["ftp://host/a", "UNKNOWN_BACKEND"],
    ["/data/raw", "CONFIG_INVALID"],
    ["file:///a?b", "CONFIG_INVALID"],
    ["file:///a#b", "CONFIG_INVALID"],
    ["file:///a%2Fb", "CONFIG_INVALID"],
    ["file://server/share", "CONFIG_INVALID"],
  ])("%s is refused with %s", (uri, code) => {
    expect(() => resolveUri(registry, uri)).toThrow(expect.objectContaining({ code }));
  });

  it("is told from names and from drive letters", () => {
    expect(["file:///a", "s3://b", "raw", "a/b", "C:\\data", ""].map(isUri)).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
  });

  it("gives a store that is rooted there", async () => {
    await using set = new BackendSet(registry);
    const store = await set.store(new URL(".", import.meta.url).href);
    expect((await store.stat("uri.test.ts")).kind).toBe("file");
    expect(await set.store(import.meta.dirname.replace(/^/, "file://"))).toBe(store);
  });
});
