/** The codecs of one backend, found by suffix, by name or by MIME type. */
import { describe } from "../core/checks.ts";
import { nearest, StorageError } from "../core/errors.ts";
import { baseName } from "../core/key.ts";
import type { Codec } from "./codec.ts";

/** Options of {@link CodecSet.register}. */
export interface RegisterCodecOptions {
  /** Takes the name, the suffixes and the MIME types over from whoever has them. Default `false`: an error. */
  readonly override?: boolean | undefined;
}

/**
 * Codecs by suffix, by name and by MIME type; all three without regard to case.
 *
 * The longest suffix wins: with `.tif` and `.ome.tif` registered, `a.ome.tif` goes to the second and `a.b.tif` to the
 * first. A set is plain data of its owner: nothing is shared between two sets.
 *
 * @see PolyStore `disk.py`, compound suffixes
 */
export class CodecSet {
  readonly #byName = new Map<string, Codec>();
  readonly #bySuffix = new Map<string, Codec>();
  readonly #byMimeType = new Map<string, Codec>();

  constructor(codecs: Iterable<Codec> = []) {
    for (const codec of codecs) this.register(codec);
  }

  /** Names of the codecs, in order of registration. */
  get names(): string[] {
    return [...this.#byName.keys()];
  }

  /** Suffixes with a codec, in order of registration. */
  get suffixes(): string[] {
    return [...this.#bySuffix.keys()];
  }

  /**
   * Adds a codec.
   *
   * @throws A {@link StorageError} `INVALID_DATA`: the name, a suffix or a MIME type is taken, or a suffix has no dot.
   * Nothing is registered then.
   */
  register(codec: Codec, options: RegisterCodecOptions = {}): void {
    const name = codec.name.toLowerCase();
    const suffixes = codec.suffixes.map((suffix) => suffix.toLowerCase());
    const mimeTypes = codec.mimeTypes.map((type) => type.toLowerCase());
    const malformed = suffixes.find((suffix) => !/^\.[^/]+$/.test(suffix));
    if (name === "" || malformed !== undefined) {
      throw new StorageError(
        "INVALID_DATA",
        `A codec needs a name and suffixes with a dot, got "${malformed ?? name}" of codec "${name}"`,
      );
    }
    if (!options.override) {
      refuseTaken("name", [name], this.#byName, name);
      refuseTaken("suffix", suffixes, this.#bySuffix, name);
      refuseTaken("MIME type", mimeTypes, this.#byMimeType, name);
    }
    const former = this.#byName.get(name);
    if (former) this.#forget(former);
    this.#byName.set(name, codec);
    for (const suffix of suffixes) this.#bySuffix.set(suffix, codec);
    for (const type of mimeTypes) this.#byMimeType.set(type, codec);
  }

  /** True if a codec has this name. */
  has(name: string): boolean {
    return this.#byName.has(name.toLowerCase());
  }

  /**
   * The codec of a name.
   *
   * @throws A {@link StorageError} `INVALID_DATA` that lists the known ones.
   */
  get(name: string): Codec {
    const codec = this.#byName.get(name.toLowerCase());
    if (codec) return codec;
    const near = nearest(name, this.names);
    const hint = near ? ` Did you mean "${near}"?` : "";
    throw new StorageError("INVALID_DATA", `Unknown format "${name}".${hint} Known: ${this.names.join(", ")}`);
  }

  /** The codec with the longest suffix that the name of the identifier ends in, or `undefined`. */
  find(identifier: string): Codec | undefined {
    const name = baseName(identifier).toLowerCase();
    // From the left, so that the first hit is the longest suffix. A name that is all suffix (".npy") counts too.
    for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1)) {
      const codec = this.#bySuffix.get(name.slice(dot));
      if (codec) return codec;
    }
    return undefined;
  }

  /**
   * The codec for stored bytes: of the format if one is named, else of the longest suffix.
   *
   * @throws A {@link StorageError} `INVALID_DATA` that lists the known suffixes.
   */
  forIdentifier(identifier: string, format?: string): Codec {
    if (format !== undefined) return this.get(format);
    const codec = this.find(identifier);
    if (codec) return codec;
    throw new StorageError(
      "INVALID_DATA",
      `No codec for the suffix of "${identifier}". Known: ${this.suffixes.join(", ")}; or pass format, for example format: "bytes"`,
      { identifier },
    );
  }

  /**
   * The codec to save a value with. As {@link CodecSet.forIdentifier}, but bytes and text need no registered suffix:
   * they are stored as they are. Bytes under a suffix that has a codec are refused, so that nothing that only looks
   * like a TIFF gets a TIFF's name by accident; `format: "bytes"` says that it is meant.
   *
   * @throws A {@link StorageError} `INVALID_DATA`.
   */
  forValue(value: unknown, identifier: string, format?: string): Codec {
    if (format !== undefined) return this.get(format);
    const codec = this.find(identifier);
    if (value instanceof Uint8Array) {
      if (codec === undefined || codec.name === "bytes") return this.get("bytes");
      throw new StorageError(
        "INVALID_DATA",
        `"${identifier}" has the suffix of ${codec.name}, and ${describe(value)} is opaque bytes; pass format: "bytes" to store them as they are, or save an array`,
        { identifier },
      );
    }
    if (codec === undefined && typeof value === "string") return this.get("text");
    return this.forIdentifier(identifier);
  }

  /** The codec of a MIME type, parameters ignored (`text/csv; charset=utf-8`), or `undefined`. */
  forMimeType(type: string): Codec | undefined {
    const [essence = ""] = type.split(";");
    return this.#byMimeType.get(essence.trim().toLowerCase());
  }

  /** Codecs in order of registration. */
  [Symbol.iterator](): IterableIterator<Codec> {
    return this.#byName.values();
  }

  #forget(codec: Codec): void {
    for (const map of [this.#byName, this.#bySuffix, this.#byMimeType]) {
      for (const [key, value] of map) if (value === codec) map.delete(key);
    }
  }
}

function refuseTaken(what: string, keys: readonly string[], map: ReadonlyMap<string, Codec>, name: string): void {
  const taken = keys.find((key) => map.has(key));
  if (taken === undefined) return;
  throw new StorageError(
    "INVALID_DATA",
    `Codec "${name}" cannot have the ${what} "${taken}": codec "${map.get(taken)?.name}" has it; pass override: true to replace it`,
  );
}
