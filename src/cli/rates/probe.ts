/** Writes frames through writers as fast as they take them, and says how fast that was. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { checkAborted } from "../../core/checks.ts";
import type { FrameSink, FrameWriter } from "../../core/frame-writer.ts";
import type { NdArray } from "../../core/nd-array.ts";
import type { CameraNeed } from "./camera-needs.ts";
import { noiseFrames } from "./noise-frames.ts";

/** A place that frames can be written to, and that forgets them again. */
export interface ProbePlace {
  /**
   * A new writer of a group, at a location of its own where nothing is. The caller closes it.
   */
  openWriter(group: string, signal: AbortSignal): Promise<FrameWriter>;
  /** Called once the writers have opened their stores; throws if they write somewhere else. */
  checkOpened(): void;
  /** Waits until what was written would survive a power cut, as far as that can be asked for. */
  sync(): Promise<void>;
  /** Bytes that everything takes there by now; `undefined` where that is not known. */
  storedBytes(): Promise<number | undefined>;
  /** Removes everything that was written. */
  clear(): Promise<void>;
}

/** When a measurement ends. */
export interface ProbeBounds {
  readonly maxSeconds: number;
  readonly maxBytes: number;
}

/** What was measured. */
export interface ProbeResult {
  /** Frames and bytes before compression, by group. */
  readonly groups: ReadonlyMap<string, { readonly frames: number; readonly bytes: number }>;
  /** All bytes, before compression. */
  readonly bytes: number;
  /** From the first frame until all was synced. */
  readonly seconds: number;
  /** Bytes that they took; `undefined` where that is not known. */
  readonly storedBytes: number | undefined;
}

/** As many frames of one camera wait for the writer as the cameras of Sluice let wait. */
const IN_FLIGHT = 4;
/** A first, short measurement loads what is loaded once, and says how much a second one may write. */
const FIRST = { maxSeconds: 1, maxBytes: 2 ** 24 };
const TURN_MS = 20;

/**
 * Measures the cameras together, each with its share by its declared rate. What was written is removed, also when the
 * signal fires or something fails.
 *
 * @throws What a writer threw, or `ABORTED`.
 */
export async function probe(
  place: ProbePlace,
  needs: readonly CameraNeed[],
  bounds: ProbeBounds,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const frames = new Map(needs.map((need) => [need, noiseFrames(need.source.shape, need.source.dtype)]));
  const first = await once(place, needs, frames, smaller(FIRST, bounds), signal);
  const maxBytes = Math.min(bounds.maxBytes, (first.bytes / first.seconds) * bounds.maxSeconds);
  // A place so slow that the first took all the time is not asked twice.
  if (first.seconds >= bounds.maxSeconds || maxBytes <= first.bytes) return first;
  return once(place, needs, frames, { maxSeconds: bounds.maxSeconds, maxBytes }, signal);
}

async function once(
  place: ProbePlace,
  needs: readonly CameraNeed[],
  frames: ReadonlyMap<CameraNeed, readonly NdArray[]>,
  bounds: ProbeBounds,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const writers = new Map<string, FrameWriter>();
  try {
    for (const { group, source } of needs) {
      const writer = writers.get(group) ?? (await place.openWriter(group, signal));
      writers.set(group, writer);
      writer.updateSource(source.name, source.dtype, source.shape, source.extra);
    }
    const lanes: Lane[] = [];
    for (const need of needs) {
      const sink = await (writers.get(need.group) as FrameWriter).prepare(need.source.name, 0);
      lanes.push(new Lane(need, sink, frames.get(need) as readonly NdArray[], meanRate(needs)));
    }
    for (const writer of writers.values()) await writer.kickoff({ signal });
    place.checkOpened();
    const startMs = performance.now();
    const elapsed = () => (performance.now() - startMs) / 1000;
    await fill(lanes, bounds, elapsed, signal);
    for (const writer of writers.values()) await writer.close();
    await place.sync();
    const seconds = elapsed();
    const groups = new Map<string, { frames: number; bytes: number }>();
    for (const { need, count } of lanes) {
      const { frames: before, bytes } = groups.get(need.group) ?? { frames: 0, bytes: 0 };
      groups.set(need.group, { frames: before + count, bytes: bytes + count * need.frameBytes });
    }
    const bytes = [...groups.values()].reduce((sum, group) => sum + group.bytes, 0);
    return { groups, bytes, seconds, storedBytes: await place.storedBytes() };
  } finally {
    // Closed first: what is still under way must not appear after everything was removed. A writer whose frames failed
    // fails to close with the same, which is on its way to the caller already.
    for (const writer of writers.values()) await writer.close().catch(() => {});
    await place.clear();
  }
}

/** Gives each camera its frames in the order in which they would come. */
async function fill(
  lanes: readonly Lane[],
  { maxSeconds, maxBytes }: ProbeBounds,
  elapsed: () => number,
  signal: AbortSignal,
): Promise<void> {
  let bytes = 0;
  let turn = performance.now();
  while (bytes === 0 || (elapsed() < maxSeconds && bytes < maxBytes)) {
    checkAborted(signal, { operation: "doctor" });
    const next = lanes.reduce((first, lane) => (lane.position < first.position ? lane : first));
    await next.write();
    bytes += next.need.frameBytes;
    if (performance.now() - turn < TURN_MS) continue;
    await nextTurn();
    turn = performance.now();
  }
  for (const lane of lanes) await lane.settle();
}

/** One camera's frames on their way. */
class Lane {
  readonly need: CameraNeed;
  readonly #sink: FrameSink;
  readonly #frames: readonly NdArray[];
  readonly #rate: number;
  readonly #pending: Promise<number>[] = [];
  /** Frames so far. */
  count = 0;

  constructor(need: CameraNeed, sink: FrameSink, frames: readonly NdArray[], rate: number) {
    this.need = need;
    this.#sink = sink;
    this.#frames = frames;
    this.#rate = need.framesPerSecond ?? rate;
  }

  /** Seconds of an acquisition that its frames so far stand for. */
  get position(): number {
    return this.count / this.#rate;
  }

  async write(): Promise<void> {
    if (this.#pending.length >= IN_FLIGHT) await this.#pending.shift();
    const write = this.#sink.write(this.#frames[this.count % this.#frames.length] as NdArray);
    write.catch(() => {}); // awaited, in order
    this.#pending.push(write);
    this.count++;
  }

  async settle(): Promise<void> {
    await Promise.all(this.#pending.splice(0));
  }
}

/** The share of cameras that declare no rate: as the others on average. */
function meanRate(needs: readonly CameraNeed[]): number {
  const rates = needs.flatMap(({ framesPerSecond }) => framesPerSecond ?? []);
  return rates.length === 0 ? 1 : rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
}

function smaller(a: ProbeBounds, b: ProbeBounds): ProbeBounds {
  return { maxSeconds: Math.min(a.maxSeconds, b.maxSeconds), maxBytes: Math.min(a.maxBytes, b.maxBytes) };
}
