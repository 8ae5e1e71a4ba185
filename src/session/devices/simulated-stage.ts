/** A stage that needs no hardware. */
import { z } from "zod";
import { type Configurable, Device, type Movable, type Readable, type Reading, Status } from "../../acquire/index.ts";
import type { DataKey } from "../../core/documents.ts";
import { StorageError } from "../../core/errors.ts";
import { deviceOptions } from "./device-options.ts";
import { readingsOf } from "./readings.ts";

const axis = z.string().regex(/^[A-Za-z][A-Za-z0-9_]*$/, "an axis begins with a letter");

const options = z.strictObject({
  axes: z.array(axis).min(1, "expected at least one axis").default(["x", "y"]),
  units: z.string().default("um"),
  velocity: z.number().positive("expected more than 0").default(1000),
  limit: z.number().positive("expected more than 0").default(50_000),
  jitter: z.number().min(0, "expected at least 0").default(0),
});

/** Options of a {@link SimulatedStage}. */
export interface SimulatedStageOptions {
  /** Names of the axes. Default `["x", "y"]`. */
  readonly axes?: readonly string[] | undefined;
  /** Unit of positions. Default `um`. */
  readonly units?: string | undefined;
  /** Units per second; goes into the configuration. Moves are immediate. Default 1000. */
  readonly velocity?: number | undefined;
  /** Moves beyond ± this are refused. Default 50 000. */
  readonly limit?: number | undefined;
  /** Each reading is off by up to this, by a fixed pattern. Default 0. */
  readonly jitter?: number | undefined;
}

/** A motorised stage: positions to read, settings, moves. Has no storage. */
export class SimulatedStage
  extends Device
  implements Readable, Configurable, Movable<Readonly<Record<string, number>>>
{
  /** Schema of its options in a session file. */
  static readonly options = options;

  readonly #options: z.output<typeof options>;
  readonly #positions: Record<string, number>;
  #readings = 0;

  constructor(name: string, given: SimulatedStageOptions = {}) {
    super(name);
    this.#options = deviceOptions(options, name, given);
    this.#positions = Object.fromEntries(this.#options.axes.map((axis) => [axis, 0]));
  }

  read(): Readonly<Record<string, Reading>> {
    const n = this.#readings++;
    const { jitter } = this.#options;
    const shaken = Object.entries(this.#positions).map(([axis, position], i) => {
      return [axis, position + (jitter === 0 ? 0 : jitter * Math.sin(n + i))] as const;
    });
    return readingsOf(this.name, Object.fromEntries(shaken));
  }

  describe(): Readonly<Record<string, DataKey>> {
    const { axes, units } = this.#options;
    return Object.fromEntries(axes.map((axis) => [`${this.name}-${axis}`, { ...this.#key(), units, precision: 3 }]));
  }

  readConfiguration(): Readonly<Record<string, Reading>> {
    const { velocity, limit } = this.#options;
    return readingsOf(this.name, { velocity, limit });
  }

  describeConfiguration(): Readonly<Record<string, DataKey>> {
    const { units } = this.#options;
    return {
      [`${this.name}-velocity`]: { ...this.#key(), units: `${units}/s` },
      [`${this.name}-limit`]: { ...this.#key(), units },
    };
  }

  /**
   * Moves the named axes; the others stay. All or none.
   *
   * @param target - Positions by axis, in the stage's unit. Fails with `OUT_OF_RANGE` beyond the limit and `NOT_FOUND`
   * for an axis that it does not have.
   */
  set(target: Readonly<Record<string, number>>): Status {
    return Status.of(() => {
      for (const [axis, position] of Object.entries(target)) {
        const context = { operation: "set", identifier: this.name };
        if (!Object.hasOwn(this.#positions, axis)) {
          const known = this.#options.axes.join(", ");
          throw new StorageError("NOT_FOUND", `Stage "${this.name}" has no axis "${axis}". Known: ${known}`, context);
        }
        if (!(Math.abs(position) <= this.#options.limit)) {
          const message = `Stage "${this.name}" moves within ±${this.#options.limit} ${this.#options.units}`;
          throw new StorageError("OUT_OF_RANGE", message, context);
        }
      }
      Object.assign(this.#positions, target);
    });
  }

  #key(): { source: string; dtype: "number"; shape: number[]; object_name: string } {
    return { source: `sim://${this.name}`, dtype: "number", shape: [], object_name: this.name };
  }
}
