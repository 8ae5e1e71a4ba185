import "reflect-metadata";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { container as globalContainer } from "tsyringe";
import { beforeEach, describe, expect, it } from "vitest";
import { createRegistry } from "../../registry/index.ts";
import {
  defineBackend,
  FileManager,
  type FrameWriter,
  isStorageError,
  StorageError,
  storageCapabilities,
} from "../../src/index.ts";
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
import { deviceOf, fixture, fixtures, open, temporaryFolder } from "./support.ts";

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
      ["absent", "UNEXPECTED"],
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

describe("Parts of a session file that others check", () => {
  const cases: [what: string, parts: object, expected: string[]][] = [
    [
      "a mistyped built-in device",
      { devices: { c: { use: "simulated-camra" } } },
      [
        'devices.c.use: no built-in device of this name; did you mean "simulated-camera"? Built in: simulated-camera, simulated-stage, replay-camera. Others: package-or-file#Export',
      ],
    ],
    [
      "a file that is not there",
      { devices: { c: { use: "./nothing.js#A" } } },
      [`devices.c.use: no such file, looked for it relative to ${fixtures}`],
    ],
    [
      "a package that is not installed",
      { devices: { c: { use: "@lab/nothing/cameras#A" } } },
      ["devices.c.use: this package is not installed where the session file is: npm install @lab/nothing"],
    ],
    [
      "a mistyped export",
      { devices: { c: { use: fixture("Plian") } } },
      ['devices.c.use: the module has no export of this name, did you mean "Plain"?'],
    ],
    [
      "an export that is no class",
      { devices: { c: { use: fixture("notAClass") } } },
      ["devices.c.use: expected a class, found a plain object"],
    ],
    [
      "options of a built-in device",
      { devices: { c: { use: "simulated-camera", shape: "big", frameRat: 1, dtype: "flaot64" } } },
      [
        "devices.c.shape: expected array, got string",
        'devices.c.dtype: expected one of "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64", did you mean "float64"?',
        'devices.c.frameRat: unknown key, did you mean "frameRate"?',
      ],
    ],
    [
      "options of a third party's device",
      { devices: { c: { use: fixture("Checked"), gian: 1 } } },
      ["devices.c.gian: unknown key", "devices.c.gain: expected number"],
    ],
    [
      "a class that needs groups which are not there",
      { ...memory, devices: { c: { use: fixture("TwoGroups") } } },
      [
        'devices.c: its class needs the writer group "fast"; there are: default',
        'devices.c: its class needs the writer group "slow"; there are: default',
      ],
    ],
    [
      "a mistyped backend",
      { backends: { raw: { use: "dsk" } } },
      ['backends.raw.use: no backend of this name, did you mean "disk"?'],
    ],
    [
      "a mistyped writer",
      { storage: { writers: { default: { use: "zar" } } } },
      ['storage.writers.default.use: no backend of this name, did you mean "zarr"?'],
    ],
    [
      "a backend without frames as writer",
      { storage: { writers: { default: { use: "disk" } } } },
      ["storage.writers.default.use: this backend has no frame writer; known: memory, tiff, zarr"],
    ],
    [
      "a plugin that is not there",
      { plugins: ["not-an-installed-package"] },
      [expect.stringMatching(/^plugins\[0\]: .*not-an-installed-package/) as unknown as string],
    ],
    [
      "a plugin that is no backend",
      { plugins: ["./devices.ts"] },
      [expect.stringMatching(/^plugins\[0\]: /) as unknown as string],
    ],
  ];
  it.each(cases)("refuses %s", async (_, parts, expected) => {
    const error = await rejectionOf(open(parts));
    expect(error.code).toBe("CONFIG_INVALID");
    expect(error.message.split("\n  ").slice(1)).toEqual(expected);
  });

  it("reports mistakes of every kind in one error", async () => {
    const error = await rejectionOf(
      open({
        devises: {},
        backends: { raw: { use: "dsk" } },
        storage: { writers: { default: { use: "zar" } } },
        devices: {
          camera: { use: "simulated-camera", exposure: "long" },
          stage: { use: "simulated-stage", writer: "x" },
        },
        plan: { use: "count", num: 0 },
      } as object),
    );
    expect(error.message).toBe(
      [
        "The session has 6 mistakes:",
        "plan.num: expected at least 1",
        'devises: unknown key, did you mean "devices"?',
        "devices.stage.writer: no such group in storage.writers; there are: default",
        'backends.raw.use: no backend of this name, did you mean "disk"?',
        'storage.writers.default.use: no backend of this name, did you mean "zarr"?',
        "devices.camera.exposure: expected number, got string",
      ].join("\n  "),
    );
  });

  it("reports options of backends and writers by their own schema, also of groups that nobody uses", async () => {
    const registry = createRegistry();
    registry.register(
      defineBackend<{ speed: number }>({
        key: "tape",
        capabilities: { ...storageCapabilities, frames: true },
        openWriter: () => Promise.reject(new StorageError("UNEXPECTED", "must not be opened")),
        open: () => Promise.reject(new StorageError("UNEXPECTED", "must not be opened")),
        options: async () => ({
          "~standard": {
            version: 1,
            vendor: "test",
            validate: (value) =>
              "speed" in (value as object)
                ? { value: value as { speed: number } }
                : { issues: [{ message: "expected number", path: [{ key: "speed" }] }] },
          },
        }),
      }),
    );
    const error = await rejectionOf(
      open({ backends: { t: { use: "tape" } }, storage: { writers: { w: { use: "tape" } } } }, { registry }),
    );
    expect(error.message.split("\n  ").slice(1)).toEqual([
      "backends.t.speed: expected number",
      "storage.writers.w.speed: expected number",
    ]);
    await open(
      { backends: { t: { use: "tape", speed: 1 } }, storage: { writers: { w: { use: "tape", speed: 1 } } } },
      { registry },
    );
  });

  it("blames the writer, not the device, for a writer that does not open, and needs it for any device", async () => {
    const config = {
      storage: { writers: { default: { use: "tiff", compresion: "deflate" } } },
      devices: { a: { use: fixture("Slotted"), essential: false } },
    };
    await expect(open(config)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringMatching(/^storage\.writers\.default: .*compresion/),
    });
  });

  it("never repeats option values", async () => {
    const secret = "hunter2";
    const error = await rejectionOf(
      open({
        backends: { a: { use: "disk", root: [secret] }, b: { use: secret } },
        devices: { c: { use: "simulated-camera", exposure: secret, dtype: secret, token: secret }, d: { use: secret } },
      }),
    );
    expect(error.message.split("\n").length).toBeGreaterThan(4);
    expect(error.message).not.toContain(secret);
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

describe("Storage of a session", () => {
  it("touches nothing on disk before a run", async () => {
    const folder = await temporaryFolder();
    const basePath = join(folder, "data");
    const session = await open({
      storage: { basePath, writers: { a: { use: "zarr" }, b: { use: "tiff" } } },
      devices: { camera: { use: "simulated-camera", writer: "a" } },
    });
    expect(existsSync(basePath)).toBe(false);
    expect([...session.writers.keys()]).toEqual(["a"]);
  });

  it("is below the folder of the session file, or in the home folder", async () => {
    const relative = await open({ storage: { basePath: "../runs" } });
    expect(relative.location?.basePath).toBe(join(fixtures, "..", "runs"));
    const home = await open({ storage: { basePath: "~/runs" } });
    expect(home.location?.basePath).toBe(join(homedir(), "runs"));
    const omitted = await open({ storage: {} });
    expect(omitted.location?.basePath).toBe(join(homedir(), "sluice-storage"));
    const named = await open({ storage: { filenameProvider: "uuid" } });
    expect(named.location?.basePath).toBe(join(homedir(), "sluice-storage", "test"));
  });

  it.each([
    [{ filenameProvider: "session" as const }, /\/test\/\d{4}_\d\d_\d\d\/count_00000$/, /count_00001$/],
    [{ filenameProvider: "auto_increment" as const, filename: "scan" }, /\/scan_00000$/, /\/scan_00001$/],
    [{ filenameProvider: "auto_increment" as const }, /\/00000$/, /\/00001$/],
    [{ filenameProvider: "uuid" as const }, /\/[0-9a-f-]{36}$/, /\/[0-9a-f-]{36}$/],
  ])(
    "names runs by the provider %o, and never twice the same, also after a restart",
    async (storage, first, second) => {
      const basePath = await temporaryFolder();
      const one = await open({ storage: { ...storage, basePath } });
      const a = await one.location?.reserve("count");
      expect(a?.path).toMatch(first);
      expect(existsSync(a?.path as string)).toBe(true);
      const two = await open({ storage: { ...storage, basePath } });
      const b = await two.location?.reserve("count");
      expect(b?.path).toMatch(second);
      expect(b?.path).not.toBe(a?.path);
    },
  );

  it("refuses a second run under a static name", async () => {
    const basePath = await temporaryFolder();
    const session = await open({ storage: { filenameProvider: "static", filename: "only", basePath } });
    expect((await session.location?.reserve("count"))?.path).toBe(join(basePath, "only"));
    await expect(session.location?.reserve("count")).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
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
