/** What the structure tests look at: a set of files by path, and the imports and statements in them. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

/** Files by their path relative to the repository, with `/`. Planted violations are made of the same thing. */
export type SourceFiles = ReadonlyMap<string, string>;

/** The repository's folder. */
export const repository = fileURLToPath(new URL("../..", import.meta.url));

/** All files below the folders whose names end as wanted; generated folders are left out. */
export function readSources(folders: readonly string[], ending = ".ts"): SourceFiles {
  const files = new Map<string, string>();
  const visit = (folder: string) => {
    for (const entry of readdirSync(join(repository, folder), { withFileTypes: true })) {
      const path = folder === "." ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        if (
          !/^(node_modules|dist|\.git|\.venv|coverage|data)$|^docs\/api$/.test(path) &&
          entry.name !== "node_modules"
        ) {
          visit(path);
        }
      } else if (entry.name.endsWith(ending)) {
        files.set(path, readFileSync(join(repository, path), "utf8"));
      }
    }
  };
  for (const folder of folders) visit(folder);
  return files;
}

/** The sources of the package itself. */
export function readProduct(): SourceFiles {
  return readSources(["src", "backends", "registry"]);
}

/** One import or re-export. */
export interface Import {
  readonly specifier: string;
  /** `type` leaves nothing in the JavaScript; `dynamic` is `import()`. */
  readonly kind: "static" | "type" | "dynamic";
  readonly line: number;
}

/** Parses one file. */
export function parse(path: string, text: string): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
}

/** Every import of a file, in order. */
export function importsOf(path: string, text: string): Import[] {
  const source = parse(path, text);
  const imports: Import[] = [];
  const add = (node: ts.Node, specifier: string, kind: Import["kind"]) => {
    imports.push({ specifier, kind, line: source.getLineAndCharacterOfPosition(node.getStart()).line + 1 });
  };
  const visit = (node: ts.Node): void => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier) {
      add(node, (node.moduleSpecifier as ts.StringLiteral).text, isTypeOnly(node) ? "type" : "static");
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const target = node.arguments[0];
      if (target && ts.isStringLiteralLike(target)) add(node, target.text, "dynamic");
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return imports;
}

function isTypeOnly(node: ts.ImportDeclaration | ts.ExportDeclaration): boolean {
  if (ts.isExportDeclaration(node)) {
    const names = node.exportClause && ts.isNamedExports(node.exportClause) ? node.exportClause.elements : undefined;
    return node.isTypeOnly || (names !== undefined && names.length > 0 && names.every((name) => name.isTypeOnly));
  }
  // `verbatimModuleSyntax` keeps `import { type A } from "x"` as `import {} from "x"`: that loads the file.
  return node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
}

/** The path that a relative import leads to. */
export function resolveImport(from: string, specifier: string): string {
  const segments = from.split("/").slice(0, -1);
  for (const segment of specifier.split("/")) {
    if (segment === "..") segments.pop();
    else if (segment !== ".") segments.push(segment);
  }
  return segments.join("/");
}

/** Name of the npm package of an import, or `undefined` for relative ones and Node's own modules. */
export function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith(".") || specifier.startsWith("node:")) return undefined;
  const parts = specifier.split("/");
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : parts[0];
}
