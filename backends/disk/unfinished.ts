/** Values that are being written with a journal, or were when their process was killed. */
import { constants } from "node:fs";
import { type FileHandle, lstat, open, readdir, rename, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { ByteRange, ByteWriter, OperationOptions } from "../../src/core/byte-store.ts";
import { checkAborted } from "../../src/core/checks.ts";
import { type ErrorContext, StorageError } from "../../src/core/errors.ts";
import type { UnfinishedSearch, UnfinishedValue } from "../../src/core/journalled-write.ts";
import { baseName, joinKey, parentKey } from "../../src/core/key.ts";
import { translateErrno, unlessErrno } from "./errno.ts";
import { type JournalLine, readJournalLine } from "./journal-file.ts";
import type { Place } from "./place.ts";
import type { OpenTemp } from "./temp-file.ts";
import { isOnThisMachine, isOwnerDead, journalledName, parseJournalledName, tempOwner } from "./temp-name.ts";

/** What the store lends an unfinished value. */
export interface UnfinishedHost {
  /** Opens a writer that goes on with a temporary file and its journal. */
  readonly goOn: (key: string, begin: () => Promise<OpenTemp>, journal: string) => Promise<ByteWriter>;
  readonly context: ErrorContext;
}

/** Finds them below a prefix of a place, or the one of a key. Links are not followed. */
export async function* findUnfinished(
  place: Place,
  search: UnfinishedSearch,
  host: UnfinishedHost,
): AsyncGenerator<UnfinishedValue> {
  const key = place.key(search.key === undefined ? (search.prefix ?? "") : parentKey(search.key));
  const path = await unlessErrno(place.realPath(key), "ENOENT", "ENOTDIR");
  if (path !== undefined) yield* unfinishedBelow(path, key, search, host);
}

async function* unfinishedBelow(
  directory: string,
  key: string,
  search: UnfinishedSearch,
  host: UnfinishedHost,
): AsyncGenerator<UnfinishedValue> {
  checkAborted(search.signal, host.context);
  const entries = await unlessErrno(readdir(directory, { withFileTypes: true }), "ENOENT", "ENOTDIR");
  for (const entry of entries ?? []) {
    if (entry.isDirectory()) {
      if (search.key !== undefined) continue;
      yield* unfinishedBelow(join(directory, entry.name), joinKey(key, entry.name), search, host);
    } else if (parseJournalledName(entry.name)?.part === "journal") {
      const value = await DiskUnfinished.open(join(directory, entry.name), key, host);
      if (value !== undefined && (search.key === undefined || baseName(search.key) === baseName(value.key)))
        yield value;
    }
  }
}

/** The two files of one value. Nothing is held open. */
class DiskUnfinished implements UnfinishedValue {
  readonly key: string;
  readonly writer: UnfinishedValue["writer"];
  readonly modifiedMs: number;
  readonly #journal: string;
  readonly #line: JournalLine;
  readonly #id: string;
  readonly #host: UnfinishedHost;
  /** Path of the bytes; it has another name once somebody else has taken it over. */
  #data: string | undefined;

  private constructor(
    key: string,
    journal: string,
    line: JournalLine,
    data: FoundFile | undefined,
    host: UnfinishedHost,
  ) {
    this.key = key;
    this.#journal = journal;
    this.#line = line;
    this.#id = parseJournalledName(basename(journal))?.id as string;
    this.#host = host;
    this.#data = data?.path;
    this.modifiedMs = data?.modifiedMs ?? 0;
    this.writer = writerOf(basename(data?.path ?? journal));
  }

  /** @returns `undefined` for what is gone meanwhile, and for a journal that had not begun. */
  static async open(journal: string, folder: string, host: UnfinishedHost): Promise<DiskUnfinished | undefined> {
    const handle = await unlessErrno(open(journal), "ENOENT");
    if (handle === undefined) return undefined;
    try {
      const line = await readJournalLine(handle);
      if (line === undefined) return undefined;
      const { mtimeMs } = await handle.stat();
      const data = await findData(journal);
      const found = data && { ...data, modifiedMs: Math.max(data.modifiedMs, mtimeMs) };
      return new DiskUnfinished(joinKey(folder, line.value), journal, line, found, host);
    } finally {
      await handle.close();
    }
  }

  get hasBytes(): boolean {
    return this.#data !== undefined;
  }

  readJournal(offset = 0, options: OperationOptions = {}): Promise<Uint8Array> {
    return this.#guard("readJournal", options, async () => {
      const from = this.#line.byteLength + offset;
      return (await readFrom(this.#journal, from, undefined)) ?? missing(this.#journal);
    });
  }

  read(range: ByteRange, options: OperationOptions = {}): Promise<Uint8Array> {
    return this.#guard("read", options, async () => {
      if ("suffix" in range) throw new StorageError("UNSUPPORTED", "An unfinished value has no end yet");
      for (let attempt = 0; attempt < 2; attempt++) {
        const path = this.#data;
        const bytes = path === undefined ? undefined : await readFrom(path, range.offset, range.length);
        if (bytes !== undefined) return bytes;
        // Taken over meanwhile: it has another name.
        this.#data = (await findData(this.#journal))?.path;
      }
      return missing(this.#journal);
    });
  }

  takeOver(byteLength: number): Promise<ByteWriter | undefined> {
    return this.#guard("takeOver", {}, async () => {
      const from = this.#data;
      if (from === undefined) return undefined;
      const mine = join(dirname(from), journalledName({ id: this.#id, part: "data", isSetAside: false }));
      // In one step: of several who want it, the others find it gone. A file that is mine already was set aside by nobody.
      if (from === mine) return undefined;
      const isGone =
        (await unlessErrno(
          rename(from, mine).then(() => true),
          "ENOENT",
        )) === undefined;
      if (isGone) return undefined;
      this.#data = mine;
      const begin = async () => {
        const handle = await open(mine, constants.O_WRONLY);
        await handle.truncate(byteLength);
        return { path: mine, handle };
      };
      return this.#host.goOn(this.key, begin, this.#journal);
    });
  }

  discard(): Promise<void> {
    return this.#guard("discard", {}, async () => {
      if (this.#data !== undefined) await unlessErrno(unlink(this.#data), "ENOENT");
      await unlessErrno(unlink(this.#journal), "ENOENT");
    });
  }

  async #guard<T>(operation: string, { signal }: OperationOptions, run: () => Promise<T>): Promise<T> {
    const context = { ...this.#host.context, operation, identifier: this.key };
    checkAborted(signal, context);
    try {
      return await run();
    } catch (error) {
      throw translateErrno(error, context);
    }
  }
}

interface FoundFile {
  readonly path: string;
  readonly modifiedMs: number;
}

/** The bytes that belong to a journal, under whatever name they have now. */
async function findData(journal: string): Promise<FoundFile | undefined> {
  const id = parseJournalledName(basename(journal))?.id;
  for (const name of (await unlessErrno(readdir(dirname(journal)), "ENOENT")) ?? []) {
    const parsed = parseJournalledName(name);
    if (parsed?.part !== "data" || parsed.id !== id) continue;
    const path = join(dirname(journal), name);
    const stat = await unlessErrno(lstat(path), "ENOENT");
    if (stat !== undefined) return { path, modifiedMs: stat.mtimeMs };
  }
  return undefined;
}

function writerOf(name: string): UnfinishedValue["writer"] {
  const owner = tempOwner(name);
  if (parseJournalledName(name)?.isSetAside || owner === undefined) return "none";
  if (!isOnThisMachine(owner)) return "unknown";
  return isOwnerDead(owner) ? "none" : "alive";
}

/** Bytes of a file from an offset, as far as it has them; `undefined` if there is no such file. */
async function readFrom(path: string, offset: number, length: number | undefined): Promise<Uint8Array | undefined> {
  const handle = await unlessErrno<FileHandle>(open(path), "ENOENT");
  if (handle === undefined) return undefined;
  try {
    const wanted = length ?? Math.max(0, (await handle.stat()).size - offset);
    const bytes = new Uint8Array(wanted);
    let filled = 0;
    while (filled < wanted) {
      const { bytesRead } = await handle.read(bytes, filled, wanted - filled, offset + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return filled === wanted ? bytes : bytes.subarray(0, filled);
  } finally {
    await handle.close();
  }
}

function missing(path: string): never {
  throw new StorageError("NOT_FOUND", `"${basename(path)}" is no longer there: its value was published, or discarded`);
}
