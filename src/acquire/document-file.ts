/** Documents as a file of JSON lines. */
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import type { Document } from "../core/documents.ts";
import { toStorageError } from "../core/errors.ts";

/**
 * Appends each document as one line, `{"name": …, "doc": …}`: names beside documents, as callbacks get them. Lines are complete in the
 * order of the calls; after a `stop` the file is on disk (fsync). The file is opened with the first document.
 *
 * @example
 * ```ts
 * await using file = new DocumentFile("run.jsonl");
 * const run = new RunDocuments((document) => file.append(document));
 * ```
 */
export class DocumentFile implements AsyncDisposable {
  /** Path of the file. */
  readonly path: string;
  #handle: Promise<FileHandle> | undefined;
  #tail: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.path = path;
  }

  /** Appends one document. Folders above the file are made. */
  append([name, doc]: Document): Promise<void> {
    const line = `${JSON.stringify({ name, doc })}\n`;
    const appended = this.#tail.then(() => this.#write(line, name === "stop"));
    // The next line does not fail because this one did: its caller knows.
    this.#tail = appended.catch(() => {});
    return appended;
  }

  /** Closes the file after what is under way. Idempotent; a later document opens it again. */
  async close(): Promise<void> {
    await this.#tail;
    const handle = this.#handle;
    this.#handle = undefined;
    await (await handle)?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #write(line: string, isLast: boolean): Promise<void> {
    try {
      const handle = await this.#open();
      await handle.appendFile(line);
      if (isLast) await handle.sync();
    } catch (error) {
      throw toStorageError(error, { operation: "append", identifier: this.path });
    }
  }

  #open(): Promise<FileHandle> {
    this.#handle ??= mkdir(dirname(this.path), { recursive: true })
      .then(() => open(this.path, "a"))
      .catch((error: unknown) => {
        this.#handle = undefined;
        throw error;
      });
    return this.#handle;
  }
}
