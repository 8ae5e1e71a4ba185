import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { discoverBackends, loadDiscovered, registerDiscovered } from "../../registry/discover.ts";
import { loadPlugins } from "../../registry/plugins.ts";
import { Registry } from "../../registry/registry.ts";
import { storageCapabilities } from "../../src/core/capabilities.ts";
import { rejectionOf } from "../support/rejection.ts";

let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-plugins-"));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function file(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await writeFile(join(folder, path), text);
}

/** A module whose default export is one descriptor, or several. */
function moduleOf(...keys: readonly string[]): string {
  const list = keys.map(
    (key) =>
      `{ key: "${key}", contractVersion: 1, capabilities: ${JSON.stringify(storageCapabilities)}, open: async () => ({}) }`,
  );
  return `export default ${list.length === 1 ? list[0] : `[${list.join(",")}]`};`;
}

async function installed(name: string, sluice: unknown, modules: Record<string, string> = {}): Promise<void> {
  const manifest = { name, version: "1.2.3", type: "module", exports: "./backend.js", sluice };
  await file(`node_modules/${name}/package.json`, JSON.stringify(manifest));
  for (const [path, text] of Object.entries(modules)) await file(`node_modules/${name}/${path}`, text);
}

// Node itself imports the plug-ins: vitest's own importer would see files of the project only.
const importer = (url: string): Promise<unknown> => import(/* @vite-ignore */ url);

describe("plug-ins", () => {
  it("are packages, or files beside the session file, that export a descriptor or several", async () => {
    await installed("@lab/tape-backend", undefined, { "backend.js": moduleOf("tape") });
    await file("extra/drums.js", moduleOf("drum", "disc"));
    await file("absolute.js", moduleOf("absolute"));
    const registry = new Registry();
    const specifiers = ["@lab/tape-backend", "./extra/drums.js", join(folder, "absolute.js")];
    const registered = await loadPlugins(registry, specifiers, { base: join(folder, "session.yaml"), importer });
    expect(registered.map(({ key }) => key)).toEqual(["tape", "drum", "disc", "absolute"]);
    expect(registry.keys()).toEqual(["tape", "drum", "disc", "absolute"]);
  });

  it("are resolved against a folder or a file URL too", async () => {
    await file("a.js", moduleOf("a"));
    for (const base of [`${folder}/`, pathToFileURL(join(folder, "session.yaml"))]) {
      expect(await loadPlugins(new Registry(), ["./a.js"], { base, importer })).toHaveLength(1);
    }
  });

  it("report what is missing, what exports nothing, what fails, and what is incomplete; the others are registered", async () => {
    await file("empty.js", "export const nothing = 1;");
    await file("throws.js", 'throw new Error("no licence");');
    await file("half.js", 'export default { key: "half" };');
    await file("good.js", moduleOf("good"));
    const registry = new Registry();
    const base = `${folder}/`;
    const specifiers = ["no-such-backend", "./no.js", "./empty.js", "./throws.js", "./half.js", "./good.js"];
    const error = (await rejectionOf(loadPlugins(registry, specifiers, { base, importer }))) as AggregateError;
    expect(error.errors.map(({ code, message }) => [code, message])).toEqual([
      ["MISSING_DEPENDENCY", expect.stringMatching(/"no-such-backend" was not found.*npm install no-such-backend$/)],
      ["MISSING_DEPENDENCY", expect.stringContaining('"./no.js" was not found')],
      ["CONFIG_INVALID", expect.stringContaining('"./empty.js" has no default export')],
      ["CONFIG_INVALID", expect.stringContaining('"./throws.js" failed while it was imported: no licence')],
      ["CONFIG_INVALID", expect.stringContaining('Backend "half" cannot be registered')],
    ]);
    expect(registry.keys()).toEqual(["good"]);
  });

  it("do not take a key that is taken, unless they may", async () => {
    await file("a.js", moduleOf("a"));
    const registry = new Registry();
    const options = { base: `${folder}/`, importer };
    await loadPlugins(registry, ["./a.js"], options);
    expect(await rejectionOf(loadPlugins(registry, ["./a.js"], options))).toMatchObject({ code: "ALREADY_EXISTS" });
    expect(await loadPlugins(registry, ["./a.js"], { ...options, override: true })).toHaveLength(1);
  });
});

describe("discovery", () => {
  it("finds packages that say they have backends, scoped and linked ones too, and imports nothing", async () => {
    const poison = 'throw new Error("imported");';
    await installed("zeta", { backends: ["./backend.js"] }, { "backend.js": poison });
    await installed("@lab/tape", { backends: ["./a.js", "./b.js"] });
    await installed("lodash-like", undefined);
    await file("node_modules/.bin/tool", "");
    await file("workspace/linked/package.json", JSON.stringify({ name: "linked", sluice: { backends: ["./x.js"] } }));
    await symlink(join(folder, "workspace/linked"), join(folder, "node_modules/linked"));
    const { packages, problems } = await discoverBackends(folder);
    expect(packages.map(({ name, version, modules }) => [name, version, modules.length])).toEqual([
      ["@lab/tape", "1.2.3", 2],
      ["linked", "", 1],
      ["zeta", "1.2.3", 1],
    ]);
    expect(problems).toEqual([]);
  });

  it("reports broken packages and finds the others", async () => {
    await file("node_modules/broken/package.json", '{ "sluice": ');
    await installed("wrong", { backends: "./backend.js" });
    await installed("escaping", { backends: ["./../other/backend.js"] });
    await installed("good", { backends: ["./backend.js"] });
    const { packages, problems } = await discoverBackends(folder);
    expect(packages.map(({ name }) => name)).toEqual(["good"]);
    expect(problems.map(({ code, message }) => [code, /node_modules\/(\w+)/.exec(message)?.[1]]).sort()).toEqual([
      ["CONFIG_INVALID", "broken"],
      ["CONFIG_INVALID", "escaping"],
      ["CONFIG_INVALID", "wrong"],
    ]);
  });

  it("finds nothing where there is no node_modules", async () => {
    expect(await discoverBackends(folder)).toEqual({ packages: [], problems: [] });
  });

  it("registers what was found when it is told to; one that fails leaves the others", async () => {
    await installed("bad", { backends: ["./backend.js"] }, { "backend.js": "export default 1;" });
    await installed("good", { backends: ["./backend.js"] }, { "backend.js": moduleOf("good") });
    const registry = new Registry();
    const discovery = await discoverBackends(folder);
    expect(registry.keys()).toEqual([]);
    expect(await rejectionOf(loadDiscovered(registry, discovery, { importer }))).toMatchObject({
      code: "CONFIG_INVALID",
    });
    expect(registry.keys()).toEqual(["good"]);
  });

  it("a package that is broken, or wants a key that is taken, costs its own backend and no other", async () => {
    const registry = new Registry();
    await file("named.js", moduleOf("taken"));
    await loadPlugins(registry, ["./named.js"], { base: `${folder}/`, importer });
    await installed("@lab/throws", { backends: ["./backend.js"] }, { "backend.js": 'throw new Error("no licence");' });
    await installed("greedy", { backends: ["./backend.js"] }, { "backend.js": moduleOf("taken") });
    await installed("wrong", { backends: "./backend.js" });
    await installed("good", { backends: ["./backend.js"] }, { "backend.js": moduleOf("good") });
    const found = await registerDiscovered(registry, folder, { importer });
    expect(found.backends.map(({ key }) => key)).toEqual(["good"]);
    expect(registry.keys()).toEqual(["taken", "good"]);
    expect(found.problems.map(({ code, message }) => [code, message])).toEqual([
      ["CONFIG_INVALID", expect.stringContaining("wrong/package.json")],
      ["CONFIG_INVALID", expect.stringMatching(/^Package "@lab\/throws" .*no licence$/)],
      ["CONFIG_INVALID", expect.stringMatching(/^Package "greedy" .*"taken" is registered already/)],
    ]);
  });
});
