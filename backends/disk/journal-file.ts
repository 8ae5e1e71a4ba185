/**
 * The journal beside a value that is being written: a hidden file whose first line names the value, and whose other bytes
 * are the writer's.
 */
import { constants } from "node:fs";
import { type FileHandle, open, rename, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { unlessErrno } from "./errno.ts";
import { syncDirectory } from "./place.ts";
import { type Durability, type TempFile, writeAll } from "./temp-file.ts";
import { journalledName, parseJournalledName } from "./temp-name.ts";

/** Version of the first line. */
const VERSION = 1;

/** Longest first line: a name has 255 bytes at most, and each may take six in JSON. */
const MAX_LINE = 2048;

/** The file of one journal, open for its writer. */
export class JournalFile {
  #path: string;
  readonly #handle: FileHandle;
  #length: number;
  #isNameSafe = false;
  #isOpen = true;

  private constructor(path: string, handle: FileHandle, length: number) {
    this.#path = path;
    this.#handle = handle;
    this.#length = length;
  }

  /** Makes the journal of a value that was just begun, with its first bytes. */
  static async create(value: TempFile, id: string, first: Uint8Array): Promise<JournalFile> {
    const path = join(value.target.directory, journalledName({ id, part: "journal", isSetAside: false }));
    const handle = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o666);
    const journal = new JournalFile(path, handle, 0);
    try {
      const line = `${JSON.stringify({ sluiceJournal: VERSION, value: basename(value.target.path) })}\n`;
      await journal.append(Buffer.concat([Buffer.from(line), first]));
      return journal;
    } catch (error) {
      await journal.remove();
      throw error;
    }
  }

  /** Opens the journal of a value that somebody else began. */
  static async reopen(path: string): Promise<JournalFile> {
    const handle = await open(path, constants.O_WRONLY);
    const { size } = await handle.stat();
    return new JournalFile(path, handle, size);
  }

  /** See `ByteJournal.append`; one at a time. */
  async append(bytes: Uint8Array): Promise<void> {
    await writeAll(this.#handle, bytes, this.#length);
    this.#length += bytes.byteLength;
  }

  /** Puts the value and then the journal on the device, and with `full` their names. */
  async sync(value: TempFile, durability: Durability): Promise<void> {
    if (durability === "none" || !this.#isOpen) return;
    await value.handle.datasync();
    await this.#handle.datasync();
    if (durability === "data" || this.#isNameSafe) return;
    await syncDirectory(value.target.directory);
    await value.directoriesMade();
    this.#isNameSafe = true;
  }

  /** Closes the file and leaves it. Harmless when repeated. */
  async leave(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#handle.close();
  }

  /** Closes and removes the file; fine if it is gone. */
  async remove(): Promise<void> {
    await this.leave();
    await unlessErrno(unlink(this.#path), "ENOENT");
  }

  /** Closes the file, and gives it a name that says that its process does not go on. Harmless when repeated. */
  async setAside(): Promise<void> {
    const { id = "", isSetAside } = parseJournalledName(basename(this.#path)) ?? {};
    if (!this.#isOpen || isSetAside !== false) return this.leave();
    const path = join(dirname(this.#path), journalledName({ id, part: "journal", isSetAside: true }));
    await rename(this.#path, path);
    this.#path = path;
    await this.leave();
  }
}

/** What the first line of a journal says. */
export interface JournalLine {
  /** Name of the value, in the same folder. */
  readonly value: string;
  /** Bytes of the line; the writer's begin behind it. */
  readonly byteLength: number;
}

/** Reads the first line; `undefined` for a file that has none: its process was killed before the journal began. */
export async function readJournalLine(handle: FileHandle): Promise<JournalLine | undefined> {
  const bytes = Buffer.alloc(MAX_LINE);
  const { bytesRead } = await handle.read(bytes, 0, MAX_LINE, 0);
  const end = bytes.subarray(0, bytesRead).indexOf("\n");
  if (end < 0) return undefined;
  try {
    const { sluiceJournal, value } = JSON.parse(bytes.toString("utf8", 0, end));
    const isKnown = sluiceJournal === VERSION && typeof value === "string" && !/[/\0]/.test(value) && value !== "";
    return isKnown ? { value, byteLength: end + 1 } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
