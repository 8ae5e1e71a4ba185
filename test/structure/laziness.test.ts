import { describe, expect, it } from "vitest";
import { runModule } from "../support/built.ts";

/** Packages that cost start-up time, and are therefore opened by those who use them only. */
const heavy =
  /\/node_modules\/(sharp|@img|geotiff|csv-parse|csv-stringify|@aws-sdk|@smithy|zarrita|@zarrita|numcodecs|zod|redis|@redis|better-sqlite3|postgres|apache-arrow|h5wasm|tsyringe|reflect-metadata|yaml|commander|@mongodb-js|zstd-napi|@opentelemetry|ws)\//;

/** Files that a new process opens for these imports. */
function filesLoadedBy(...specifiers: readonly string[]): string[] {
  const code = specifiers.map((specifier) => `await import(${JSON.stringify(specifier)});`).join("\n");
  const { output, errors, code: exitCode } = runModule(code, ["--import", "./test/structure/loaded-files.mjs"]);
  expect(exitCode, errors).toBe(0);
  return output.split("\n").filter((line) => line.includes("/"));
}

describe("importing sluice", () => {
  it.each([
    ["sluice"],
    ["sluice/registry"],
    ["sluice/codecs"],
    ["sluice/acquire"],
    ["sluice/layers"],
    ["sluice/catalog"],
    ["sluice/live"],
    ["sluice/backends/zarr"],
    ["sluice/backends/stream"],
  ])("%s opens no file of a heavy package", (specifier) => {
    const files = filesLoadedBy(specifier);
    expect(files.some((file) => file.includes("/dist/"))).toBe(true);
    expect(files.filter((file) => heavy.test(file))).toEqual([]);
  });

  it("opens no backend", () => {
    const files = filesLoadedBy("sluice", "sluice/registry");
    expect(files.filter((file) => file.includes("/dist/backends/"))).toEqual([]);
  });

  it.each([
    ["an ES module", "zarrita"],
    ["a CommonJS package", "sharp"],
    ["the container", "sluice/session"],
    ["an optional peer", "@opentelemetry/api"],
  ])("a planted import of %s is seen", (_, specifier) => {
    expect(filesLoadedBy("sluice", specifier).some((file) => heavy.test(file))).toBe(true);
  });
});
