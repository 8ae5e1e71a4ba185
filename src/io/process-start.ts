/** When processes of this machine started: what tells a process from an earlier one of its number. */
import { readFileSync } from "node:fs";

/**
 * When a process started, in ticks since the machine did; `"ended"` for one that is listed only until its parent asks.
 * `undefined` if there is none, or no `/proc` to ask.
 */
export function processStart(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field is a name in parentheses, and may hold anything.
    const [state, ...fields] = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return state === "Z" || state === "X" ? "ended" : fields[18];
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (["ENOENT", "ESRCH", "EACCES", "ENOTDIR"].includes(code)) return undefined;
    throw error;
  }
}
