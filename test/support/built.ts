/** The built package, for tests that run it as its users do. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { repository } from "../structure/source-files.ts";

/** Fails with the command that helps if the package has not been built. */
export function requireBuild(): void {
  if (!existsSync(join(repository, "dist/src/index.js"))) throw new Error("No dist/: run `npm run build` first");
}

/** Runs JavaScript as a module in a new process at the repository's root, where `sluice` means the built package. */
export function runModule(
  code: string,
  flags: readonly string[] = [],
): { output: string; errors: string; code: number } {
  requireBuild();
  const { stdout, stderr, status } = spawnSync(process.execPath, [...flags, "--input-type=module", "-e", code], {
    cwd: repository,
    encoding: "utf8",
  });
  return { output: stdout, errors: stderr, code: status ?? 1 };
}
