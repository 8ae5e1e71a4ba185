import "reflect-metadata";
import { container as globalContainer } from "tsyringe";
import { beforeEach, describe, expect, it } from "vitest";
import { createRegistry } from "../../registry/index.ts";
import { FileManager, type FrameWriter, isStorageError } from "../../src/index.ts";
import { FILES, openSession, SimulatedCamera, SimulatedStage, WRITER } from "../../src/session/index.ts";
import { rejectionOf } from "../support/rejection.ts";
import {
  type Archivist,
  closed,
  type Decorated,
  type Helped,
  type Modest,
  type Plain,
  type Slotted,
  type TwoGroups,
} from "./fixtures/devices.ts";
import { deviceOf, fixture, open } from "./support.ts";

beforeEach(() => {
  closed.length = 0;
});

const memory = { storage: { writers: { default: { use: "memory" } } } };

describe("Devices of a session", () => {
  it("are made as new Device(name, options) when they declare nothing, and left alone", async () => {
    const session = await open({ ...memory, devices: { a: { use: fixture("Plain"), gain: 2, essential: true } } });
    const device = deviceOf<Plain>(session, "a");
    expect(device.args).toEqual(["a", { gain: 2 }]);
    expect(Object.keys(device)).toEqual(["args"]);
    expect(session.writers.size).toBe(0);
  });

  it("opt in by a storage slot of any name", async () => {
    const session = await open({ ...memory, devices: { a: { use: fixture("Slotted") } } });
    expect(deviceOf<Slotted>(session, "a").recorder).toBe(session.writers.get("default"));
  });

  it("opt in by constructor token, by decorator and by list", async () => {
    const session = await open({
      ...memory,
      devices: { a: { use: fixture("Decorated"), gain: 2 }, b: { use: fixture("Listed") } },
    });
    const writer = session.writers.get("default");
    const decorated = deviceOf<Decorated>(session, "a");
    expect(decorated).toMatchObject({ name: "a", options: { gain: 2 } });
    expect(decorated.writer).toBe(writer);
    const { got } = deviceOf<{ got: unknown[] }>(session, "b");
    expect(got.slice(0, 3)).toEqual(["b", writer, session.files]);
    expect(got[3]).toBe(session.location?.pathProvider);
  });

  it("inherit what their base declares", async () => {
    const session = await open({
      ...memory,
      devices: { a: { use: fixture("SlottedChild") }, b: { use: fixture("DecoratedChild") } },
    });
    const writer = session.writers.get("default");
    expect(deviceOf<Slotted>(session, "a").recorder).toBe(writer);
    expect(deviceOf<Decorated>(session, "b").writer).toBe(writer);
  });

  it("share the writer of their group, and only that", async () => {
    const session = await open({
      storage: { writers: { fast: { use: "memory" }, slow: { use: "memory" } } },
      devices: {
        a: { use: fixture("Slotted"), writer: "fast" },
        b: { use: fixture("Decorated"), writer: "fast" },
        c: { use: fixture("Slotted"), writer: "slow" },
        d: { use: fixture("TwoGroups") },
      },
    });
    const { fast, slow } = Object.fromEntries(session.writers) as { fast: FrameWriter; slow: FrameWriter };
    expect(fast).not.toBe(slow);
    expect([fast.name, slow.name]).toEqual(["fast", "slow"]);
    expect(deviceOf<Slotted>(session, "a").recorder).toBe(fast);
    expect(deviceOf<Decorated>(session, "b").writer).toBe(fast);
    expect(deviceOf<Slotted>(session, "c").recorder).toBe(slow);
    const both = deviceOf<TwoGroups>(session, "d");
    expect([both.fast, both.slow]).toEqual([fast, slow]);
  });

  it("must say their group where there are several and none is called default", async () => {
    const config = {
      storage: { writers: { fast: { use: "memory" }, slow: { use: "memory" } } },
      devices: { a: { use: fixture("Slotted") } },
    };
    await expect(open(config)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining("devices.a.writer: name one of the groups fast, slow"),
    });
  });

  it("get services by class, which may ask for the same things", async () => {
    const session = await open({ ...memory, devices: { a: { use: fixture("Helped") } } });
    expect(deviceOf<Helped>(session, "a").helper.writer).toBe(session.writers.get("default"));
  });

  it("use the session's file manager over its named backends", async () => {
    const session = await open({
      backends: { scratch: { use: "memory" } },
      devices: { a: { use: fixture("Archivist") } },
    });
    const { files } = deviceOf<Archivist>(session, "a");
    expect(files).toBeInstanceOf(FileManager);
    await files.save("hello", "greeting.txt", "scratch");
    expect(await session.files.load("greeting.txt", "scratch")).toBe("hello");
  });

  it("get checked options where their class has a schema", async () => {
    const session = await open({ devices: { a: { use: fixture("Checked"), gain: 2 } } });
    expect(deviceOf<{ options: unknown }>(session, "a").options).toEqual({ gain: 2, checked: true });
  });

  it("come in the order of the file, also the built-in ones", async () => {
    const session = await open({
      devices: { stage: { use: "simulated-stage" }, camera: { use: "simulated-camera" }, z: { use: fixture("Plain") } },
    });
    expect([...session.devices.keys()]).toEqual(["stage", "camera", "z"]);
    expect(session.devices.get("stage")).toBeInstanceOf(SimulatedStage);
    expect(session.devices.get("camera")).toBeInstanceOf(SimulatedCamera);
  });
});

describe("A session without storage", () => {
  it("injects nothing: slots stay null", async () => {
    const session = await open({ devices: { a: { use: fixture("Slotted") }, c: { use: "simulated-camera" } } });
    expect(deviceOf<Slotted>(session, "a").recorder).toBeNull();
    expect(deviceOf<SimulatedCamera>(session, "c").storage).toBeNull();
    expect(session.location).toBeUndefined();
  });

  it("fails clearly when a constructor asks for a writer", async () => {
    await expect(open({ devices: { a: { use: fixture("Decorated") } } })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining(
        "Decorated asks at position 1 for a writer, which this session does not have; add a storage section",
      ),
    });
  });

  it("gives undefined to a constructor that can do without", async () => {
    const session = await open({ devices: { a: { use: fixture("Modest") } } });
    expect(deviceOf<Modest>(session, "a").writer).toBeUndefined();
  });
});

describe("A device that fails", () => {
  it("fails the session, with its code and its error as the cause", async () => {
    const error = await rejectionOf(open({ devices: { laser: { use: fixture("Coded") } } }));
    expect(error).toMatchObject({
      code: "PERMISSION_DENIED",
      message: 'Device "laser" failed: the laser is locked',
      cause: { code: "PERMISSION_DENIED", cause: { message: "interlock" } },
    });
    const odd = await rejectionOf(open({ devices: { port: { use: fixture("Odd") } } }));
    expect(odd).toMatchObject({ code: "UNEXPECTED", message: 'Device "port" failed: no such port' });
    expect(odd.cause).toBeInstanceOf(TypeError);
  });

  it("keeps code and cause through what it depends on", async () => {
    const error = await rejectionOf(open({ devices: { a: { use: fixture("NeedsBroken") } } }));
    expect(error).toMatchObject({ code: "NO_SPACE", cause: { code: "NO_SPACE", cause: { message: "disk" } } });
  });

  it("closes what was open, last first", async () => {
    const devices = { a: { use: fixture("Noted") }, b: { use: fixture("Noted") }, c: { use: fixture("Coded") } };
    await expect(open({ devices })).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    expect(closed).toEqual(["b", "a"]);
  });

  it("is reported along with what then fails to close", async () => {
    const devices = { a: { use: fixture("Noted"), failing: true }, c: { use: fixture("Coded") } };
    const error = (await rejectionOf(open({ devices }))) as AggregateError;
    expect(error).toBeInstanceOf(AggregateError);
    expect(error.errors.map(String)).toEqual([
      'StorageError: Device "c" failed: the laser is locked',
      "Error: a does not close",
    ]);
  });

  it("is only noted when it is not essential: also when its module does not load or is not there", async () => {
    const session = await open({
      devices: {
        laser: { use: fixture("Coded"), essential: false },
        broken: { use: "./throws.ts#X", essential: false },
        absent: { use: "not-an-installed-package#X", essential: false },
        stage: { use: "simulated-stage" },
      },
    });
    expect([...session.devices.keys()]).toEqual(["stage"]);
    expect([...session.failures].map(([name, { code }]) => [name, code])).toEqual([
      ["laser", "PERMISSION_DENIED"],
      ["broken", "UNEXPECTED"],
      ["absent", "MISSING_DEPENDENCY"],
    ]);
    expect(session.failures.get("broken")?.message).toContain("this module does not load");
    expect(session.failures.get("absent")?.message).toContain("npm install not-an-installed-package");
  });

  it("is essential unless it says otherwise, also when its module does not load", async () => {
    await expect(open({ devices: { a: { use: "./throws.ts#X" } } })).rejects.toMatchObject({
      code: "UNEXPECTED",
      message: expect.stringContaining("this module does not load"),
    });
  });
});

describe("Sessions in one process", () => {
  it("do not see each other", async () => {
    const config = { ...memory, devices: { a: { use: fixture("Decorated") } } };
    const [one, two] = await Promise.all([open(config), open(config)]);
    expect(deviceOf<Decorated>(one, "a").writer).not.toBe(deviceOf<Decorated>(two, "a").writer);
    expect(one.get(FILES)).not.toBe(two.get(FILES));
    expect(globalContainer.isRegistered(WRITER)).toBe(false);
    expect(globalContainer.isRegistered(FILES)).toBe(false);
    await one.close();
    const writer = deviceOf<Decorated>(two, "a").writer;
    writer.register("x", "uint8", [1]);
    expect(writer.sources.has("x")).toBe(true);
  });

  it("keep their plugins to themselves", async () => {
    const registry = createRegistry();
    const session = await open({ plugins: ["./plugin.ts"], backends: { t: { use: "fixture-plugin" } } }, { registry });
    expect(session.backends.registry.has("fixture-plugin")).toBe(true);
    expect(registry.has("fixture-plugin")).toBe(false);
    await expect(open({ backends: { t: { use: "fixture-plugin" } } }, { registry })).rejects.toMatchObject({
      code: "CONFIG_INVALID",
    });
  });

  it("take further values from whoever opens them", async () => {
    const token = Symbol("presenter");
    const session = await open({}, { provide: [[token, 42]] });
    expect(session.get(token)).toBe(42);
    expect(() => session.get(Symbol("other"))).toThrow("The session has nothing for Symbol(other)");
  });
});

describe("Closing a session", () => {
  it("closes devices in reverse order, once", async () => {
    const devices = { a: { use: fixture("Noted") }, b: { use: fixture("Noted") }, c: { use: fixture("Noted") } };
    const session = await open({ devices });
    await Promise.all([session.close(), session.close()]);
    await session[Symbol.asyncDispose]();
    expect(closed).toEqual(["c", "b", "a"]);
    await expect(session.run({ use: "count", num: 1 })).rejects.toMatchObject({ code: "NOT_OPEN" });
  });

  it("tries all and throws one aggregate of what failed", async () => {
    const devices = {
      a: { use: fixture("Noted"), failing: true },
      b: { use: fixture("Noted") },
      c: { use: fixture("Noted"), failing: true },
    };
    const error = (await rejectionOf((await open({ devices })).close())) as AggregateError;
    expect(closed).toEqual(["c", "b", "a"]);
    expect(error.errors.map(String)).toEqual(["Error: c does not close", "Error: a does not close"]);
  });

  it("closes writers and backends", async () => {
    const session = await open({
      ...memory,
      backends: { scratch: { use: "memory" } },
      devices: { a: { use: fixture("Slotted") } },
    });
    const backend = await session.backends.get("scratch");
    await session.close();
    expect(backend.isOpen).toBe(false);
  });
});

describe("Opening", () => {
  it("can be given up", async () => {
    await expect(open({}, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "ABORTED" });
  });

  it("says that there is no file", async () => {
    const error = await rejectionOf(openSession("nowhere.yaml"));
    expect(isStorageError(error, "NOT_FOUND")).toBe(true);
  });
});
