/** Watches a source of frames while it is written. */
import type { FrameWriter, ObserveOptions } from "../../core/frame-writer.ts";

/** Who is told of a source. */
export interface SourceWatcher {
  /** Readers of the store find so many frames. */
  readonly onReadable: (frames: number) => void;
  /** A power cut does not take so many frames. */
  readonly onDurable: (frames: number) => void;
}

/**
 * Tells of the frames of a source until its writer closes, or the signal fires. A writer that does not tell what its store
 * has is believed that what it announces can be read, and that nothing is durable.
 */
export async function watchSource(
  writer: FrameWriter,
  name: string,
  signal: AbortSignal,
  { onReadable, onDurable }: SourceWatcher,
): Promise<void> {
  const source = writer.sources.get(name);
  const tells = source?.framesReadable !== undefined;
  const follow = async (count: ObserveOptions["count"], tell: (frames: number) => void): Promise<void> => {
    try {
      for await (const frames of writer.observeIndicesWritten({ name, count, signal })) tell(frames);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  };
  const durable = source?.framesDurable === undefined ? [] : [follow("durable", onDurable)];
  await Promise.all([follow(tells ? "readable" : "events", onReadable), ...durable]);
}
