/** Things that must be there for each of a kind: a page for each error code, two files for each backend. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { storageErrorCodes } from "../../src/core/errors.ts";
import { requireBuild } from "../support/built.ts";
import { importsOf, readSources, repository, type SourceFiles } from "./source-files.ts";

/** Codes without a row in the table, and rows without a code. */
function checkErrorPage(codes: readonly string[], page: string): string[] {
  const rows = [...page.matchAll(/^\| `([A-Z_]+)` +\|/gm)].map(([, code]) => code as string);
  return [
    ...codes.filter((code) => !rows.includes(code)).map((code) => `${code} is not documented`),
    ...rows.filter((row) => !codes.includes(row)).map((row) => `${row} is documented and does not exist`),
  ];
}

/** What a backend's folder lacks. */
function checkBackend(key: string, files: ReadonlyMap<string, string>): string[] {
  const index = files.get("index.ts");
  const readme = files.get("README.md");
  const lacks: string[] = [];
  if (index === undefined) lacks.push("index.ts");
  else if (!/^export default /m.test(index)) lacks.push("a default export of its descriptor");
  if (readme === undefined) lacks.push("README.md");
  else if (!/^## Capabilities$|^\| capability/im.test(readme)) lacks.push("a table of capabilities in its README");
  if (readme !== undefined && !/^## Options$|^\| option/im.test(readme)) lacks.push("a table of options in its README");
  return lacks.map((what) => `backends/${key} lacks ${what}`);
}

describe("error codes", () => {
  const codes = Object.keys(storageErrorCodes);

  it("each has a row in docs/errors.md", () => {
    expect(checkErrorPage(codes, readSources(["docs"], ".md").get("docs/errors.md") ?? "")).toEqual([]);
  });

  it("a planted gap and a planted leftover are named", () => {
    expect(checkErrorPage(["NOT_FOUND"], "| `LOST` | x |\n")).toEqual([
      "NOT_FOUND is not documented",
      "LOST is documented and does not exist",
    ]);
  });
});

it("every decision is on the list of decisions", () => {
  const pages = readSources(["docs/decisions"], ".md");
  const list = pages.get("docs/decisions/README.md") ?? "";
  const numbered = [...pages.keys()].filter((path) => !path.endsWith("README.md"));
  for (const path of numbered) expect(list).toContain(`](${path.replace("docs/decisions/", "")})`);
  expect(new Set(numbered.map((path) => path.slice(15, 19))).size).toBe(numbered.length);
});

describe("backends", () => {
  const keys = readdirSync(join(repository, "backends"));

  it.each(keys)("%s has a descriptor and a README with capabilities and options", (key) => {
    const folder = `backends/${key}`;
    const files = new Map([...readSources([folder]), ...readSources([folder], ".md")]);
    const names = new Map([...files].map(([path, text]) => [path.slice(folder.length + 1), text]));
    expect(checkBackend(key, names)).toEqual([]);
  });

  it("each is a public subpath, or is loaded by the table of built-ins", () => {
    const builtin = readSources(["registry"]).get("registry/builtin.ts") ?? "";
    for (const key of keys) expect(builtin).toContain(`backends/${key}/index.ts`);
  });

  it("a planted bare folder is named", () => {
    expect(checkBackend("tape", new Map([["index.ts", "export const tape = 1;"]]))).toEqual([
      "backends/tape lacks a default export of its descriptor",
      "backends/tape lacks README.md",
    ]);
    expect(checkBackend("tape", new Map([["README.md", "## Options\n"]]))).toEqual([
      "backends/tape lacks index.ts",
      "backends/tape lacks a table of capabilities in its README",
    ]);
  });
});

it("every public subpath has its sources", async () => {
  const { default: manifest } = await import("../../package.json", { with: { type: "json" } });
  for (const target of Object.values(manifest.exports)) {
    const types = typeof target === "object" ? target.types : undefined;
    if (types)
      expect(existsSync(join(repository, types.replace("./dist/", "").replace(/\.d\.ts$/, ".ts"))), types).toBe(true);
  }
});

describe("the built package", () => {
  /** Imports of files that the compiler should have renamed; it overlooks `import()` beside `await using`. */
  const leftOver = (files: SourceFiles) =>
    [...files].flatMap(([path, text]) =>
      importsOf(path, text).flatMap(({ specifier }) => (/^\..*\.ts$/.test(specifier) ? [`${path}: ${specifier}`] : [])),
    );

  // Parses every source, which takes long on a busy machine.
  it("imports no TypeScript file", () => {
    requireBuild();
    expect(leftOver(readSources(["dist"], ".js"))).toEqual([]);
  }, 120_000);

  it("a planted one is named", () => {
    expect(leftOver(new Map([["dist/a.js", 'import "./b.js"; import("./c.ts");']]))).toEqual(["dist/a.js: ./c.ts"]);
  });
});

describe("package-lock.json", () => {
  type Lock = Readonly<Record<string, { readonly optionalDependencies?: Readonly<Record<string, string>> }>>;

  /** Packages for other platforms that are not locked: `npm ci` refuses such a file, and a Mac would lack them. */
  const unlocked = (packages: Lock) =>
    Object.values(packages).flatMap(({ optionalDependencies = {} }) =>
      Object.keys(optionalDependencies).filter(
        (name) => !Object.keys(packages).some((path) => path.endsWith(`node_modules/${name}`)),
      ),
    );

  it("locks the packages of every platform", () => {
    const lock = JSON.parse(readFileSync(join(repository, "package-lock.json"), "utf8")) as { packages: Lock };
    expect(unlocked(lock.packages)).toEqual([]);
  });

  it("a planted gap is named", () => {
    expect(unlocked({ "node_modules/a": { optionalDependencies: { "a-darwin": "1.0.0" } } })).toEqual(["a-darwin"]);
  });
});
