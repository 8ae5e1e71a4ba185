/** Runs an example as its readers do: against the built package, in a process of its own. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { repository } from "../structure/source-files.ts";
import { requireBuild } from "./built.ts";

/** The text of one of `examples/*.ts`. */
export function exampleSource(name: string): string {
  return readFileSync(join(repository, "examples", name), "utf8");
}

/** Runs one of `examples/*.ts` in a working directory; fails unless it ends well. Answers what it printed. */
export function runExample(
  name: string,
  cwd: string,
  { args = [], env = {} }: { readonly args?: readonly string[]; readonly env?: Record<string, string> } = {},
): string {
  requireBuild();
  const { outputText } = ts.transpileModule(exampleSource(name), {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true },
  });
  // `await using` of the examples is newer than Node 20; the compiler has rewritten it.
  const folder = mkdtempSync(join(repository, "dist/example-"));
  try {
    const script = join(folder, "example.mjs");
    writeFileSync(script, outputText);
    const { stdout, stderr, status } = spawnSync(process.execPath, [script, ...args], {
      cwd,
      encoding: "utf8",
      env: { ...process.env, ...env },
    });
    if (status !== 0) throw new Error(`${name} ${args.join(" ")} ended with ${status}\n${stdout}\n${stderr}`);
    return stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
