/** The Python of `.venv`, with the readers that ours are compared with. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
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

/** Starts a script of `test/interop` that goes on by itself; `line` answers the next line of JSON that it prints. */
export function startPython(script: string, ...args: readonly string[]): { line(): Promise<unknown> } {
  const path = fileURLToPath(new URL(`../interop/${script}`, import.meta.url));
  const child = spawn(python, [path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    line: async () => {
      const { value, done } = await lines.next();
      if (done) throw new Error(`${script} ended`);
      return JSON.parse(value);
    },
  };
}
