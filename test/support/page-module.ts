/** The TypeScript of a page, run as its readers would run it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import ts from "typescript";
import { codeBlocks } from "../structure/markdown.ts";
import { repository } from "../structure/source-files.ts";
import { requireBuild, runModule } from "./built.ts";

/** The TypeScript of a page as one module: later blocks continue earlier ones. */
export function moduleOf(text: string): string {
  return codeBlocks(text, "ts")
    .map(({ code }) => code)
    .join("\n");
}

/** Runs a module; what it imports is the built package. */
export function executePage(module: string, cwd: string): { output: string; errors: string; code: number } {
  requireBuild();
  const { outputText } = ts.transpileModule(module, {
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      experimentalDecorators: true,
      verbatimModuleSyntax: true,
    },
  });
  // Inside dist/, so that "sluice" is this package; outside the sources, so that no other test sees it.
  mkdirSync(join(repository, "dist"), { recursive: true });
  const folder = mkdtempSync(join(repository, "dist/page-"));
  try {
    writeFileSync(join(folder, "page.mjs"), outputText);
    const url = pathToFileURL(join(folder, "page.mjs")).href;
    return runModule(`process.chdir(${JSON.stringify(cwd)}); await import(${JSON.stringify(url)});`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
