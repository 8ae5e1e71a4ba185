/** Which process writes, so that one that was killed is told from one that lives. */
import { hostname } from "node:os";
import { StorageError } from "../core/errors.ts";
import { processStart } from "../io/process-start.ts";
import { parseJson } from "./row-json.ts";

/** A process, for a column: machine, number, and when it started, in ticks since the machine did. */
export function thisProcess(): string {
  return JSON.stringify([hostname(), process.pid, processStart(process.pid) ?? ""]);
}

/**
 * True if the process of a column lives, false if it has ended; `undefined` if nobody can say: it is on another machine,
 * or there is a process of its number on a system that does not say when it started.
 *
 * @throws A {@link StorageError} `CORRUPT` for a text that is none of {@link thisProcess}.
 */
export function isAlive(text: string): boolean | undefined {
  const [host, pid, started] = partsOf(text);
  if (host !== hostname()) return undefined;
  const now = processStart(pid);
  // Numbers of processes come again, also after a container has started again: the time of the start does not.
  if (now !== undefined) return now === started;
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ESRCH") return false;
    if (code === "EPERM") return undefined;
    throw error;
  }
}

function partsOf(text: string): readonly [host: string, pid: number, started: string] {
  const value = parseJson(text, "process of a writer");
  if (Array.isArray(value)) {
    const [host, pid, started] = value as unknown[];
    const isPid = typeof pid === "number" && Number.isSafeInteger(pid) && pid > 0;
    if (typeof host === "string" && isPid && typeof started === "string") return [host, pid, started];
  }
  throw new StorageError("CORRUPT", `${JSON.stringify(text)} names no process that writes`, { operation: "read" });
}
