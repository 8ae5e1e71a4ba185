import { describe, expect, it } from "vitest";
import { StaticFilenameProvider, StaticPathProvider } from "../../src/acquire/index.ts";
import { isStorageError } from "../../src/core/errors.ts";
import type { FrameSink, StorageProxy } from "../../src/core/frame-writer.ts";
import { zeros } from "../../src/core/nd-array.ts";
import { PlainWriter } from "../support/plain-writer.ts";

const frame = zeros([4, 4], "uint8");

async function openOne(writer: PlainWriter, capacity = 0): Promise<FrameSink> {
  writer.updateSource("cam", "uint8", [4, 4]);
  writer.setUri(`plain://store-${writer.stores.size}`);
  const sink = await writer.prepare("cam", capacity);
  await writer.kickoff();
  return sink;
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => "resolved",
    (error: unknown) => (isStorageError(error) ? error.code : String(error)),
  );

describe("A writer is opened", () => {
  it("once by concurrent calls of an override that has a guard of its own", async () => {
    const writer = new PlainWriter("w", { uri: "plain://a" });
    await Promise.all([writer.kickoff(), writer.kickoff(), writer.kickoff()]);
    expect(writer.calls).toEqual(["kickoff"]);
  });

  it("not before its override has succeeded, and anew after a failure, with its metadata", async () => {
    const writer = new PlainWriter("w", { uri: "plain://a" });
    writer.updateMetadata({ operator: "ada" });
    writer.kickoffFailure = new Error("no camera");
    const both = [writer.kickoff(), writer.kickoff()];
    expect(await Promise.all(both.map(codeOf))).toEqual(["UNEXPECTED", "UNEXPECTED"]);
    expect(writer.isOpen).toBe(false);
    writer.kickoffFailure = undefined;
    await writer.kickoff();
    expect(writer.stores.get("plain://a")?.metadata).toEqual({ operator: "ada" });
  });

  it("not at all when the call is aborted", async () => {
    const writer = new PlainWriter("w", { uri: "plain://a" });
    expect(await codeOf(writer.kickoff({ signal: AbortSignal.abort() }))).toBe("ABORTED");
    expect(writer.calls).toEqual([]);
  });

  it("only by an override that calls super", async () => {
    class Forgetful extends PlainWriter {
      override async kickoff() {}
      override async prepare(_name: string): Promise<FrameSink> {
        return {} as FrameSink;
      }
    }
    const writer = new Forgetful("w", { uri: "plain://a" });
    writer.updateSource("cam", "uint8", [4, 4]);
    await expect(writer.kickoff()).rejects.toThrow(/super\.kickoff/);
    await expect(writer.prepare("cam")).rejects.toThrow(/super\.prepare/);
    expect(writer.isOpen).toBe(false);
  });

  it("where its path provider says, asked once for each opening and not once for each device", async () => {
    const asked: unknown[] = [];
    const writer = new PlainWriter("w", {
      pathProvider: (key, options) => {
        asked.push([key, options?.group]);
        return { storeUri: `plain://run-${asked.length}`, arrayKey: "", capacity: 0, mimetypeHint: "", extra: {} };
      },
    });
    for (const run of [1, 2]) {
      writer.updateSource("a", "uint8", [4, 4]);
      writer.updateSource("b", "uint8", [4, 4]);
      await Promise.all([writer.open("a"), writer.open("b")]);
      expect(writer.storeUri).toBe(`plain://run-${run}`);
      await writer.close();
    }
    expect(asked).toEqual([
      [undefined, "w"],
      [undefined, "w"],
    ]);
  });

  it("where setUri says, whatever the path provider thinks", async () => {
    const pathProvider = new StaticPathProvider(new StaticFilenameProvider("scan"), "plain://provided");
    const writer = new PlainWriter("w", { pathProvider });
    writer.setUri("plain://mine");
    await writer.kickoff();
    expect(writer.storeUri).toBe("plain://mine");
  });

  it("at the URI itself if that has its extension, else in the folder that the URI names", async () => {
    class Box extends PlainWriter {
      override get extension() {
        return ".box";
      }
    }
    const writer = new Box("group 1");
    const at = async (uri: string) => {
      writer.setUri(uri);
      await writer.kickoff();
      await writer.close();
      return writer.storeUri;
    };
    expect(await at("file:///data/scan.box")).toBe("file:///data/scan.box");
    expect(await at("file:///data/next.box/")).toBe("file:///data/next.box");
    expect(await at("file:///data/scan_00000/")).toBe("file:///data/scan_00000/group%201.box");
  });

  it("never at a path: the difference between a path and a URI loses data", () => {
    const writer = new PlainWriter("w");
    expect(() => writer.setUri("/data/run #1")).toThrow(/pathToFileURL/);
    expect(() => new PlainWriter("w", { uri: "run" })).toThrow(/URI/);
  });
});

describe("A call from inside a writer's own hook is refused instead of deadlocked", () => {
  const calls: [string, (writer: PlainWriter, sink: FrameSink) => Promise<unknown>][] = [
    ["write", (_writer, sink) => sink.write(frame)],
    ["writeFrame", (writer) => writer.writeFrame("cam", frame)],
    ["close of the sink", (_writer, sink) => sink.close()],
    ["complete", (writer) => writer.complete("cam")],
    ["close", (writer) => writer.close()],
  ];

  it.each(calls)("%s, at once", async (_name, call) => {
    const writer = new PlainWriter("w");
    const sink = await openOne(writer);
    let inner: Promise<string> | undefined;
    writer.insideHook = () => {
      inner ??= codeOf(call(writer, sink));
    };
    expect(await codeOf(sink.write(frame))).toBe("resolved");
    expect(await inner).toBe("CONFLICT");
  });

  it.each(calls)("%s, awaited, after other things were awaited", async (_name, call) => {
    const writer = new PlainWriter("w");
    const sink = await openOne(writer);
    writer.insideHook = async () => {
      await new Promise((resolve) => setImmediate(resolve));
      await call(writer, sink);
    };
    expect(await codeOf(sink.write(frame))).toBe("CONFLICT");
    writer.insideHook = undefined;
    expect(await sink.write(frame)).toBe(0);
    await writer.close();
    expect(writer.calls.filter((entry) => entry === "finalize")).toHaveLength(1);
  });

  it("also through another writer", async () => {
    const [one, two] = [new PlainWriter("one"), new PlainWriter("two")];
    const [first, second] = [await openOne(one), await openOne(two)];
    one.insideHook = async () => void (await second.write(frame));
    two.insideHook = async () => void (await first.write(frame));
    expect(await codeOf(first.write(frame))).toBe("CONFLICT");
  });

  it("but a hook may write to another writer, and what it leaves behind may write later", async () => {
    const [one, two] = [new PlainWriter("one"), new PlainWriter("two")];
    const [first, second] = [await openOne(one), await openOne(two)];
    let later: Promise<number> | undefined;
    one.insideHook = async () => {
      await second.write(frame);
      later ??= new Promise<void>((resolve) => setTimeout(resolve, 1)).then(() => first.write(frame));
    };
    expect(await first.write(frame)).toBe(0);
    expect(await later).toBe(1);
    expect(two.getIndicesWritten("cam")).toBe(2);
  });

  it("and kickoff inside kickoff too", async () => {
    class Confused extends PlainWriter {
      override async kickoff(): Promise<void> {
        await this.kickoff();
      }
    }
    expect(await codeOf(new Confused("w", { uri: "plain://a" }).kickoff())).toBe("CONFLICT");
  });
});

describe("Failures", () => {
  it("of one frame leave the writer working", async () => {
    const writer = new PlainWriter("w");
    const sink = await openOne(writer);
    writer.failures.push(new Error("once"));
    const cause = await sink.write(frame).catch((error: unknown) => error);
    expect(cause).toMatchObject({ code: "UNEXPECTED", backend: "w", operation: "write", identifier: "cam" });
    expect(await sink.write(frame)).toBe(0);
  });

  it("that the backend calls final refuse every later frame with their cause, and are reported by close", async () => {
    const writer = new PlainWriter("w");
    const sink = await openOne(writer);
    await sink.write(frame);
    const cause = new Error("unplugged");
    writer.break(cause);
    writer.break(new Error("a later one"));
    await expect(sink.write(frame)).rejects.toMatchObject({ code: "UNEXPECTED", cause: { cause } });
    await expect(writer.close()).rejects.toMatchObject({ cause });
    expect(writer.isOpen).toBe(false);
    const again = await openOne(writer);
    expect(await again.write(frame)).toBe(0);
  });

  it("of finalize reach the last close, and leave a closed writer that can be used again", async () => {
    const writer = new PlainWriter("w");
    const sink = await openOne(writer);
    writer.updateMetadata({ run: 1 });
    writer.finalizeFailure = new Error("no space");
    const closes = await Promise.allSettled([sink.close(), sink.close(), writer.close()]);
    expect(closes.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    expect(writer.calls.filter((entry) => entry === "finalize")).toHaveLength(1);
    writer.finalizeFailure = undefined;
    const again = await openOne(writer);
    await again.close();
    expect(writer.stores.get("plain://store-1")?.metadata).toEqual({});
  });

  it("of several kinds are reported together", async () => {
    const writer = new PlainWriter("w");
    await openOne(writer);
    writer.break(new Error("unplugged"));
    writer.finalizeFailure = new Error("no space");
    const error = await writer.close().catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(AggregateError);
    expect((error as AggregateError).errors.map(String)).toEqual([
      expect.stringContaining("unplugged"),
      expect.stringContaining("no space"),
    ]);
  });
});

describe("A source", () => {
  it("that was prepared for a store that never opened is let go by close, so that the next run does not wait for it", async () => {
    const writer = new PlainWriter("w", { uri: "plain://a" });
    writer.updateSource("old", "uint8", [4, 4]);
    const old = await writer.prepare("old");
    await writer.close();
    const sink = await openOne(writer);
    await expect(old.write(frame)).rejects.toMatchObject({ code: "NOT_OPEN" });
    await sink.close();
    expect(writer.isOpen).toBe(false);
  });

  it("joins an open store only where the backend takes late sources", async () => {
    class Late extends PlainWriter {
      protected override get supportsLateSources() {
        return true;
      }
    }
    const codes: string[] = [];
    for (const Type of [PlainWriter, Late]) {
      const writer = new Type("w", { uri: "plain://a" });
      writer.updateSource("a", "uint8", [4, 4]);
      writer.updateSource("b", "uint8", [4, 4]);
      const first = await writer.prepare("a");
      await writer.kickoff();
      codes.push(await codeOf(writer.prepare("b").then((sink) => sink.write(frame))));
      await first.close();
      expect(writer.isOpen).toBe(Type === Late);
    }
    expect(codes).toEqual(["CONFLICT", "resolved"]);
  });

  it("is shown by a live view that cannot be changed", async () => {
    const writer = new PlainWriter("w");
    const sink = await openOne(writer);
    const info = writer.sources.get("cam");
    await sink.write(frame);
    expect(info?.framesWritten).toBe(1);
    expect("set" in writer.sources).toBe(false);
    expect([...writer.sources.values()].map(({ name }) => name)).toEqual(["cam"]);
  });

  it("gives its extra to the backend, with a snapshot of its registration", () => {
    const writer = new PlainWriter("w");
    const shape = [4, 4];
    writer.updateSource("cam", "uint8", shape, { dims: ["row", "column"] });
    shape.push(9);
    expect(writer.sources.get("cam")).toMatchObject({ shape: [4, 4], extra: { dims: ["row", "column"] } });
  });
});

describe("The capacity of a source is the registered one", () => {
  /** The guide's own override, with the guide's own default. */
  class GuideWriter extends PlainWriter {
    override async prepare(name: string, capacity = 0): Promise<FrameSink> {
      return super.prepare(name, capacity);
    }
  }

  it("when an override of prepare has a default of its own", async () => {
    const writer = new GuideWriter("w", { uri: "plain://a" });
    writer.register("cam", "uint8", [4, 4], 1);
    await writer.open("cam");
    await writer.writeFrame("cam", frame);
    expect(await codeOf(writer.writeFrame("cam", frame))).toBe("CAPACITY_EXCEEDED");
    expect(writer.sources.get("cam")?.framesRejected).toBe(1);
  });

  it("again after an acquisition that was prepared with another", async () => {
    const writer = new PlainWriter("w");
    const sink = await openOne(writer, 1);
    await sink.close();
    writer.setUri("plain://next");
    const next = await writer.prepare("cam");
    await writer.kickoff();
    await next.write(frame);
    expect(await next.write(frame)).toBe(1);
  });
});

describe("Counts", () => {
  it("of an observer do not mix two acquisitions", async () => {
    const writer = new PlainWriter("w");
    const sink = await openOne(writer);
    const observer = writer.observeIndicesWritten({ name: "cam" });
    const first = observer.next();
    await sink.write(frame);
    expect(await first).toEqual({ value: 1, done: false });
    await sink.write(frame);
    await sink.close();
    const next = await openOne(writer);
    await next.write(frame);
    expect(await observer.next()).toEqual({ value: 2, done: false });
    expect((await observer.next()).done).toBe(true);
  });

  it("that stop coming time out, by a clock that starts anew at each frame", async () => {
    const armed = new Map<number, () => void>();
    let handles = 0;
    const writer = new PlainWriter("w", {
      timers: {
        set: (callback) => {
          armed.set(++handles, callback);
          return handles;
        },
        clear: (handle) => armed.delete(handle as number),
      },
    });
    const sink = await openOne(writer);
    const observer = writer.observeIndicesWritten({ timeoutMs: 50 });
    const first = observer.next();
    await sink.write(frame);
    expect((await first).value).toBe(1);
    const second = observer.next();
    await Promise.resolve();
    expect([...armed.keys()]).toEqual([2]);
    armed.get(2)?.();
    await expect(second).rejects.toMatchObject({ code: "TIMED_OUT" });
  });

  it("are no longer observed once the signal fires", async () => {
    const writer = new PlainWriter("w");
    await openOne(writer);
    const controller = new AbortController();
    const next = writer.observeIndicesWritten({ signal: controller.signal }).next();
    controller.abort();
    await expect(next).rejects.toMatchObject({ code: "ABORTED" });
  });
});

it("A writer is a StorageProxy for devices", () => {
  const proxy: StorageProxy = new PlainWriter("w");
  for (const method of ["updateSource", "prepare", "kickoff", "complete", "getIndicesWritten", "collectStreamDocs"]) {
    expect(typeof (proxy as unknown as Record<string, unknown>)[method]).toBe("function");
  }
});

describe("a source that cannot be", () => {
  it.each([
    ["SHAPE_MISMATCH", "uint8", [0.5]],
    ["SHAPE_MISMATCH", "uint8", "wide"],
    ["SHAPE_MISMATCH", "uint8", [4, 0]],
    ["DTYPE_MISMATCH", "uint9", [4]],
  ])("is refused by its name: %s of %s %j", (code, dtype, shape) => {
    const register = () => new PlainWriter("group").updateSource("camera", dtype as "uint8", shape as number[]);
    expect(register).toThrow(expect.objectContaining({ code, message: expect.stringContaining('ource "camera"') }));
  });
});
