import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { repository } from "../structure/source-files.ts";
import { runModule } from "../support/built.ts";
import { main, scratchFolder, sluice } from "./command.ts";

describe("help and version", () => {
  it("go to stdout with exit code 0", async () => {
    const help = await sluice(["--help"]);
    expect(help.code).toBe(0);
    for (const command of ["acquire", "info", "ls", "cat", "cp", "sync", "recover", "doctor", "runs", "index"])
      expect(help.output).toContain(`  ${command} `);
    expect(help.errors).toBe("");
    expect((await sluice(["--version"])).output).toBe(`${manifest.version}\n`);
    expect((await sluice(["cp", "--help"])).output).toContain("--if-exists");
  });

  it("load nothing that a command needs only when it runs", () => {
    const code = `process.argv = ["node", "sluice", "--help"]; await import(${JSON.stringify(main)});`;
    const { output, code: exitCode } = runModule(code, ["--import", "./test/structure/loaded-files.mjs"]);
    expect(exitCode).toBe(0);
    const packages = [...output.matchAll(/node_modules\/((?:@[^/]+\/)?[^/]+)/g)].map(([, name]) => name);
    expect(new Set(packages)).toEqual(new Set(["commander"]));
    expect(output).toContain("/src/cli/");
    expect(output).not.toMatch(/\/src\/(catalog|sqlite|session)\//);
  });
});

describe("a wrong command line", () => {
  it.each([
    [["lss"], "unknown command 'lss'\n(Did you mean ls?)"],
    [["cp", "one"], "missing required argument 'to'"],
    [["ls", "--recursiv"], "unknown option '--recursiv'\n(Did you mean --recursive?)"],
    [["acquire", "x.yaml", "--num", "0"], "whole number of at least 1"],
    [["acquire", "x.yaml", "--num", "many"], "whole number of at least 1"],
    [["cp", "a", "b", "--if-exists", "maybe"], "Allowed choices are error, replace, skip"],
    [["ls", "a", "b"], "too many arguments"],
  ])("%j is exit code 2, explained on stderr", async (args, message) => {
    const { code, output, errors } = await sluice(args);
    expect(code).toBe(2);
    expect(output).toBe("");
    expect(errors).toContain(message);
  });
});

describe("a failure", () => {
  it("is one line with its code, and exit code 1", async () => {
    const { code, output, errors } = await sluice(["ls", "no/such/folder"]);
    expect(code).toBe(1);
    expect(output).toBe("");
    expect(errors).toBe('sluice: NOT_FOUND: No directory "no/such/folder" in "disk"\n');
  });

  it("is a document with --json, and still a line on stderr", async () => {
    const { code, output, errors } = await sluice(["ls", "no/such/folder", "--json"]);
    expect(code).toBe(1);
    expect(JSON.parse(output)).toMatchObject({ error: { code: "NOT_FOUND", identifier: "no/such/folder" } });
    expect(errors).toContain("NOT_FOUND");
  });

  it("shows its stack only with --verbose", async () => {
    expect((await sluice(["ls", "no/such/folder"])).errors).not.toContain("    at ");
    expect((await sluice(["ls", "no/such/folder", "--verbose"])).errors).toContain("    at ");
  });

  it("of a URL that no backend has lists the known schemes", async () => {
    const { code, errors } = await sluice(["info", "gopher://example.org/x"]);
    expect(code).toBe(1);
    expect(errors).toMatch(/^sluice: UNKNOWN_BACKEND: .*"gopher".*file.*\n$/);
  });
});

describe("--discover", () => {
  it("of no folder is refused by its name", async () => {
    const { code, errors } = await sluice(["ls", ".", "--discover", "no/such"], scratchFolder());
    expect([code, errors]).toEqual([1, 'sluice: CONFIG_INVALID: No folder "no/such" to discover backends in\n']);
  });

  it("of a package whose key is taken suggests nothing that cannot be typed", async () => {
    const folder = scratchFolder();
    const installed = join(folder, "node_modules/tape");
    mkdirSync(installed, { recursive: true });
    const backends = ["./index.js"];
    writeFileSync(
      join(installed, "package.json"),
      JSON.stringify({ name: "tape", type: "module", sluice: { backends } }),
    );
    const built = pathToFileURL(join(repository, "dist/backends/memory/index.js")).href;
    writeFileSync(join(installed, "index.js"), `export { default } from ${JSON.stringify(built)};`);
    const { code, errors } = await sluice(["ls", ".", "--discover", "."], folder);
    expect(code).toBe(0);
    expect(errors).toMatch(/"tape".*registered already \(by backend "memory"\)\n$/);
  });
});

it.each(["cp", "sync"])("%s into memory by URL is refused, since nothing would be left", async (command) => {
  const { code, errors } = await sluice([command, "a.txt", "mem:a.txt"], scratchFolder({ "a.txt": "a" }));
  expect(code).toBe(1);
  expect(errors).toMatch(/^sluice: UNSUPPORTED: "mem:a\.txt" is in memory, and gone .* give a path/);
});

it("a session file is checked for its shape, and of its backends those that are used", async () => {
  const backends = "{good: {use: disk, root: .}, bad: {use: disk, rot: x}}";
  const folder = scratchFolder({
    "s.yaml": `session: s\nbackends: ${backends}\n`,
    "t.yaml": "session: s\nbackend: {}\n",
  });
  const ls = async (address: string, file: string) => (await sluice(["ls", address, "--session", file], folder)).code;
  expect([await ls("good:", "s.yaml"), await ls("bad:", "s.yaml"), await ls(".", "t.yaml")]).toEqual([0, 1, 1]);
  const { code, errors } = await sluice(["acquire", "s.yaml"], folder);
  expect([code, errors]).toEqual([1, expect.stringContaining("backends.bad.rot")]);
});

it("a reader that stops early is no failure", () => {
  const many = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`file_with_a_long_name_${i}.txt`, ""]));
  const { status, stdout } = spawnSync(
    "bash",
    ["-o", "pipefail", "-c", `"$0" "$1" ls "$2" | head -n 1`, process.execPath, main, scratchFolder(many)],
    {
      encoding: "utf8",
    },
  );
  expect(status).toBe(0);
  expect(stdout.split("\n")).toHaveLength(2);
});
