/** What users can import, types included, by asking the compiler. */
import { join } from "node:path";
import ts from "typescript";
import { repository } from "./source-files.ts";

/** Sources of the public subpaths, by subpath. */
export function publicEntries(exports: Readonly<Record<string, unknown>>): Map<string, string> {
  const entries = new Map<string, string>();
  for (const [subpath, target] of Object.entries(exports)) {
    const types = (target as { types?: string }).types;
    if (types) entries.set(`sluice${subpath.slice(1)}`, types.replace("./dist/", "").replace(/\.d\.ts$/, ".ts"));
  }
  return entries;
}

/** A line for each subpath and one for each of its names, in order. Types are marked. */
export function listPublicNames(entries: ReadonlyMap<string, string>): string {
  const roots = [...entries.values()].map((path) => join(repository, path));
  const options = ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(repository, "tsconfig.json"), ts.sys.readFile).config,
    ts.sys,
    repository,
  ).options;
  const program = ts.createProgram(roots, options);
  const checker = program.getTypeChecker();
  const lines: string[] = [];
  for (const [subpath, path] of entries) {
    const file = program.getSourceFile(join(repository, path));
    const module = file && checker.getSymbolAtLocation(file);
    if (!module) throw new Error(`${subpath}: ${path} exports nothing`);
    lines.push(subpath);
    const names = checker.getExportsOfModule(module).map((symbol) => {
      const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
      return target.flags & ts.SymbolFlags.Value ? symbol.name : `${symbol.name} (type)`;
    });
    for (const name of names.sort()) lines.push(`  ${name}`);
  }
  return `${lines.join("\n")}\n`;
}
