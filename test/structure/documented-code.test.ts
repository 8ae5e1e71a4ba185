/** The TypeScript in README and docs is compiled against the package and run, page by page. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { parseConfig } from "../../src/session/read-config.ts";
import { checkSession } from "../../src/session/schema.ts";
import { executePage, moduleOf } from "../support/page-module.ts";
import { codeBlocks } from "./markdown.ts";
import { readSources, repository } from "./source-files.ts";

/** Parsed files, shared by the pages: each page is compiled against the whole package. */
const parsed = new Map<string, ts.SourceFile | undefined>();

/** Mistakes that the compiler finds in the module, as if it lay at the root of the repository. */
function typeErrors(module: string): string[] {
  const path = join(repository, "page.ts");
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(repository, "tsconfig.json"), ts.sys.readFile).config,
    ts.sys,
    repository,
  );
  const host = ts.createCompilerHost(options);
  const { readFile, fileExists, getSourceFile } = host;
  host.fileExists = (name) => name === path || fileExists.call(host, name);
  host.readFile = (name) => (name === path ? module : readFile.call(host, name));
  host.getSourceFile = (name, ...rest) => {
    if (name === path) return ts.createSourceFile(name, module, rest[0], true);
    if (!parsed.has(name)) parsed.set(name, getSourceFile.call(host, name, ...rest));
    return parsed.get(name);
  };
  const relaxed = { ...options, noEmit: true, noUnusedLocals: false, noUnusedParameters: false };
  const program = ts.createProgram([path], relaxed, host);
  const file = program.getSourceFile(path) as ts.SourceFile;
  return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map((diagnostic) => {
    const line = file.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line + 1;
    return `line ${line}: ${ts.flattenDiagnosticMessageText(diagnostic.messageText, " ")}`;
  });
}

/** Runs a module in an empty working directory. */
function execute(module: string): { output: string; errors: string; code: number } {
  const scratch = mkdtempSync(join(tmpdir(), "sluice-page-"));
  try {
    return executePage(module, scratch);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

const pages = [...readSources(["."], ".md")].filter(([, text]) => codeBlocks(text, "ts").length > 0);

describe("code in the documentation", () => {
  it("README has some", () => {
    expect(pages.map(([path]) => path)).toContain("README.md");
  });

  // The first one parses the package, which takes long on a busy machine.
  it.each(pages)(
    "%s compiles and runs",
    (_, text) => {
      const module = moduleOf(text);
      expect(typeErrors(module)).toEqual([]);
      const { code, output, errors } = execute(module);
      expect(code, output + errors).toBe(0);
    },
    120_000,
  );

  it("every session file in the documentation is one", () => {
    const files = [...readSources(["."], ".md")].flatMap(([path, text]) =>
      codeBlocks(text, "yaml").flatMap(({ code, line }) =>
        /^session:/m.test(code) ? [[`${path}:${line}`, code]] : [],
      ),
    );
    expect(files.length).toBeGreaterThan(0);
    const mistakes = files.flatMap(([where = "", code = ""]) =>
      checkSession(parseConfig(code, where)).mistakes.map(({ path, message }) => `${where}: ${path} ${message}`),
    );
    expect(mistakes).toEqual([]);
    expect(checkSession(parseConfig("session: x\nplann: 1\n", "planted")).mistakes).toHaveLength(1);
  });

  it("a planted mistake in a type is named", () => {
    expect(typeErrors('import { ndArray } from "sluice";\nndArray("three");')[0]).toMatch(/^line 2: Argument of type/);
  });

  it("a planted failure is seen", () => {
    const page =
      "# Page\n\n```ts\nconst a = 1;\n```\n\nand then\n\n```ts\nif (a === 1) throw new Error('planted');\n```\n";
    const { code, errors } = execute(moduleOf(page));
    expect(code).not.toBe(0);
    expect(errors).toContain("planted");
  });
});
