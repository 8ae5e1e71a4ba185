import { describe, expect, it } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { checkLayering, checkLightness } from "./layering.ts";
import { importsOf, readProduct, type SourceFiles } from "./source-files.ts";

function plant(path: string, text: string): SourceFiles {
  return new Map([[path, text]]);
}

/** Sources of the public subpaths. `sluice/session` is the one whose own users pay for its container. */
function lightEntries(): string[] {
  const targets = Object.entries(manifest.exports).flatMap(([subpath, target]) =>
    typeof target === "object" && subpath !== "./session" ? [target.default] : [],
  );
  return [...targets, manifest.bin.sluice].map((path) => path.replace("./dist/", "").replace(/\.js$/, ".ts"));
}

describe("who may import whom", () => {
  it("holds for every file of the package", () => {
    expect(checkLayering(readProduct())).toEqual([]);
  });

  it.each([
    ["src/core/key.ts", 'import fs from "node:fs";', 'core imports "node:fs"'],
    ["src/core/key.ts", 'import { match } from "picomatch";', 'core imports "picomatch"'],
    ["src/core/key.ts", 'import { x } from "../codecs/npy.ts";', "core imports static src/codecs/npy.ts"],
    ["src/codecs/npy.ts", 'export { x } from "../acquire/x.ts";', "codecs imports static src/acquire/x.ts"],
    ["src/io/files.ts", 'import { x } from "../session/x.ts";', "io imports static src/session/x.ts"],
    ["src/testing/kit.ts", 'import { x } from "../../backends/disk/store.ts";', "testing imports static backends/disk"],
    ["src/index.ts", 'export { Session } from "./session/index.ts";', "index imports static src/session/index.ts"],
    ["backends/zarr/a.ts", 'import { x } from "../disk/store.ts";', "one backend imports another"],
    ["backends/zarr/a.ts", 'await import("../disk/store.ts");', "one backend imports another"],
    ["backends/zarr/a.ts", 'import { x } from "../../registry/index.ts";', "backends imports static registry"],
    ["registry/builtin.ts", 'import { disk } from "../backends/disk/index.ts";', "registry imports static backends"],
    ["registry/uri.ts", 'await import("../backends/disk/index.ts");', "registry imports dynamic backends"],
    ["src/io/files.ts", 'import "reflect-metadata";', '"reflect-metadata" belongs to src/session alone'],
    ["src/cli/main.ts", 'await import("tsyringe");', '"tsyringe" belongs to src/session alone'],
    ["src/attic/x.ts", "", 'no room is called "attic"'],
  ])("names a planted violation in %s: %s", (path, text, expected) => {
    const violations = checkLayering(plant(path, text));
    expect(violations).toHaveLength(1);
    expect(violations[0]).toContain(path);
    expect(violations[0]).toContain(expected);
  });

  it("lets types pass and the table of built-in backends import() them", () => {
    expect(checkLayering(plant("src/core/key.ts", 'import type { Stats } from "node:fs";'))).toEqual([]);
    expect(checkLayering(plant("registry/builtin.ts", '() => import("../backends/disk/index.ts");'))).toEqual([]);
  });

  it("tells the kinds of import apart", () => {
    const text = `
      import type { A } from "a";
      import { type B } from "b";
      import "c";
      export type { D } from "d";
      export * from "e";
      const f = () => import("f");
    `;
    expect(importsOf("x.ts", text).map(({ specifier, kind }) => `${kind} ${specifier}`)).toEqual([
      "type a",
      "static b",
      "static c",
      "type d",
      "static e",
      "dynamic f",
    ]);
  });
});

describe("lightness", () => {
  it("no public subpath, and not the command, reaches an npm package by static imports", () => {
    expect(checkLightness(readProduct(), lightEntries())).toEqual([]);
  });

  it("names the whole chain to a planted heavy import", () => {
    const files = new Map([
      ["src/index.ts", 'export * from "./a.ts"; import("./lazy.ts");'],
      ["src/a.ts", 'import { b } from "./b.ts";'],
      ["src/b.ts", 'import sharp from "sharp"; import type { S3 } from "@aws-sdk/client-s3";'],
      ["src/lazy.ts", 'import "zod";'],
    ]);
    expect(checkLightness(files, ["src/index.ts"])).toEqual(["src/index.ts → src/a.ts → src/b.ts → sharp"]);
  });
});
