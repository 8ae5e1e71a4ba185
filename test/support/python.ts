/** The Python of `.venv`, with the readers that ours are compared with. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const python = fileURLToPath(new URL("../../.venv/bin/python", import.meta.url));

/** In `.ci/run` the interpreter must be there: the tests run, and fail, without it. */
export const isPythonExpected = existsSync(python) || process.env.SLUICE_REQUIRE_PYTHON !== undefined;

if (!isPythonExpected) {
  console.warn("interop: no .venv, so Python's readers are not asked; scripts/python-venv.sh makes one");
}

/** Runs a script of `test/interop`; what it prints must be JSON. */
export function runPython(script: string, ...args: readonly string[]): unknown {
  const path = fileURLToPath(new URL(`../interop/${script}`, import.meta.url));
  return JSON.parse(execFileSync(python, [path, ...args], { encoding: "utf8", maxBuffer: 2 ** 26 }));
}

/** Runs code that is given as text; answers what it prints. */
export function runPythonCode(code: string, cwd: string): string {
  return execFileSync(python, ["-c", code], { encoding: "utf8", cwd });
}
