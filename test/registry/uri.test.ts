import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BackendSet } from "../../registry/backend-set.ts";
import { createRegistry } from "../../registry/builtin.ts";
import { isUri, resolveUri, splitUri } from "../../registry/uri.ts";

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

  it.each(["s3://bucket/run#1/a", "https://host/a#", "mem:a#b", "file:///a#b", "zip:s3://bucket/a#1.zip!/b"])(
    "%s is refused rather than cut off at the #",
    (uri) => {
      const refused = expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringContaining("%23") });
      expect(() => resolveUri(registry, uri)).toThrow(refused);
      if (!uri.startsWith("zip:")) expect(() => splitUri(uri)).toThrow(refused);
    },
  );

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

  it.each([
    ["https://host/data?sig=1", "http", { baseUrl: "https://host/data?sig=1", index: "auto" }],
    ["zip:file:///data/a%20b.zip", "zip", { archive: "/data/a b.zip" }],
    ["zip:a.zip!/x%21/y", "zip", { archive: "a.zip", root: "x!/y" }],
    ["ZIP:https://host/d/a.zip!/b/c", "zip", { store: "https://host/", archive: "d/a.zip", root: "b/c" }],
    ["zip:zip:file:///a.zip!/b.zip!/c", "zip", { store: "zip:file:///a.zip", archive: "b.zip", root: "c" }],
    ["zip:zip:file:///a.zip!/b.zip", "zip", { store: "zip:file:///a.zip", archive: "b.zip" }],
  ])("%s stands for options of its backend", (uri, key, options) => {
    expect(resolveUri(registry, uri)).toMatchObject({ key, options });
  });

  it("keeps the query of an archive with the archive", () => {
    expect(resolveUri(registry, "zip:https://host/d/a.zip?sig=1!/b").options).toEqual({
      store: "https://host/?sig=1",
      archive: "d/a.zip",
      root: "b",
    });
  });

  it.each([
    ["https://host:81/a%20b/c?q", "https://host:81/?q", "a b/c"],
    ["s3://bucket/a/b", "s3://bucket/", "a/b"],
    ["file:///data/a%23b", "file:///", "data/a#b"],
    ["zip:file:///a.zip!/b/c", "zip:file:///a.zip", "b/c"],
    ["zip:a.zip", "zip:a.zip", ""],
    ["zip:zip:file:///a.zip!/b.zip!/c!/d", "zip:zip:file:///a.zip!/b.zip", "c!/d"],
  ])("%s is the store %s and the key %s", (uri, store, key) => {
    expect(splitUri(uri)).toEqual({ store, key });
  });

  it("shows neither user, password nor query, neither in names nor in errors", () => {
    const secret = "https://user:hush@host/a?token=hush";
    expect(resolveUri(registry, secret).name).toBe("https://host/a");
    expect(resolveUri(registry, `zip:${secret}!/b`).name).toBe("zip:https://host/a!/b");
    for (const uri of [
      "https://user:hush@:99999/a?hush",
      "zip:https://u:hush@host/?hush",
      "zip:https://u:hush@h/%zz?hush",
    ]) {
      const refusal = (() => {
        try {
          return resolveUri(registry, uri);
        } catch (error) {
          return error as Error;
        }
      })();
      expect(refusal).toBeInstanceOf(Error);
      expect(JSON.stringify(refusal) + String(refusal)).not.toContain("hush");
    }
  });
});
