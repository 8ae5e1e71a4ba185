/** A camera that plays image files. */
import { z } from "zod";
import type { Reading } from "../../acquire/index.ts";
import { checkNdArray } from "../../core/checks.ts";
import type { DataKey } from "../../core/documents.ts";
import { StorageError } from "../../core/errors.ts";
import type { NdArray } from "../../core/nd-array.ts";
import type { FileManager } from "../../io/file-manager.ts";
import { DEVICE_NAME, DEVICE_OPTIONS, FILES } from "../tokens.ts";
import { Camera, type FrameFormat } from "./camera.ts";
import { deviceOptions } from "./device-options.ts";
import { readingsOf } from "./readings.ts";

const options = z.strictObject({
  backend: z.string().min(1, "expected the name of a backend"),
  path: z.string().default(""),
  pattern: z.string().min(1, "expected a pattern").default("*"),
  frameRate: z.number().min(0, "expected at least 0").default(0),
  loop: z.boolean().default(false),
});

/** Options of a {@link ReplayCamera}. */
export interface ReplayCameraOptions {
  /** Name of the backend that has the images. */
  readonly backend: string;
  /** Folder within the backend. Default: its root. */
  readonly path?: string | undefined;
  /** Glob of file names. Default `*`. */
  readonly pattern?: string | undefined;
  /** Frames per second; 0 is as fast as files are read and the writer takes them. Default 0. */
  readonly frameRate?: number | undefined;
  /** Begins again after the last image. Default `false`: asking for more images than there are fails. */
  readonly loop?: boolean | undefined;
}

/**
 * Plays the images of a folder in natural order, through any backend. The first decides shape and dtype; colour images
 * are frames of shape `[y, x, 3]`. An image of another shape or dtype fails the run, and names its file.
 */
export class ReplayCamera extends Camera {
  /** What its constructor gets. */
  static readonly inject = [DEVICE_NAME, DEVICE_OPTIONS, FILES];
  /** Schema of its options in a session file. */
  static readonly options = options;

  readonly #options: z.output<typeof options>;
  readonly #files: FileManager;
  #paths: readonly string[] = [];
  #first: NdArray | undefined;

  constructor(name: string, given: ReplayCameraOptions, files: FileManager) {
    super(name);
    this.#options = deviceOptions(options, name, given);
    this.#files = files;
  }

  readConfiguration(): Readonly<Record<string, Reading>> {
    const { backend, path, pattern, frameRate } = this.#options;
    return readingsOf(this.name, { backend, path, pattern, frame_rate: frameRate });
  }

  describeConfiguration(): Readonly<Record<string, DataKey>> {
    const key = { source: `replay://${this.name}`, shape: [], object_name: this.name };
    return {
      [`${this.name}-backend`]: { ...key, dtype: "string" },
      [`${this.name}-path`]: { ...key, dtype: "string" },
      [`${this.name}-pattern`]: { ...key, dtype: "string" },
      [`${this.name}-frame_rate`]: { ...key, dtype: "number", units: "Hz" },
    };
  }

  protected override get frameRate(): number {
    return this.#options.frameRate;
  }

  protected async format(): Promise<FrameFormat> {
    const { backend, path, pattern, loop } = this.#options;
    this.#paths = await this.#files.listFiles(path, backend, { pattern });
    const [first] = this.#paths;
    if (first === undefined) {
      throw new StorageError(
        "NOT_FOUND",
        `Camera "${this.name}" finds no file "${pattern}" in "${path}" of "${backend}"`,
        {
          backend,
          operation: "prepare",
          identifier: path,
        },
      );
    }
    this.#first = await this.#load(first);
    const { shape, dtype } = this.#first;
    const isColour = shape.length === 3 && (shape[2] === 3 || shape[2] === 4);
    return {
      dtype,
      shape,
      ...(isColour ? { dims: ["y", "x", "c"] } : {}),
      ...(loop ? {} : { frames: this.#paths.length }),
    };
  }

  protected async frame(index: number): Promise<NdArray> {
    const path = this.#paths[index % this.#paths.length] as string;
    const first = this.#first as NdArray;
    if (path === this.#paths[0]) return first;
    const frame = await this.#load(path);
    if (frame.dtype === first.dtype && String(frame.shape) === String(first.shape)) return frame;
    const code = frame.dtype === first.dtype ? "SHAPE_MISMATCH" : "DTYPE_MISMATCH";
    throw new StorageError(
      code,
      `"${path}" is ${frame.dtype} [${frame.shape.join(", ")}]; the first image is ${first.dtype} [${first.shape.join(", ")}]`,
      { backend: this.#options.backend, operation: "frame", identifier: path },
    );
  }

  async #load(path: string): Promise<NdArray> {
    const { backend } = this.#options;
    return checkNdArray(await this.#files.load(path, backend), { backend, operation: "frame", identifier: path });
  }
}
