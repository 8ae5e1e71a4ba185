/** A path provider with a fixed folder. */
import { checkInteger } from "../core/checks.ts";
import type { FilenameProvider, PathInfo } from "../core/frame-writer.ts";
import { CallablePathProvider } from "./callable.ts";
import { checkUri } from "./location.ts";

/**
 * `<baseUri>/<filename>`, with the name from a filename provider.
 *
 * A writer asks once for each opening, so that all its devices share one number.
 *
 * @see sunflare, `StaticPathProvider`
 */
export class StaticPathProvider extends CallablePathProvider {
  readonly #filenameProvider: FilenameProvider;
  readonly #baseUri: string;
  readonly #mimetypeHint: string;
  readonly #capacity: number;

  /**
   * @param baseUri - URI of the folder; a trailing slash makes no difference.
   * @param capacity - Frames to expect; 0 is unlimited.
   */
  constructor(filenameProvider: FilenameProvider, baseUri: string, mimetypeHint = "application/x-zarr", capacity = 0) {
    super();
    checkInteger(capacity, "capacity", 0);
    this.#filenameProvider = filenameProvider;
    this.#baseUri = checkUri(baseUri).replace(/(?<=[^/:])\/+$/, "");
    this.#mimetypeHint = mimetypeHint;
    this.#capacity = capacity;
  }

  /** What a call answers: the array key is the device's name, or the file's without one. */
  protected provide(deviceName?: string): PathInfo {
    const filename = this.#filenameProvider(deviceName);
    return {
      storeUri: `${this.#baseUri}/${filename.split("/").map(encodeURIComponent).join("/")}`,
      arrayKey: deviceName ?? filename,
      capacity: this.#capacity,
      mimetypeHint: this.#mimetypeHint,
      extra: {},
    };
  }
}
