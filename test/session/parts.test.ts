import { describe, expect, it } from "vitest";
import { createRegistry } from "../../registry/index.ts";
import { defineBackend, StorageError, storageCapabilities } from "../../src/index.ts";
import { rejectionOf } from "../support/rejection.ts";
import { fixture, fixtures, open } from "./support.ts";

const memory = { storage: { writers: { default: { use: "memory" } } } };

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
      "a mistyped export of a device that is not essential",
      { devices: { c: { use: fixture("Plian"), essential: false } } },
      ['devices.c.use: the module has no export of this name, did you mean "Plain"?'],
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

  it("keeps the error behind a mistake as the cause", async () => {
    const error = await rejectionOf(open({ plugins: ["not-an-installed-package"] }));
    expect(error).toMatchObject({ code: "CONFIG_INVALID", cause: { code: "MISSING_DEPENDENCY" } });
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

  it("reports layers that are in a wrong order or have wrong options by their names, each once", async () => {
    const backends = {
      order: { use: "memory", layers: [{ use: "timeout", timeoutMs: 1 }, { use: "retry" }] },
      name: { use: "memory", layers: [{ use: "overlay", upper: "order" }, { use: "timeot" }] },
      count: { use: "memory", layers: [{ use: "limit", concurrency: 0 }] },
    };
    const { message } = await rejectionOf(open({ backends } as object));
    expect(message).toContain("backends.order.layers[0]: timeout goes inside retry; outside retry, the time limits");
    expect(message).toContain("backends.count.layers[0].concurrency: must be a whole number ≥ 1");
    expect(message.split("backends.name.layers[1].use: ")).toHaveLength(2);
    expect(message).toContain('"overlay"');
    expect(message.split("\n")[0]).toBe("The session has 3 mistakes:");
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
    const registry = createRegistry();
    registry.register(
      defineBackend({
        key: "tape",
        capabilities: { ...storageCapabilities, frames: true },
        openWriter: () => Promise.reject(new StorageError("NO_SPACE", "the tape is full")),
      }),
    );
    const config = {
      storage: { writers: { default: { use: "tape" } } },
      devices: { a: { use: fixture("Slotted"), essential: false } },
    };
    await expect(open(config, { registry })).rejects.toMatchObject({
      code: "NO_SPACE",
      message: "storage.writers.default: the tape is full",
      cause: { code: "NO_SPACE" },
    });
  });

  it("asks the built-in writers about their options", async () => {
    const error = await rejectionOf(
      open({ storage: { writers: { a: { use: "tiff", compresion: "deflate" }, b: { use: "zarr", chunks: 3 } } } }),
    );
    expect(error.message).toMatch(/storage\.writers\.a\S*: .*compression/);
  });

  it("never repeats option values, whatever the checkers of others say", async () => {
    const secret = "hunter2";
    const error = await rejectionOf(
      open({
        backends: { a: { use: "disk", root: [secret], durability: secret }, b: { use: secret } },
        storage: {
          writers: { t: { use: "tiff", filesInFlight: secret }, z: { use: "zarr", codec: { name: secret } } },
        },
        devices: {
          c: { use: "simulated-camera", exposure: secret, dtype: secret, token: secret },
          d: { use: secret },
          e: { use: fixture("Echoing"), password: secret, pin: "'42'" },
        },
      }),
    );
    expect(error.message.split("\n").length).toBeGreaterThan(8);
    expect(error.message).toContain("devices.e.password: string is wrong, and so is string");
    expect(error.message).not.toContain(secret);
  });
});
