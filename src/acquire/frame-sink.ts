/** The sink that `Writer.prepare` hands to a device. */
import type { OperationOptions } from "../core/byte-store.ts";
import type { FrameSink } from "../core/frame-writer.ts";
import type { NdArray } from "../core/nd-array.ts";

/** What a sink needs of its writer. */
export interface SinkOwner {
  /** Writes one frame through this sink; refuses when the sink has ended or was replaced. */
  write(sink: FrameSink, frame: NdArray, signal: AbortSignal | undefined): Promise<number>;
  /** Ends the source, unless this sink was replaced by a newer one. */
  end(sink: FrameSink): Promise<void>;
}

/**
 * Bound to one source and one acquisition: preparing the source again makes a new sink, and this one takes no more
 * frames.
 *
 * @see sunflare, `FrameSink`
 */
export class WriterFrameSink implements FrameSink {
  readonly name: string;
  readonly #owner: SinkOwner;

  constructor(name: string, owner: SinkOwner) {
    this.name = name;
    this.#owner = owner;
  }

  write(frame: NdArray, options?: OperationOptions): Promise<number> {
    return this.#owner.write(this, frame, options?.signal);
  }

  close(): Promise<void> {
    return this.#owner.end(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
