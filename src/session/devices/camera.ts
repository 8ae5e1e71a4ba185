/** The base of cameras that make their frames in this process. */
import { setImmediate as nextTurn, setTimeout as wait } from "node:timers/promises";
import {
  type Configurable,
  Device,
  type Flyable,
  hasWriterLogic,
  type Preparable,
  type Reading,
  Status,
  storageSlot,
  type Triggerable,
  type WritesStreamAssets,
} from "../../acquire/index.ts";
import type { DataKey, StreamAsset } from "../../core/documents.ts";
import type { DType } from "../../core/dtype.ts";
import { StorageError } from "../../core/errors.ts";
import type { DataWriter, FrameSink, PrepareInfo, StorageProxy } from "../../core/frame-writer.ts";
import type { NdArray } from "../../core/nd-array.ts";

/** What the frames of a camera are. */
export interface FrameFormat {
  /** Element type. */
  readonly dtype: DType;
  /** Shape, slowest axis first. */
  readonly shape: readonly number[];
  /** Names of the axes, as long as `shape`. */
  readonly dims?: readonly string[] | undefined;
  /** How many frames it has; left out, there is no end. */
  readonly frames?: number | undefined;
}

/** Frames that may wait for the writer at once; also the number of buffers that {@link Camera.frame} gets in turn. */
const IN_FLIGHT = 4;

/** The longest time in milliseconds that a camera at full speed keeps everybody else waiting. */
const TURN_MS = 20;

/**
 * A camera with a storage slot. Between `prepare` and `complete` it takes the frames that it was prepared for, at its
 * own pace or one for each `trigger`, and writes them in order, a few at a time. It ends its source itself, so that the
 * last camera closes the store.
 *
 * A subclass says what its frames are and makes them.
 */
export abstract class Camera
  extends Device
  implements Preparable, Flyable, Triggerable, Configurable, WritesStreamAssets
{
  static {
    storageSlot(this);
  }

  /** The writer; `null` in a session without storage. */
  declare storage: StorageProxy | null;
  #sink: FrameSink | undefined;
  #capacity = 0;
  #isEndless = false;
  #trigger: "internal" | "software" = "internal";
  #frames = 0;
  #stopping = new AbortController();
  #acquiring: Promise<void> | undefined;

  /** The writer as redsun's protocols know it; `null` if there is none, or a fake that is only a proxy. */
  get writerLogic(): DataWriter | null {
    const candidate = { writerLogic: this.storage };
    return hasWriterLogic(candidate) ? candidate.writerLogic : null;
  }

  /** Says what its frames are. Called at each `prepare`; may look at its input. */
  protected abstract format(): FrameFormat | Promise<FrameFormat>;

  /**
   * Makes one frame.
   *
   * @param index - Number of the frame in this acquisition, from 0.
   * @param buffer - From 0 to 3: frames with the same number are never under way together, so memory can be used again.
   */
  protected abstract frame(index: number, buffer: number): NdArray | Promise<NdArray>;

  /** Frames per second; 0 is as fast as the writer takes them. */
  protected get frameRate(): number {
    return 0;
  }

  /** Settings that hold for a run. */
  abstract readConfiguration(): Readonly<Record<string, Reading>>;
  /** What the settings are. */
  abstract describeConfiguration(): Readonly<Record<string, DataKey>>;

  /** Registers with the writer, and prepares for one acquisition. */
  prepare(info: PrepareInfo): Status {
    return Status.of(async () => {
      const storage = this.#needStorage();
      const asked = info.writeForever ? 0 : (info.capacity ?? 0);
      const { dtype, shape, dims, frames = 0 } = await this.format();
      if (frames > 0 && asked > frames) {
        throw new StorageError("OUT_OF_RANGE", `Camera "${this.name}" has ${frames} frames, asked for ${asked}`, {
          operation: "prepare",
          identifier: this.name,
        });
      }
      this.#capacity = asked || frames;
      this.#isEndless = asked === 0;
      this.#trigger = info.trigger ?? "internal";
      storage.updateSource(this.name, dtype, shape, dims ? { dims } : {});
      this.#sink = await storage.prepare(this.name, this.#capacity);
      this.#frames = 0;
      this.#stopping = new AbortController();
      this.#acquiring = undefined;
    });
  }

  /** Opens the store, if nobody has, and starts. */
  kickoff(): Status {
    return Status.of(async () => {
      const sink = this.#needSink();
      await this.#needStorage().kickoff();
      if (this.#trigger === "software") return;
      this.#acquiring = this.#acquire(sink);
      this.#acquiring.catch(() => {}); // `complete` reports it
    });
  }

  /** Takes one frame; done when it is written. */
  trigger(): Status {
    return Status.of(async () => {
      const sink = this.#needSink();
      const frame = await this.frame(this.#frames, 0);
      await sink.write(frame);
      this.#frames++;
    });
  }

  /** Waits for all frames it was prepared for (an unlimited acquisition ends here) and ends its source. */
  complete(): Status {
    return Status.of(async () => {
      if (this.#isEndless) this.stop();
      try {
        await this.#acquiring;
      } finally {
        this.#acquiring = undefined;
        await this.#sink?.close();
        this.#sink = undefined;
      }
    });
  }

  /** Takes no further frames; `complete` then waits for those under way only. */
  stop(): void {
    this.#stopping.abort();
  }

  async describeCollect(): Promise<Readonly<Record<string, DataKey>>> {
    return (await this.writerLogic?.open(this.name)) ?? {};
  }

  collectAssetDocs(index = this.getIndex()): Iterable<StreamAsset> {
    return this.#needStorage().collectStreamDocs(this.name, index);
  }

  getIndex(): number {
    return this.#needStorage().getIndicesWritten(this.name);
  }

  async #acquire(sink: FrameSink): Promise<void> {
    const { signal } = this.#stopping;
    const pending: Promise<number>[] = [];
    const startMs = performance.now();
    let turnMs = startMs;
    try {
      while (!signal.aborted && (this.#capacity === 0 || this.#frames < this.#capacity)) {
        const index = this.#frames;
        if (this.frameRate > 0) {
          const aheadMs = startMs + (index * 1000) / this.frameRate - performance.now();
          if (aheadMs > 0 && !(await passed(aheadMs, signal))) break;
        } else if (performance.now() - turnMs > TURN_MS) {
          // Promises alone never let timers and sockets have a turn, and an abort could not arrive.
          await nextTurn();
          turnMs = performance.now();
        }
        if (pending.length >= IN_FLIGHT) await pending.shift();
        const write = sink.write(await this.frame(index, index % IN_FLIGHT));
        write.catch(() => {}); // awaited below, in order
        pending.push(write);
        this.#frames++;
      }
      await Promise.all(pending);
    } finally {
      await Promise.allSettled(pending);
      await sink.close();
    }
  }

  #needStorage(): StorageProxy {
    if (this.storage) return this.storage;
    throw new StorageError(
      "CONFIG_INVALID",
      `Camera "${this.name}" has no writer: the session has no storage section`,
      {
        operation: "prepare",
        identifier: this.name,
      },
    );
  }

  #needSink(): FrameSink {
    if (this.#sink) return this.#sink;
    throw new StorageError("NOT_OPEN", `Camera "${this.name}" is not prepared`, { identifier: this.name });
  }
}

/** True after the time, false if the signal came first. */
async function passed(delayMs: number, signal: AbortSignal): Promise<boolean> {
  return wait(delayMs, true, { signal }).catch(() => false);
}
