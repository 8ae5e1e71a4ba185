/** A camera that needs no hardware. */
import { z } from "zod";
import type { Reading } from "../../acquire/index.ts";
import type { DataKey } from "../../core/documents.ts";
import { type DType, dtypes } from "../../core/dtype.ts";
import type { NdArray } from "../../core/nd-array.ts";
import { Camera, type FrameFormat } from "./camera.ts";
import { deviceOptions } from "./device-options.ts";
import { readingsOf } from "./readings.ts";
import { SimulatedScene } from "./simulated-scene.ts";

const options = z.strictObject({
  shape: z.array(z.int().min(1, "expected at least 1")).min(1, "expected at least one axis").default([512, 512]),
  dtype: z.enum(Object.keys(dtypes) as [DType, ...DType[]]).default("uint16"),
  frameRate: z.number().min(0, "expected at least 0").default(0),
  exposure: z.number().positive("expected more than 0").default(0.01),
  seed: z.int().default(1),
  blobs: z.int().min(0, "expected at least 0").default(5),
});

/** Options of a {@link SimulatedCamera}. */
export interface SimulatedCameraOptions {
  /** Shape of a frame, slowest axis first, pixels. Default `[512, 512]`. */
  readonly shape?: readonly number[] | undefined;
  /** Element type. Default `uint16`. */
  readonly dtype?: DType | undefined;
  /** Frames per second; 0 is as fast as the writer takes them. Default 0. */
  readonly frameRate?: number | undefined;
  /** Seconds; goes into the configuration and changes nothing. Default 0.01. */
  readonly exposure?: number | undefined;
  /** Same seed, same frames. Default 1. */
  readonly seed?: number | undefined;
  /** Moving blobs in each image. Default 5. */
  readonly blobs?: number | undefined;
}

/**
 * Makes frames of moving blobs with shot and read noise, in any shape and dtype, at any rate. Frame *n* of an acquisition
 * is the same every time: see `SimulatedScene`.
 */
export class SimulatedCamera extends Camera {
  /** Schema of its options in a session file. */
  static readonly options = options;

  readonly #options: z.output<typeof options>;
  readonly #scene: SimulatedScene;
  readonly #buffers: NdArray["data"][] = [];

  constructor(name: string, given: SimulatedCameraOptions = {}) {
    super(name);
    this.#options = deviceOptions(options, name, given);
    this.#scene = new SimulatedScene(this.#options);
  }

  /** A frame, in memory of its own, as an acquisition would write it. */
  preview(index: number): NdArray {
    return this.#scene.frame(index);
  }

  readConfiguration(): Readonly<Record<string, Reading>> {
    const { exposure, frameRate, seed, blobs, dtype } = this.#options;
    return readingsOf(this.name, { exposure, frame_rate: frameRate, dtype, seed, blobs });
  }

  describeConfiguration(): Readonly<Record<string, DataKey>> {
    const key = { source: `sim://${this.name}`, shape: [], object_name: this.name };
    return {
      [`${this.name}-exposure`]: { ...key, dtype: "number", units: "s" },
      [`${this.name}-frame_rate`]: { ...key, dtype: "number", units: "Hz" },
      [`${this.name}-dtype`]: { ...key, dtype: "string" },
      [`${this.name}-seed`]: { ...key, dtype: "integer" },
      [`${this.name}-blobs`]: { ...key, dtype: "integer" },
    };
  }

  protected override get frameRate(): number {
    return this.#options.frameRate;
  }

  protected format(): FrameFormat {
    const { dtype, shape } = this.#options;
    return { dtype, shape };
  }

  protected frame(index: number, buffer: number): NdArray {
    const frame = this.#scene.frame(index, this.#buffers[buffer]);
    this.#buffers[buffer] = frame.data;
    return frame;
  }
}
