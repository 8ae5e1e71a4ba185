/** Where the databases of a session file are. */
import { homedir } from "node:os";
import { resolve } from "node:path";

/** The place of a database: a URL, or an absolute path from the folder of the session file. */
export function locationOf(path: string, baseDirectory: string): string {
  return isUrl(path) ? path : resolve(baseDirectory, path.replace(/^~(?=\/|$)/, homedir()));
}

/** True for the URL of a database, as opposed to a path. */
export function isUrl(path: string): boolean {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(path);
}
