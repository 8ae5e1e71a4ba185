import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { MemoryBackend } from "../../backends/memory/backend.ts";
import { BackendSet } from "../../registry/backend-set.ts";
import { createRegistry } from "../../registry/builtin.ts";
import { fromDescriptor } from "../../registry/from-descriptor.ts";
import { loadPlugins } from "../../registry/plugins.ts";
import type { BackendSetDescriptor } from "../../registry/set-descriptor.ts";
import { createCodecs } from "../../src/codecs/default-codecs.ts";
import { storageCapabilities } from "../../src/core/capabilities.ts";
import type { InstanceConfig } from "../../src/core/descriptor.ts";
import { FileManager } from "../../src/io/file-manager.ts";
import { openSession } from "../../src/session/index.ts";
import { type Bundle, bundle, installed } from "../support/bundle.ts";
import { rejectionOf } from "../support/rejection.ts";

let child: Bundle;
let folder = "";
let plugin = "";
beforeAll(async () => {
  child = await bundle(new URL("children/use-backends.ts", import.meta.url), installed);
}, 60_000);
afterAll(() => child.remove());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-descriptor-"));
  await mkdir(join(folder, "data/in"), { recursive: true });
  await writeFile(join(folder, "data/in/shared.json"), '{"plate": 7}');
  plugin = join(folder, "vault.mjs");
  await writeFile(
    plugin,
    `export default {
      key: "vault",
      contractVersion: 1,
      capabilities: ${JSON.stringify(storageCapabilities)},
      openStore: (options, context) => context.store({ use: "disk", root: options.place }),
    };`,
  );
  return () => rm(folder, { recursive: true });
});

const described = (config: InstanceConfig) =>
  new BackendSet(createRegistry(), { it: config }).toDescriptor().unavailable.it;

describe("a described set", () => {
  it("is made again with the same names, folders and plug-ins, from JSON", async () => {
    const registry = createRegistry();
    await loadPlugins(registry, [plugin]);
    await using set = new BackendSet(
      registry,
      {
        raw: { use: "disk", root: "data" },
        Safe: { use: "vault", place: "data" },
        plates: { use: "zarr", store: "raw", path: "p.zarr" },
        layered: { use: "disk", root: "data", layers: [{ use: "retry", attempts: 2 }] },
      },
      { baseDirectory: folder },
    );
    const descriptor = set.toDescriptor();
    expect(JSON.parse(JSON.stringify(descriptor))).toEqual(descriptor);
    expect(descriptor).toMatchObject({
      version: 1,
      baseDirectory: folder,
      plugins: [pathToFileURL(plugin).href],
      unavailable: {},
      hasOwnCodecs: false,
    });
    await using same = await fromDescriptor(descriptor);
    expect(same.keys()).toEqual(["raw", "safe", "plates", "layered"]);
    expect(await (await same.store("raw")).read("in/shared.json")).toEqual(
      new Uint8Array(await readFile(join(folder, "data/in/shared.json"))),
    );
    expect(same.toDescriptor()).toEqual(descriptor);
    // Whoever changes a descriptor changes no set.
    Object.assign(descriptor.instances.raw as object, { root: "/elsewhere" });
    expect(set.toDescriptor().instances.raw).toMatchObject({ root: "data" });
  });

  it("has one folder for all who read it, wherever they stand", () => {
    const set = (baseDirectory?: string) => new BackendSet(createRegistry(), {}, { baseDirectory }).toDescriptor();
    expect(set("data/runs").baseDirectory).toBe(join(process.cwd(), "data/runs"));
    expect(set().baseDirectory).toBe(process.cwd());
  });

  it("leaves out what cannot go along, and asking for it says why, also from other instances", async () => {
    const set = new BackendSet(createRegistry(), {
      memory: { use: "memory" },
      within: { use: "zarr", store: { use: "memory" } },
      deep: { use: "zarr", store: { use: "zip", archive: "a.zip", store: { use: "memory" } } },
      upon: { use: "zarr", store: "memory" },
    });
    set.set("live", new MemoryBackend());
    set.registry.register({
      key: "ad-hoc",
      contractVersion: 1,
      capabilities: storageCapabilities,
      open: async () => new MemoryBackend(),
    });
    set.define("code", { use: "ad-hoc" });
    const descriptor = set.toDescriptor();
    expect(descriptor.unavailable).toEqual({
      memory: '"memory" keeps its values in the memory of one process',
      within: '"memory" keeps its values in the memory of one process',
      deep: '"memory" keeps its values in the memory of one process',
      live: "it is a live object of another process",
      code: 'its backend "ad-hoc" was registered in code; as a plug-in, another process finds it',
    });
    await using same = await fromDescriptor(descriptor);
    for (const name of ["memory", "upon"]) {
      const error = await rejectionOf(same.get(name));
      expect(error).toMatchObject({ code: "UNSUPPORTED", backend: "memory" });
      expect(error.message).toBe(
        'Backend "memory" is not available here: "memory" keeps its values in the memory of one process',
      );
    }
    await using own = await fromDescriptor(descriptor, { instances: { MEMORY: { use: "memory" } } });
    expect((await own.get("memory")).name).toBe("memory");
    const raw = new BackendSet(createRegistry(), { Raw: { use: "disk", root: "/data" } }).toDescriptor();
    await using instead = await fromDescriptor(raw, { instances: { raw: { use: "memory" } } });
    expect([instead.keys(), (await instead.get("RAW")).key]).toEqual([["raw"], "memory"]);
  });

  it("of a manager has its set, and what is only the manager's stays", () => {
    const set = new BackendSet(
      createRegistry(),
      { raw: { use: "disk" }, work: { use: "disk" } },
      { baseDirectory: folder },
    );
    const files = new FileManager(set);
    files.registerBackend("extra", new MemoryBackend());
    files.registerBackend("work", new MemoryBackend(), { override: true });
    expect(files.toDescriptor()).toMatchObject({
      baseDirectory: folder,
      instances: { raw: { use: "disk" } },
      unavailable: { extra: "it is a live object of another process", work: "it is a live object of another process" },
    });
    expect(files.toDescriptor().instances).not.toHaveProperty("work");
  });

  it("holds no secret, in whatever form it was given", () => {
    const secrets: InstanceConfig[] = [
      { use: "http", baseUrl: "https://user:hunter2@host/data/" },
      { use: "http", baseUrl: "https://host/data/?sig=hunter2" },
      { use: "http", baseUrl: "https://host/", headers: { authorization: "hunter2" } },
      { use: "http", baseUrl: "https://host/", headers: { "x-lab": "hunter2" } },
      { use: "zip", archive: "zip:https://u:hunter2@host/a.zip" },
      { use: "zarr", store: { use: "http", baseUrl: "https://host/?hunter2" } },
      { use: "s3", bucket: "b", secretAccessKey: "hunter2" },
      { use: "disk", layers: [{ use: "x", apiKey: "hunter2" }] },
    ];
    const set = new BackendSet(createRegistry(), Object.fromEntries(secrets.map((config, i) => [`s${i}`, config])));
    const descriptor = set.toDescriptor();
    expect(JSON.stringify(descriptor)).not.toContain("hunter2");
    expect(Object.keys(descriptor.instances)).toEqual([]);
    expect(described(secrets[0] as InstanceConfig)).toBe("its baseUrl has a user, a password or a query");
    expect(described(secrets[6] as InstanceConfig)).toBe("its secretAccessKey may be a secret");
    expect(described({ use: "disk", root: "/data", onEvent: () => 1 })).toBe("its onEvent is no JSON");
    expect(described({ use: "disk", root: "/data", limit: Number.NaN })).toBe("its limit is no JSON");
    expect(described({ use: "disk", root: "/data", since: new Date(0) })).toBe("its since is no JSON");
    expect(described({ use: "s3", bucket: "b", profile: "lab", prefix: "what?/x" })).toBeUndefined();
    expect(described({ use: "http", baseUrl: "https://host/data/" })).toBeUndefined();
  });

  it("with codecs of its own wants them again; what is no descriptor is refused", async () => {
    const set = new BackendSet(createRegistry(), { raw: { use: "disk" } }, { codecs: createCodecs() });
    const descriptor = set.toDescriptor();
    await expect(fromDescriptor(descriptor)).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    await using _same = await fromDescriptor(descriptor, { codecs: createCodecs() });
    for (const wrong of [
      undefined,
      {},
      { ...descriptor, version: 2, hasOwnCodecs: false },
      { ...descriptor, plugins: "x" },
    ]) {
      await expect(fromDescriptor(wrong as BackendSetDescriptor)).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    }
    const gone = { ...descriptor, hasOwnCodecs: false, plugins: [pathToFileURL(join(folder, "gone.mjs")).href] };
    await expect(fromDescriptor(gone)).rejects.toMatchObject({ code: "MISSING_DEPENDENCY" });
  });
});

describe("the backends of a session", () => {
  const expected = {
    raw: { plate: 7 },
    vault: { plate: 7 },
    scratch: {
      code: "UNSUPPORTED",
      message: expect.stringMatching(/^Backend "scratch" is not available here: "memory" keeps its values/),
    },
  };
  const open = () =>
    openSession(
      {
        session: "descriptors",
        plugins: [plugin],
        backends: {
          raw: { use: "disk", root: "data" },
          vault: { use: "vault", place: "data" },
          scratch: { use: "memory" },
        },
      },
      { baseDirectory: folder },
    );
  const written = async (name: string) => JSON.parse(await readFile(join(folder, "data", name), "utf8")) as unknown;

  it("are used by a worker thread", { timeout: 60_000 }, async () => {
    await using session = await open();
    const workerData = JSON.stringify(session.backends.toDescriptor());
    const worker = new Worker(pathToFileURL(child.path), { workerData });
    const [answers] = (await once(worker, "message")) as [unknown];
    await worker.terminate();
    expect(answers).toEqual(expected);
    expect(await written("out-raw.json")).toEqual({ seen: { plate: 7 } });
    expect(await written("out-vault.json")).toEqual({ seen: { plate: 7 } });
  });

  it("are used by another process", { timeout: 60_000 }, async () => {
    await using session = await open();
    const text = JSON.stringify(session.backends.toDescriptor());
    const { stdout } = await promisify(execFile)(process.execPath, [child.path, text], { cwd: tmpdir() });
    expect(JSON.parse(stdout)).toEqual(expected);
    expect(await written("out-vault.json")).toEqual({ seen: { plate: 7 } });
  });
});
