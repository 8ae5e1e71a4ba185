/** Names of files that are being written, such that what a killed process has left can be told from the others. */
import { randomUUID } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { processStart } from "../../io/process-start.ts";

/** How the Zarr backend calls what it removes, before the name that it had. */
const GONE = /^(\.sluice-gone-[0-9a-f]{16}\.)+/;

/** A name for what is to become `name`, in the same folder, that no call has had before. */
export function draftName(name: string): string {
  const start = processStart(process.pid) ?? "0";
  return `${prefixOf(name)}${machine()}.${process.pid}.${start}.${randomUUID().slice(0, 8)}`;
}

/**
 * Of the names in a folder, the drafts of `name` whose process has ended. Those of other machines stay: nobody here knows
 * what became of their process. A folder that was being removed when a process was killed has another name before its own:
 * that too is a draft that nobody wants.
 */
export function abandonedDrafts(names: Iterable<string>, name: string): string[] {
  const prefix = prefixOf(name);
  return [...names].filter((each) => {
    const draft = each.replace(GONE, "");
    return draft.startsWith(prefix) && isAbandoned(draft.slice(prefix.length));
  });
}

/** Removes the abandoned drafts of a file or folder of this machine's disks. */
export async function sweepDrafts(path: string): Promise<void> {
  const folder = dirname(path);
  for (const name of abandonedDrafts(await namesIn(folder), basename(path))) {
    await rm(join(folder, name), { recursive: true, force: true });
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    // The first write makes it.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function prefixOf(name: string): string {
  return `.${name}.sluice-new-`;
}

function isAbandoned(label: string): boolean {
  const [, host, pid, start] = /^([a-z0-9-]*)\.(\d{1,10})\.(\d+)\.[0-9a-f]{8}$/.exec(label) ?? [];
  if (host !== machine()) return false;
  const now = processStart(Number(pid));
  // Numbers of processes come again; the time of the start does not.
  if (now !== undefined) return now !== start;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

function machine(): string {
  return hostname()
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]/g, "-")
    .slice(0, 40);
}
