/** Runs the built `sluice` command as its users do: in a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { repository } from "../structure/source-files.ts";
import { requireBuild } from "../support/built.ts";

/** The file that the command runs. */
export const main = join(repository, "dist/src/cli/main.js");

/** What a finished command leaves. */
export interface Finished {
  readonly code: number | null;
  readonly stdout: Buffer;
  /** stdout as text. */
  readonly output: string;
  readonly errors: string;
}

/** A command under way. */
export interface Running {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** Resolves once stderr matches. Rejects if the command ends first. */
  said(pattern: RegExp): Promise<void>;
}

/** Starts `sluice` with arguments. */
export function start(args: readonly string[], cwd = repository): Running {
  requireBuild();
  const child = spawn(process.execPath, [main, ...args], { cwd, stdio: ["ignore", "pipe", "pipe"] });
  const stdout: Buffer[] = [];
  let errors = "";
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      const whole = Buffer.concat(stdout);
      resolve({ code, stdout: whole, output: whole.toString(), errors });
    });
  });
  const said = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const check = () => {
        if (pattern.test(errors)) resolve();
      };
      child.stderr.on("data", check);
      child.on("close", () => reject(new Error(`sluice ended without saying ${pattern}: ${errors}`)));
      check();
    });
  return { child, finished, said };
}

/** Runs `sluice` to its end. */
export function sluice(args: readonly string[], cwd?: string): Promise<Finished> {
  return start(args, cwd).finished;
}

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A new folder that is removed after the tests of the file, with these text files. */
export function scratchFolder(files: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), "sluice-cli-"));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}
