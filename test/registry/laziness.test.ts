import { describe, expect, it } from "vitest";
import { runModule } from "../support/built.ts";

/** Files below `dist/backends` that a new process opens for this code. */
function backendFiles(code: string): string[] {
  const flags = ["--import", "./test/structure/loaded-files.mjs"];
  const { output, errors, code: exitCode } = runModule(`import * as registry from "sluice/registry";\n${code}`, flags);
  expect(exitCode, errors).toBe(0);
  return output
    .split("\n")
    .flatMap((line) => /\/dist\/backends\/([^/]+\/[^/]+)\.js$/.exec(line)?.[1] ?? [])
    .sort();
}

describe("in a new process", () => {
  it("listing, describing and defining import no backend", () => {
    const code = `
      const made = registry.createRegistry();
      for (const key of made.keys()) made.descriptor(key).capabilities;
      made.forScheme("file");
      const set = new registry.BackendSet(made, { a: { use: "disk" }, b: { use: "zarr" } });
      set.keys(); set.has("a"); registry.storageRegistry.keys(); registry.storageRegistry.has("memory");
    `;
    expect(backendFiles(code)).toEqual([]);
  });

  it("loading a descriptor imports its light file, and nothing of another backend", () => {
    expect(backendFiles('await registry.createRegistry().load("zarr");')).toContain("zarr/index");
    const loaded = backendFiles('await registry.createRegistry().load("disk");');
    expect(loaded).toContain("disk/index");
    expect(loaded).not.toContain("disk/store");
    expect(loaded.filter((file) => !file.startsWith("disk/"))).toEqual([]);
  });

  it("opening imports the rest of that backend alone", () => {
    const loaded = backendFiles('await registry.getBackend("memory");');
    expect(loaded).toContain("memory/backend");
    expect(loaded.filter((file) => !file.startsWith("memory/"))).toEqual([]);
  });
});
