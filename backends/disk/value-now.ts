/** A value that is open for reads in place. */
import { type BigIntStats, closeSync, fstatSync, openSync } from "node:fs";
import { type ErrorContext, StorageError } from "../../src/core/errors.ts";
import type { InPlaceValue } from "../../src/core/in-place.ts";
import { translateErrno } from "./errno.ts";
import type { Place } from "./place.ts";
import { becameShorter, isDirectoryError, isMissing, notAFile, notFound } from "./store-errors.ts";
import { OPEN_FLAGS, type SystemCalls } from "./system-calls.ts";
import { etagOf } from "./temp-file.ts";

/** One version of a value: opened once, as `OpenValue`, and never waited for. */
export class ValueNow implements InPlaceValue {
  readonly byteLength: number;
  readonly etag: string;
  readonly #calls: SystemCalls;
  readonly #fd: number;
  readonly #context: ErrorContext;
  #isOpen = true;

  private constructor(calls: SystemCalls, fd: number, stat: BigIntStats, context: ErrorContext) {
    this.#calls = calls;
    this.#fd = fd;
    this.#context = context;
    this.byteLength = Number(stat.size);
    this.etag = etagOf(stat);
  }

  /**
   * Opens the value of a key, inside the walls.
   *
   * @returns `undefined` where calls are not made in place now.
   */
  static open(place: Place, key: string, context: ErrorContext): ValueNow | undefined {
    if (!place.calls.areInPlace) return undefined;
    try {
      return place.calls.now(() => ValueNow.#open(place, place.key(key), context));
    } catch (error) {
      throw isMissing(error) ? notFound(context, error) : translateErrno(error, context);
    }
  }

  static #open(place: Place, key: string, context: ErrorContext): ValueNow | undefined {
    const fd = openSync(place.realPathNow(key), OPEN_FLAGS);
    let value: ValueNow | undefined;
    try {
      const stat = fstatSync(fd, { bigint: true });
      if (stat.isDirectory()) throw isDirectoryError(context);
      if (!stat.isFile()) throw notAFile(context);
      // Where something else is mounted, whoever may wait looks first what it is.
      if (place.calls.knows(stat)) value = new ValueNow(place.calls, fd, stat, context);
    } finally {
      if (value === undefined) closeSync(fd);
    }
    return value;
  }

  read(into: Uint8Array, offset: number): boolean {
    if (offset < 0 || offset + into.byteLength > this.byteLength) {
      const message = `Bytes ${offset}…${offset + into.byteLength} of a value that has ${this.byteLength}`;
      throw new StorageError("OUT_OF_RANGE", message, this.#context);
    }
    if (!this.#calls.mayRead(into.byteLength)) return false;
    for (let done = 0; done < into.byteLength; ) {
      const count = this.#calls.readNow(this.#fd, into, done, into.byteLength - done, offset + done);
      if (count === 0) throw becameShorter(this.#context);
      done += count;
    }
    return true;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#fd);
  }
}
