import { describe, expect, it } from "vitest";
import { type ReceivedItem, Receiver } from "../../../backends/stream/receiver.ts";
import { StorageError } from "../../../src/core/errors.ts";
import { arraysEqual, type NdArray, sliceArray, zeros } from "../../../src/core/nd-array.ts";
import { collecting, image, type Kind, pair, settle, until } from "./support.ts";

describe.each<Kind>(["websocket", "port"])("values over a %s", (kind) => {
  it("arrive as they were, with what was said about them", async () => {
    await using ends = await pair(kind, { producer: "pipeline" });
    const items = collecting(ends.receiver);
    const view = sliceArray(image(3, [4, 5, 6]), [2, [1, 3], null]);
    expect(await ends.backend.save(view, "./A01//f0.tif", { axes: ["y", "x"], metadata: { channel: "GFP" } })).toEqual({
      status: "created",
      identifier: "./A01//f0.tif",
    });
    await ends.backend.save({ shape: "polygon" }, "rois");
    await ends.backend.save("µm", "unit");
    await ends.backend.save(Uint8Array.of(1, 2), "raw");
    const [first, ...rest] = items;
    expect(first).toMatchObject({
      path: "A01/f0.tif",
      axes: ["y", "x"],
      metadata: { channel: "GFP" },
      producer: { name: "pipeline" },
    });
    expect(arraysEqual(first!.data as NdArray, view)).toBe(true);
    expect(rest.map(({ path, data }) => [path, data instanceof Uint8Array ? [...data] : data])).toEqual([
      ["rois", { shape: "polygon" }],
      ["unit", "µm"],
      ["raw", [1, 2]],
    ]);
    expect(new Set(items.map(({ sender }) => sender)).size).toBe(1);
  });

  it("are acknowledged when they were processed, not when they arrived", async () => {
    await using ends = await pair(kind);
    let release = (): void => {};
    const processed = new Promise<void>((resolve) => {
      release = resolve;
    });
    let hasCome = false;
    void ends.receiver.serve(async () => {
      hasCome = true;
      await processed;
    });
    let isSaved = false;
    const saving = ends.backend.save(image(), "a").then(() => {
      isSaved = true;
    });
    await until(() => hasCome);
    await settle();
    expect(isSaved).toBe(false);
    release();
    await saving;
  });

  it("that are refused reject with the viewer's code, and the next ones go on", async () => {
    await using ends = await pair(kind);
    void ends.receiver.serve(({ path }) => {
      if (path === "full") throw new StorageError("NO_SPACE", "the disk is full");
      if (path === "odd") throw new TypeError("no such colour");
    });
    await expect(ends.backend.save(image(), "full")).rejects.toMatchObject({
      code: "NO_SPACE",
      operation: "save",
      identifier: "full",
      message: expect.stringContaining("the disk is full"),
    });
    await expect(ends.backend.save(image(), "odd")).rejects.toMatchObject({
      code: "UNEXPECTED",
      message: expect.stringContaining("no such colour"),
    });
    await ends.backend.save(image(), "good");
    expect(ends.backend.report()[0]).toMatchObject({ acknowledged: 1, refused: 2, lost: 0, isConnected: true });
  });

  it("leave the caller's memory alone", async () => {
    await using ends = await pair(kind);
    const items = collecting(ends.receiver);
    const array = image(1);
    await ends.backend.save(array, "a");
    (array.data as Uint16Array).fill(9);
    expect(arraysEqual(items[0]!.data as NdArray, image(1))).toBe(true);
  });

  it("arrive in the order of the calls", async () => {
    await using ends = await pair(kind);
    const items = collecting(ends.receiver);
    const paths = Array.from({ length: 200 }, (_, i) => `p${i}`);
    await Promise.all(paths.map((path, i) => ends.backend.save(image(i), path)));
    expect(items.map(({ path }) => path)).toEqual(paths);
  });

  it("larger than all buffers go alone", async () => {
    await using ends = await pair(kind, { bufferBytes: 10, windowBytes: 10 }, { bufferBytes: 10 });
    const items = collecting(ends.receiver);
    await Promise.all([0, 1, 2].map((i) => ends.backend.save(image(i, [300, 300]), `p${i}`)));
    expect(items.map(({ data }) => (data as NdArray).shape)).toEqual([
      [300, 300],
      [300, 300],
      [300, 300],
    ]);
  });

  it("that are too long for the viewer are refused without being sent", async () => {
    await using ends = await pair(kind, {}, { maxMessageBytes: 1000 });
    const items = collecting(ends.receiver);
    await expect(ends.backend.save(image(0, [100, 100]), "large")).rejects.toMatchObject({ code: "INVALID_DATA" });
    await ends.backend.save(image(), "small");
    expect(items.map(({ path }) => path)).toEqual(["small"]);
    expect(ends.backend.report()[0]).toMatchObject({ sent: 1, refused: 1 });
  });

  it("without elements are no payload for a display", async () => {
    await using ends = await pair(kind);
    const items = collecting(ends.receiver);
    await expect(ends.backend.save(zeros([0, 4], "uint8"), "empty")).rejects.toMatchObject({ code: "INVALID_DATA" });
    await expect(ends.backend.saveBatch([image(), zeros([0], "uint8")], ["a", "b"])).rejects.toMatchObject({
      code: "INVALID_DATA",
    });
    expect(items).toEqual([]);
  });

  it("have neither a codec nor a way back", async () => {
    await using ends = await pair(kind);
    await expect(ends.backend.save(image(), "a", { format: "npy" })).rejects.toMatchObject({ code: "INVALID_DATA" });
    for (const name of ["load", "listFiles", "exists", "delete"]) expect(name in ends.backend).toBe(false);
  });
});

describe("a receiver", () => {
  it("acknowledges in a loop when the next item is asked for, and refuses the one in hand when the loop is left", async () => {
    await using ends = await pair("websocket");
    const outcomes = ["a", "b", "c"].map((path) =>
      ends.backend.save(image(), path).then(
        () => "shown",
        ({ code }) => code,
      ),
    );
    for await (const { path } of ends.receiver) if (path === "b") break;
    expect(await Promise.all(outcomes.slice(0, 2))).toEqual(["shown", "ABORTED"]);
    // Whoever comes next goes on where it was left.
    for await (const item of ends.receiver) {
      item.acknowledge();
      break;
    }
    expect(await outcomes[2]).toBe("shown");
  });

  it("ends its loops when it is closed", async () => {
    const receiver = new Receiver();
    const loop = (async () => {
      for await (const _ of receiver) throw new Error("nothing came");
    })();
    const serving = receiver.serve(() => {});
    await receiver.close();
    await Promise.all([loop, serving]);
    await receiver.close();
    await expect(receiver.listen()).rejects.toMatchObject({ code: "NOT_OPEN" });
  });

  it("stops serving when told, and keeps what comes for the next", async () => {
    await using ends = await pair("port");
    const stop = new AbortController();
    const serving = ends.receiver.serve(() => {}, { signal: stop.signal });
    await ends.backend.save(image(), "a");
    stop.abort();
    await serving;
    const saving = ends.backend.save(image(), "b");
    await until(() => ends.receiver.waiting === 1);
    void ends.receiver.serve(() => {});
    await saving;
  });

  it("makes senders wait when too much is here without an answer", async () => {
    await using ends = await pair("websocket", { windowBytes: 2 ** 30 }, { bufferBytes: 400_000 });
    const frame = image(0, [300, 300]);
    const all = Promise.all(Array.from({ length: 100 }, (_, i) => ends.backend.save(frame, `p${i}`)));
    await until(() => ends.receiver.waiting >= 3);
    for (let quiet = 0, last = 0; quiet < 20; quiet = last === ends.receiver.waiting ? quiet + 1 : 0) {
      last = ends.receiver.waiting;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(ends.receiver.waiting).toBeLessThan(20);
    const items: ReceivedItem[] = collecting(ends.receiver);
    await all;
    expect(items).toHaveLength(100);
  });
});
