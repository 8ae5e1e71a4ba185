/**
 * Session files as data: YAML or JSON to plain objects. Nothing in the text can run code, read the environment or make
 * anything but JSON values: YAML's core schema, no custom tags, a limit on aliases.
 */
import { readFile } from "node:fs/promises";
import { LineCounter, parseDocument } from "yaml";
import { StorageError, toStorageError } from "../core/errors.ts";
import { configError } from "./mistakes.ts";

/**
 * Reads a session file. JSON is read as the YAML that it is, so that both report line and column.
 *
 * @param file - Path.
 * @returns The parsed value, not yet validated.
 * @throws A {@link StorageError}: `NOT_FOUND`, or `CONFIG_INVALID` with every syntax mistake.
 */
export async function readConfig(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const context = { operation: "openSession", identifier: file };
    if (code === "ENOENT")
      throw new StorageError("NOT_FOUND", `No session file "${file}"`, { ...context, cause: error });
    if (code === "EISDIR") {
      throw new StorageError("IS_A_DIRECTORY", `"${file}" is a folder, not a session file`, {
        ...context,
        cause: error,
      });
    }
    throw toStorageError(error, context);
  }
  return parseConfig(text, file);
}

/**
 * Parses the text of a session file.
 *
 * @param where - Name of the file, for messages.
 * @throws A {@link StorageError} `CONFIG_INVALID` with every syntax mistake, its line and its column.
 */
export function parseConfig(text: string, where: string): unknown {
  const lineCounter = new LineCounter();
  // prettyErrors would put source lines into messages, and with them values.
  const document = parseDocument(text, { schema: "core", lineCounter, prettyErrors: false, uniqueKeys: true });
  // An unknown tag is only a warning of the parser; the value behind it would be read as something it does not claim.
  const problems = [...document.errors, ...document.warnings];
  if (problems.length > 0) {
    const mistakes = problems.map((problem) => {
      const { line, col } = lineCounter.linePos(problem.pos[0]);
      return { path: `line ${line}, column ${col}`, message: problem.message };
    });
    throw configError(where, mistakes);
  }
  // A file of comments is empty too; "expected object, got null" would tell nobody.
  if (document.contents === null) {
    const message = 'it is empty; it needs at least a name, "session: my-session"';
    throw configError(where, [{ path: "", message }]);
  }
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw configError(where, [{ path: "", message, cause: error }]);
  }
}
