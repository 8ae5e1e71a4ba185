/** Groups, arrays and their attributes, one by one. */
import { describe, expect, it } from "vitest";
import { MemoryStore } from "../../../backends/memory/store.ts";
import { ZarrBackend } from "../../../backends/zarr/backend.ts";
import { hiddenBeside } from "../../../backends/zarr/hidden.ts";
import { isArrayTreeSource, type TreeGroupNode } from "../../../src/core/array-tree.ts";
import { ndArray } from "../../../src/core/nd-array.ts";

function newTree(root?: string) {
  const store = new MemoryStore();
  const backend = new ZarrBackend(store);
  return { store, backend, tree: backend.arrayTree(root) };
}

describe("the hierarchy of a Zarr backend", () => {
  it("has groups and arrays with attributes, which are read as they were written", async () => {
    const { backend, tree } = newTree();
    expect(isArrayTreeSource(backend)).toBe(true);
    await tree.createGroup("a/b", { note: { of: [1, "x"] } });
    const array = await tree.createArray("a/b/numbers", { shape: [0, 2], dtype: "int16", attributes: { units: "mm" } });
    await array.append(ndArray(Int16Array.of(1, 2), [1, 2]));
    await array.append(ndArray(Int16Array.of(3, 4, 5, 6), [2, 2]));
    const group = (await tree.node("a/b")) as TreeGroupNode;
    expect(group).toMatchObject({ kind: "group", attributes: { note: { of: [1, "x"] } } });
    expect(await group.names()).toEqual(["numbers"]);
    const found = await tree.node("a/b/numbers");
    if (found?.kind !== "array") throw new Error("no array");
    expect([found.shape, found.dtype, found.attributes]).toEqual([[3, 2], "int16", { units: "mm" }]);
    expect((await found.read([[1, 3], 1])).data).toEqual(Int16Array.of(4, 6));
    await array.write([[0, 1]], ndArray(Int16Array.of(7, 8), [1, 2]));
    expect((await found.read([0])).data).toEqual(Int16Array.of(7, 8));
    expect(await tree.node("a/none")).toBeUndefined();
  });

  it("of a key touches nothing above it", async () => {
    const { store, tree } = newTree("runs/one.zarr");
    await tree.createGroup("", { at: "root" });
    await tree.createGroup("g", {});
    const keys: string[] = [];
    for await (const { key } of store.list({ prefix: "" })) keys.push(key);
    expect(keys.sort()).toEqual(["runs/one.zarr/g/zarr.json", "runs/one.zarr/zarr.json"]);
    expect(await tree.node("")).toMatchObject({ kind: "group", attributes: { at: "root" } });
  });

  it("takes groups that are there as they are, and refuses arrays that are", async () => {
    const { tree } = newTree();
    await tree.createGroup("g", { first: true });
    await tree.createGroup("g", { first: false });
    expect(await tree.node("g")).toMatchObject({ attributes: { first: true } });
    await tree.createArray("g/a", { shape: [1], dtype: "uint8" });
    await expect(tree.createArray("g/a", { shape: [1], dtype: "uint8" })).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
    });
    await expect(tree.createGroup("g/a", {})).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
  });

  it("does not list what is on its way to its place", async () => {
    const { tree } = newTree();
    await tree.createGroup("g/shown", {});
    await tree.createGroup(hiddenBeside("g/shown", "new"), {});
    expect(await ((await tree.node("g")) as TreeGroupNode).names()).toEqual(["shown"]);
  });
});
