import { describe, expect, it } from "vitest";
import { StreamBackend } from "../../../backends/stream/backend.ts";
import { Grouping } from "../../../backends/stream/grouping.ts";
import { type ReceivedItem, Receiver } from "../../../backends/stream/receiver.ts";
import { FakeClock } from "../../../src/testing/fake-clock.ts";
import { collecting, image, pair, settle, transportTo } from "./support.ts";

describe("a batch", () => {
  it("gives each item its own metadata, by index or by identifier, and all of them those of the batch", async () => {
    await using ends = await pair("port");
    const items = collecting(ends.receiver);
    const data = [image(0), image(1), { shape: "point" }];
    const results = await ends.backend.saveBatch(data, ["a", "b", "c"], {
      itemMetadata: [{ n: 0 }, { n: 1 }, { n: 2 }],
      batchMetadata: { well: "A01" },
      axes: ["y", "x"],
    });
    expect(results.map(({ identifier, status }) => [identifier, status])).toEqual([
      ["a", "created"],
      ["b", "created"],
      ["c", "created"],
    ]);
    await ends.backend.saveBatch(data.slice(0, 2), ["a", "b"], { itemMetadata: { b: { n: 11 }, a: { n: 10 } } });
    expect(items.map(({ path, metadata, axes }) => [path, metadata.n, axes?.length])).toEqual([
      ["a", 0, 2],
      ["b", 1, 2],
      ["c", 2, undefined],
      ["a", 10, undefined],
      ["b", 11, undefined],
    ]);
    const batches = items.map(({ batch }) => batch!);
    expect(batches.map(({ index, count, metadata }) => [index, count, metadata])).toEqual([
      [0, 3, { well: "A01" }],
      [1, 3, { well: "A01" }],
      [2, 3, { well: "A01" }],
      [0, 2, {}],
      [1, 2, {}],
    ]);
    expect(new Set(batches.map(({ id }) => id)).size).toBe(2);
  });

  it("keeps the identity of each item's producer", async () => {
    await using ends = await pair("port");
    const items = collecting(ends.receiver);
    const producers = [
      { name: "segment", step: 1 },
      { name: "measure", step: 2 },
    ];
    await ends.backend.saveBatch([image(), image()], ["a", "b"], { producers });
    await ends.backend.saveBatch([image()], ["a"], { producers: { a: { step: 1, name: "segment" } } });
    expect(items.map(({ path, producer }) => [path, producer])).toEqual([
      ["a", producers[0]],
      ["b", producers[1]],
      ["a", producers[0]],
    ]);
  });

  it.each([
    ["a missing entry by index", { itemMetadata: [{}] }, "INVALID_DATA"],
    ["a hole instead of an entry", { itemMetadata: [{}, undefined as never] }, "INVALID_DATA"],
    ["a missing entry by identifier", { itemMetadata: { a: {} } }, "INVALID_DATA"],
    ["an entry without an item", { itemMetadata: { a: {}, b: {}, c: {} } }, "INVALID_DATA"],
    ["a missing producer", { producers: [{ name: "p" }] }, "INVALID_DATA"],
    ["metadata that JSON would change", { batchMetadata: { at: Number.NaN } }, "INVALID_DATA"],
  ])("is refused as a whole, before anything is sent: %s", async (_, options, code) => {
    await using ends = await pair("port");
    const items = collecting(ends.receiver);
    await expect(ends.backend.saveBatch([image(), image()], ["a", "b"], options)).rejects.toMatchObject({ code });
    expect(items).toEqual([]);
  });

  it("is refused as a whole where two producers share a slot, a path leads out, or the lists differ", async () => {
    await using ends = await pair("port");
    const items = collecting(ends.receiver);
    const both = [image(), image()];
    const producers = [{ name: "one" }, { name: "two" }];
    await expect(ends.backend.saveBatch(both, ["a", "./a"], { producers })).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(ends.backend.saveBatch(both, ["a", "../b"])).rejects.toMatchObject({ code: "INVALID_KEY" });
    await expect(ends.backend.saveBatch(both, ["a"])).rejects.toMatchObject({ code: "INVALID_DATA" });
    expect(await ends.backend.saveBatch([], [])).toEqual([]);
    expect(items).toEqual([]);
  });
});

describe("a slot", () => {
  it("shows one producer: the second is refused until the first has gone", async () => {
    await using receiver = new Receiver();
    const items = collecting(receiver);
    const { url } = await receiver.listen();
    const { webSocketTransport } = await import("../../../backends/stream/websocket.ts");
    const from = (producer: string) => new StreamBackend({ producer, viewers: [webSocketTransport({ url })] });
    const [first, second, again] = [from("one"), from("two"), from("one")];
    await first.save(1, "a");
    await expect(second.save(2, "a")).rejects.toMatchObject({ code: "CONFLICT", identifier: "a" });
    await second.save(2, "b");
    await again.save(3, "a");
    await first.close();
    await settle();
    await expect(second.save(2, "a")).rejects.toMatchObject({ code: "CONFLICT" });
    await again.close();
    for (let tries = 0; tries < 100 && items.length < 4; tries++) await second.save(4, "a").catch(() => {});
    expect(items.map(({ path, data }) => [path, data])).toEqual([
      ["a", 1],
      ["b", 2],
      ["a", 3],
      ["a", 4],
    ]);
    await second.close();
  });
});

describe("grouping", () => {
  function grouping(fail: (paths: string[]) => unknown = () => {}) {
    const clock = new FakeClock();
    const groups: string[][] = [];
    const made = new Grouping(
      async (items) => {
        const paths = items.map(({ path }) => path);
        groups.push(paths);
        await fail(paths);
      },
      { quietMs: 500, maxMs: 2000, clock },
    );
    let id = 0;
    const item = (path: string, batchMetadata?: object, place = { id: "b", index: 0, count: 9 }): ReceivedItem => ({
      id: id++,
      path,
      data: 1,
      metadata: {},
      producer: { name: "p" },
      sender: "s",
      ...(batchMetadata === undefined ? {} : { batch: { ...place, metadata: { ...batchMetadata } } }),
      acknowledge: () => {},
      refuse: () => {},
    });
    const add = (each: ReceivedItem) => {
      const seen = { state: "pending" };
      made.add(each).then(
        () => {
          seen.state = "done";
        },
        (error) => {
          seen.state = error.message;
        },
      );
      return seen;
    };
    return { clock, groups, made, item, add };
  }

  it("flushes a group once, when it has been quiet", async () => {
    const { clock, groups, item, add } = grouping();
    const first = add(item("a"));
    await clock.advance(499);
    const second = add(item("b"));
    await clock.advance(499);
    expect([groups, first.state]).toEqual([[], "pending"]);
    await clock.advance(1);
    expect([groups, first.state, second.state]).toEqual([[["a", "b"]], "done", "done"]);
    await clock.advance(5000);
    expect([groups.length, clock.pending]).toEqual([1, 0]);
  });

  it("flushes a group that is never quiet when it is old", async () => {
    const { clock, groups, item, add } = grouping();
    for (let i = 0; i < 6; i++) {
      add(item(`${i}`));
      await clock.advance(400);
    }
    expect(groups).toEqual([["0", "1", "2", "3", "4"]]);
  });

  it("keeps distinct contexts apart and merges equal ones, whatever the order of their fields", async () => {
    const { clock, groups, item, add } = grouping();
    add(item("a1", { well: "A", z: 1 }));
    add(item("b1", { well: "B", z: 1 }));
    add(item("a2", { z: 1, well: "A" }, { id: "other", index: 0, count: 9 }));
    add(item("none"));
    await clock.advance(500);
    expect(groups.sort()).toEqual([["a1", "a2"], ["b1"], ["none"]]);
  });

  it("flushes a batch as soon as it is whole", async () => {
    const { clock, groups, item, add } = grouping();
    add(item("a", {}, { id: "x", index: 0, count: 2 }));
    add(item("b", {}, { id: "x", index: 1, count: 2 }));
    await settle();
    expect([groups, clock.pending]).toEqual([[["a", "b"]], 0]);
  });

  it("lets a failing context fail alone", async () => {
    const { clock, item, add } = grouping((paths) => {
      if (paths.includes("bad")) throw new Error("cannot draw");
    });
    const bad = add(item("bad", { well: "A" }));
    const good = add(item("good", { well: "B" }));
    await clock.advance(500);
    expect([bad.state, good.state]).toEqual(["cannot draw", "done"]);
  });

  it("takes new items while a group is processed, and flushes them later", async () => {
    let release = (): void => {};
    const drawn = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { clock, groups, made, item, add } = grouping(() => drawn);
    const first = add(item("a"));
    await clock.advance(500);
    const second = add(item("b"));
    await clock.advance(500);
    expect([groups, first.state, second.state]).toEqual([[["a"], ["b"]], "pending", "pending"]);
    release();
    await made.flush();
    await settle();
    expect([first.state, second.state]).toEqual(["done", "done"]);
  });

  it("answers the values of a group when the group is done", async () => {
    await using receiver = new Receiver();
    const clock = new FakeClock();
    const drawn: number[] = [];
    const made = new Grouping((items) => drawn.push(items.length), { clock });
    void receiver.serve((item) => made.add(item), { concurrency: 10 });
    await using backend = new StreamBackend({ viewers: [await transportTo(receiver, "port")] });
    const saving = backend.saveBatch([1, 2, 3], ["a", "b", "c"]);
    await saving;
    expect(drawn).toEqual([3]);
  });
});
