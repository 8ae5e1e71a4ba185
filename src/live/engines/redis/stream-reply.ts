/** What one answer of the server has of one stream. */
import type { RedisReply } from "./connection.ts";
import { decodeEntries, listOf, type StreamEntries } from "./wire.ts";

/** Entries as they came, decoded once for all who wait for them. */
export class StreamReply {
  readonly name: string;
  readonly #raw: readonly RedisReply[];
  #decoded: StreamEntries | undefined;

  /** @param raw - At least one. */
  constructor(name: string, raw: readonly RedisReply[]) {
    this.name = name;
    this.#raw = raw;
  }

  /** How many there are, the one that ends the stream included. */
  get count(): number {
    return this.#raw.length;
  }

  /** Id of the newest. */
  get lastId(): string {
    return String(listOf(this.#raw[this.#raw.length - 1])[0]);
  }

  /** Bytes of the largest field. */
  get largest(): number {
    let largest = 0;
    for (const entry of this.#raw) {
      for (const value of listOf(listOf(entry)[1])) {
        if (Buffer.isBuffer(value) && value.length > largest) largest = value.length;
      }
    }
    return largest;
  }

  /** Its points. */
  get entries(): StreamEntries {
    this.#decoded ??= decodeEntries(this.name, this.#raw);
    return this.#decoded;
  }
}
