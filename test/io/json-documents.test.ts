import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ByteStore } from "../../src/core/byte-store.ts";
import { mergeDocuments, mergeJson } from "../../src/io/merge-json.ts";
import { type JsonMigration, migrateJson } from "../../src/io/migrate-json.ts";
import { updateJson } from "../../src/io/update-json.ts";
import { ReadOnlyStore } from "../../src/layers/read-only.ts";
import { freshDisk, freshMemory } from "../support/byte-stores.ts";
import { rejectionOf } from "../support/rejection.ts";

const read = async (store: ByteStore, key: string) => new TextDecoder().decode(await store.read(key));

describe("mergeJson", () => {
  it("replaces the outermost values key by key, and merges deep only where that is declared", () => {
    const document = { a: { x: 1, y: 2 }, b: { x: 1, y: { p: 1 } }, c: 3 };
    const part = { a: { x: 9 }, b: { y: { q: 2 } }, d: 4 };
    expect(mergeDocuments(document, part)).toEqual({ a: { x: 9 }, b: { y: { q: 2 } }, c: 3, d: 4 });
    expect(mergeDocuments(document, part, { b: "deep" })).toEqual({
      a: { x: 9 },
      b: { x: 1, y: { p: 1, q: 2 } },
      c: 3,
      d: 4,
    });
    expect(document).toEqual({ a: { x: 1, y: 2 }, b: { x: 1, y: { p: 1 } }, c: 3 });
  });

  it("knows policies by path, stars for any key, and the most exact path wins", () => {
    const document = { wells: { A01: { runs: [1], seen: ["x"], id: 7, note: "old" }, B02: { runs: [1] } } };
    const part = { wells: { A01: { runs: [2], seen: ["x", "y"], id: 7, note: "new" }, B02: { runs: [2] } } };
    const policies = {
      "wells/*": "deep",
      "wells/*/runs": "append",
      "wells/*/seen": "union",
      "wells/*/id": "equal",
      "wells/*/note": "keep",
      "wells/B02/runs": "replace",
    } as const;
    expect(mergeDocuments(document, part, policies)).toEqual({
      wells: { A01: { runs: [1, 2], seen: ["x", "y"], id: 7, note: "old" }, B02: { runs: [2] } },
    });
    expect(mergeDocuments({ "a/b": { x: 1 } }, { "a/b": { y: 2 } }, { "a~1b": "deep" })).toEqual({
      "a/b": { x: 1, y: 2 },
    });
  });

  it("refuses what contradicts its policies, and changes nothing", async () => {
    const { store } = await freshMemory();
    await mergeJson(store, "plate.json", { id: 1, list: {} });
    const before = await read(store, "plate.json");
    await expect(mergeJson(store, "plate.json", { id: 2 }, { policies: { id: "equal" } })).rejects.toMatchObject({
      code: "CONFLICT",
      identifier: "plate.json",
    });
    await expect(mergeJson(store, "plate.json", { list: [1] }, { policies: { list: "append" } })).rejects.toMatchObject(
      {
        code: "INVALID_DATA",
      },
    );
    const wrong = rejectionOf(mergeJson(store, "plate.json", {}, { policies: { id: "smart" as never } }));
    expect((await wrong).message).toContain('"smart" is no policy; there are: replace');
    expect(await read(store, "plate.json")).toBe(before);
  });

  it("keeps a damaged document, and one that is no object, as they are", async () => {
    const disk = await freshDisk();
    await disk.side.put("plate.json", new TextEncoder().encode('{"a": 1'));
    await expect(mergeJson(disk.store, "plate.json", { b: 1 })).rejects.toMatchObject({ code: "CORRUPT" });
    expect(await read(disk.store, "plate.json")).toBe('{"a": 1');
    await disk.side.put("list.json", new TextEncoder().encode("[1]"));
    await expect(mergeJson(disk.store, "list.json", { b: 1 })).rejects.toMatchObject({ code: "INVALID_DATA" });
    await disk.dispose?.();
  });

  it("loses nothing of what many merge at the same time", async () => {
    const { store } = await freshMemory();
    await Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        mergeJson(store, "p.json", { wells: { [`A${i}`]: { done: true } } }, { policies: { wells: "deep" } }),
      ),
    );
    const { wells } = JSON.parse(await read(store, "p.json")) as { wells: object };
    expect(Object.keys(wells)).toHaveLength(30);
  });

  it("deep merging is idempotent, has everything of the new part, and keeps what that does not name", () => {
    const json = fc.letrec((tie) => ({
      object: fc.dictionary(fc.constantFrom("a", "b", "c", "__proto__"), tie("value"), { maxKeys: 3 }),
      value: fc.oneof({ maxDepth: 4 }, fc.integer(), fc.string(), fc.array(fc.integer()), tie("object")),
    })).object as fc.Arbitrary<Record<string, unknown>>;
    const leaves = (value: unknown, path = "$"): [string, string][] =>
      typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length > 0
        ? Object.keys(value).flatMap((key) =>
            leaves(Object.getOwnPropertyDescriptor(value, key)?.value, `${path}/${key}`),
          )
        : [[path, JSON.stringify(value)]];
    fc.assert(
      fc.property(json, json, (old, part) => {
        const policies = { "*": "deep" } as const;
        const merged = mergeDocuments(old, part, policies);
        expect(mergeDocuments(merged, part, policies)).toEqual(merged);
        const all = new Map(leaves(merged));
        for (const [path, value] of leaves(part)) if (value !== "{}") expect(all.get(path)).toBe(value);
        const named = leaves(part).map(([path]) => path);
        for (const [path, value] of leaves(old)) {
          const isTouched = named.some((other) => path.startsWith(other) || other.startsWith(path));
          if (!isTouched) expect(all.get(path)).toBe(value);
        }
      }),
    );
  });
});

const migrations: JsonMigration[] = [
  {
    from: 1,
    to: 3,
    description: "name the wells",
    migrate: ({ wells, ...rest }) => ({ ...rest, wells: { all: wells } }),
  },
  { from: 0, to: 1, migrate: (document) => ({ ...document, wells: [] }) },
];

describe("migrateJson", () => {
  it("goes all steps at once, and keeps the old document byte by byte", async () => {
    const disk = await freshDisk();
    const old = '{"plate":   "P1"}';
    await disk.side.put("plate.json", new TextEncoder().encode(old));
    const report = await migrateJson(disk.store, "plate.json", { migrations });
    expect(report).toEqual({
      from: 0,
      to: 3,
      steps: [
        { from: 0, to: 1 },
        { from: 1, to: 3, description: "name the wells" },
      ],
      value: { plate: "P1", wells: { all: [] }, version: 3 },
      backup: "plate.json.v0.bak",
      isDryRun: false,
    });
    expect(JSON.parse(await read(disk.store, "plate.json"))).toEqual(report.value);
    expect(await read(disk.store, "plate.json.v0.bak")).toBe(old);
    await disk.dispose?.();
  });

  it("leaves a document of the present version alone, and refuses a later one", async () => {
    const { store } = await freshMemory();
    await updateJson(store, "p.json", () => ({ version: 3, a: 1 }), { default: {} });
    const { etag } = await store.stat("p.json");
    expect(await migrateJson(store, "p.json", { migrations })).toMatchObject({
      from: 3,
      to: 3,
      steps: [],
      value: { a: 1 },
    });
    expect((await store.stat("p.json")).etag).toBe(etag);
    await updateJson(store, "p.json", () => ({ version: 4 }), { default: {} });
    const error = await rejectionOf(migrateJson(store, "p.json", { migrations }));
    expect(error).toMatchObject({ code: "UNSUPPORTED" });
    expect(error.message).toContain("has version 4, and 3 is the latest");
  });

  it("a dry run says what would happen and writes nothing, also where nothing can be written", async () => {
    const { store, side } = await freshMemory();
    await updateJson(store, "p.json", () => ({ version: 1, wells: ["A01"] }), { default: {} });
    const report = await migrateJson(new ReadOnlyStore(store), "p.json", { migrations, dryRun: true });
    expect(report).toMatchObject({ from: 1, to: 3, value: { version: 3, wells: { all: ["A01"] } }, isDryRun: true });
    expect(report.backup).toBeUndefined();
    expect(JSON.parse(await read(store, "p.json"))).toEqual({ version: 1, wells: ["A01"] });
    expect(await side.keys()).toEqual(["p.json"]);
  });

  it("what fails on the way changes nothing: a throwing step, a result that is no JSON, a missing step", async () => {
    const { store } = await freshMemory();
    await updateJson(store, "p.json", () => ({ version: 1 }), { default: {} });
    const before = await read(store, "p.json");
    const failing = (migrate: JsonMigration["migrate"]) =>
      rejectionOf(migrateJson(store, "p.json", { migrations: [{ from: 1, to: 2, migrate }], backup: false }));
    expect(
      (
        await failing(() => {
          throw new Error("no such well");
        })
      ).message,
    ).toBe("no such well");
    expect(await failing(() => ({ when: new Date() }))).toMatchObject({ code: "INVALID_DATA" });
    expect(await failing(() => [] as never)).toMatchObject({ code: "INVALID_DATA" });
    const gap: JsonMigration[] = [{ from: 2, to: 3, migrate: (value) => value }];
    expect(await rejectionOf(migrateJson(store, "p.json", { migrations: gap }))).toMatchObject({
      code: "CONFIG_INVALID",
    });
    const twice = [...migrations, { from: 1, to: 2, migrate: (value: object) => ({ ...value }) }];
    expect(await rejectionOf(migrateJson(store, "p.json", { migrations: twice }))).toMatchObject({
      code: "CONFIG_INVALID",
    });
    expect(await read(store, "p.json")).toBe(before);
  });

  it("never overwrites a backup with other bytes, and takes one with the same", async () => {
    const { store } = await freshMemory();
    const put = (text: string) => store.write("p.json", new TextEncoder().encode(text));
    for (const [text, backup] of [
      ['{"a":1}', "p.json.v0.bak"],
      ['{"a":2}', "p.json.v0-2.bak"],
      ['{"a":1}', "p.json.v0.bak"],
    ] as const) {
      await put(text);
      expect((await migrateJson(store, "p.json", { migrations })).backup).toBe(backup);
      expect(await read(store, backup)).toBe(text);
    }
  });

  it("of many who migrate at once each sees the present version, and nothing is migrated twice", async () => {
    const disk = await freshDisk();
    await disk.side.put("p.json", new TextEncoder().encode('{"wells": [1], "version": 1}'));
    const reports = await Promise.all(
      Array.from({ length: 8 }, () => migrateJson(disk.store, "p.json", { migrations })),
    );
    for (const { value } of reports) expect(value).toEqual({ wells: { all: [1] }, version: 3 });
    expect(reports.filter(({ steps }) => steps.length > 0)).toHaveLength(1);
    await disk.dispose?.();
  });

  it("keeps a damaged document, on disk, as it is", async () => {
    const disk = await freshDisk();
    await disk.side.put("p.json", new TextEncoder().encode("{"));
    expect(await rejectionOf(migrateJson(disk.store, "p.json", { migrations }))).toMatchObject({ code: "CORRUPT" });
    expect(await read(disk.store, "p.json")).toBe("{");
    await disk.dispose?.();
  });
});
