/**
 * The beginning of a long value, kept for the writer that goes on with it. It is a temporary file whose name says which
 * value it is of, of which origin, and up to where its bytes are known, with their checksum. One file and its name
 * cannot contradict each other: the name changes in one step, after the bytes that it tells of were written.
 */
import { constants } from "node:fs";
import { open, readdir, rename, unlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { crc32c } from "../../src/codecs/crc32c.ts";
import { checkAborted } from "../../src/core/checks.ts";
import type { ErrorContext } from "../../src/core/errors.ts";
import type { KeptBytes } from "../../src/core/resumable-write.ts";
import { unlessErrno } from "./errno.ts";
import type { WriteTarget } from "./place.ts";
import { beginEmpty, type OpenTemp, type TempFile } from "./temp-file.ts";
import {
  isOnThisMachine,
  isOwnerDead,
  type PartialName,
  parsePartialName,
  partialLabels,
  partialName,
  type TempOwner,
  tempOwner,
} from "./temp-name.ts";

/** How much a killed process loses at most, besides what is under way. */
export const CHECKPOINT_BYTES = 16 << 20;

/** Bytes read at a time for a checksum. */
const CHECKSUM_CHUNK = 4 << 20;

const nothing: KeptBytes = { byteLength: 0, crc32c: 0 };

/** The beginning of one value. */
export class PartialFile {
  readonly #origin: string;
  #labels: Pick<PartialName, "value" | "origin"> | undefined;
  #kept: KeptBytes | undefined;

  /** @param origin - Names the bytes; see `ResumeOptions`. */
  constructor(origin: string) {
    this.#origin = origin;
  }

  /** What an earlier writer left; known once the file has begun. */
  get kept(): KeptBytes | undefined {
    return this.#kept;
  }

  /**
   * Takes over what an earlier writer left, cut where it is known to be right, or begins with an empty file.
   *
   * @param signal - Looked at while the bytes are read; they are then left as they were.
   */
  async begin(target: WriteTarget, signal: AbortSignal | undefined, context: ErrorContext): Promise<OpenTemp> {
    this.#labels = partialLabels(basename(target.path), this.#origin);
    for (const { name, kept } of await this.#find(target.directory)) {
      const mine = this.#name(kept, false);
      const path = join(target.directory, mine);
      // In one step: of several who want it, the others find it gone.
      const isGone = await rename(join(target.directory, name), path).then(
        () => false,
        async (error: unknown) => (await unlessErrno(Promise.reject(error), "ENOENT")) === undefined,
      );
      if (isGone) continue;
      const opened = await reopen(path, kept, () => checkAborted(signal, context)).catch(async (error: unknown) => {
        await rename(path, join(target.directory, this.#name(kept, true)));
        throw error;
      });
      if (opened === undefined) continue;
      this.#kept = kept;
      return opened;
    }
    return beginEmpty(target, this.#name(nothing, false));
  }

  /** Notes that the file is right up to here. */
  mark(file: TempFile, at: KeptBytes): Promise<void> {
    return file.renameTo(this.#name(at, false));
  }

  /** Closes the file and leaves it for the next writer; without a byte it is removed. */
  async setAside(file: TempFile, at: KeptBytes | undefined): Promise<void> {
    const known = at ?? parsePartialName(basename(file.path))?.kept ?? nothing;
    if (known.byteLength === 0) return file.discard();
    try {
      await file.renameTo(this.#name(known, true));
    } finally {
      await file.leave();
    }
  }

  #name(kept: KeptBytes, isSetAside: boolean): string {
    return partialName({ ...(this.#labels as Pick<PartialName, "value" | "origin">), kept, isSetAside });
  }

  /** What is left of this value and nobody writes, the longest first. That of other origins is of no use and goes. */
  async #find(directory: string): Promise<{ readonly name: string; readonly kept: KeptBytes }[]> {
    const found: { readonly name: string; readonly kept: KeptBytes }[] = [];
    for (const name of await readdir(directory)) {
      const partial = parsePartialName(name);
      if (partial === undefined || partial.value !== this.#labels?.value) continue;
      if (!partial.isSetAside && !isAbandoned(tempOwner(name) as TempOwner)) continue;
      if (partial.origin === this.#labels.origin && partial.kept.byteLength > 0)
        found.push({ name, kept: partial.kept });
      else await unlessErrno(unlink(join(directory, name)), "ENOENT");
    }
    return found.sort((a, b) => b.kept.byteLength - a.kept.byteLength);
  }
}

/** True if the process that wrote a file is dead; where it cannot be asked, it counts as alive. */
function isAbandoned(owner: TempOwner): boolean {
  return isOnThisMachine(owner) && isOwnerDead(owner);
}

/** Opens a file that somebody left; removes it if it does not hold what its name says: a power cut came in between. */
async function reopen(path: string, kept: KeptBytes, onChunk: () => void): Promise<OpenTemp | undefined> {
  const handle = await open(path, constants.O_WRONLY);
  try {
    if ((await crcOfFile(path, kept.byteLength, onChunk)) === kept.crc32c) {
      await handle.truncate(kept.byteLength);
      return { path, handle };
    }
  } catch (error) {
    await handle.close();
    throw error;
  }
  await handle.close();
  await unlessErrno(unlink(path), "ENOENT");
  return undefined;
}

/**
 * The checksum of the first bytes of a file, or of all; `undefined` if it has fewer.
 *
 * @param onChunk - Called before each read; what it throws ends it.
 */
export async function crcOfFile(path: string, byteLength?: number, onChunk = () => {}): Promise<number | undefined> {
  const handle = await open(path);
  try {
    const chunk = new Uint8Array(CHECKSUM_CHUNK);
    let crc = 0;
    for (let left = byteLength ?? Number.POSITIVE_INFINITY; left > 0; ) {
      onChunk();
      const { bytesRead } = await handle.read(chunk, 0, Math.min(chunk.length, left), null);
      if (bytesRead === 0) return byteLength === undefined ? crc : undefined;
      crc = crc32c(chunk.subarray(0, bytesRead), crc);
      left -= bytesRead;
    }
    return crc;
  } finally {
    await handle.close();
  }
}
