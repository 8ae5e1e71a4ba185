/** Whether the places of a session take what its cameras make. */

import type { InstanceConfig } from "../../core/descriptor.ts";
import { isStorageError, type StorageError, toStorageError } from "../../core/errors.ts";
import type { Session } from "../../session/session.ts";
import { type CameraNeed, cameraNeeds } from "./camera-needs.ts";
import { FolderPlace, StorePlace } from "./places.ts";
import { type ProbeBounds, type ProbePlace, probe } from "./probe.ts";

/** What a measurement says of one writer, or of several at once. */
export interface WriterRate {
  /** Group of the writer; several joined by `+`. */
  readonly writer: string;
  /** What its cameras make, before compression; `undefined` if one of them declares no rate. */
  readonly neededBytesPerSecond: number | undefined;
  /** What it took, before compression, until all was synced; `undefined` if it failed. */
  readonly measuredBytesPerSecond: number | undefined;
  /** Measured over needed. */
  readonly headroom: number | undefined;
  /** `barely`: less than a fifth to spare. */
  readonly verdict: "keeps up" | "barely" | "too slow" | "no rate declared" | "failed";
  /** Bytes that were written to find out, before compression, and how long that took. */
  readonly bytes: number;
  readonly seconds: number;
  /** Bytes in the store for each byte of a frame of noise. */
  readonly storedRatio: number | undefined;
  /** Why it failed. */
  readonly problem?: StorageError | undefined;
}

/** One place and all writers there. */
export interface PlaceRates {
  /** The folder, or the name of the backend. */
  readonly place: string;
  readonly kind: "folder" | "backend";
  /** True if the verdict on the session depends on it. */
  readonly isRequired: boolean;
  /** What "written" meant. */
  readonly durability: string;
  readonly freeBytes: number | undefined;
  /** How long the free space lasts for all cameras of known rate, without compression. */
  readonly lastsSeconds: number | undefined;
  /** Each writer alone, then at once those whose cameras declare a rate, where there are several. */
  readonly writers: readonly WriterRate[];
}

/** What {@link sessionRates} found. */
export interface SessionRates {
  readonly cameras: readonly CameraNeed[];
  readonly places: readonly PlaceRates[];
  /** False if a required place does not keep up, or failed. */
  readonly keepsUp: boolean;
}

/** Options of {@link sessionRates}. */
export interface RateOptions extends ProbeBounds {
  /** Backends of the session that are measured instead of the folder of its runs, as if frames went there. */
  readonly backends: readonly string[];
  readonly signal: AbortSignal;
  /** Told what is measured next. */
  readonly onStep?: ((step: string) => void) | undefined;
}

/** A place to measure, as it is described. */
interface Candidate extends Omit<PlaceRates, "writers" | "lastsSeconds" | "freeBytes"> {
  /** Opens it. */
  open(): Promise<{ readonly at: ProbePlace; readonly freeBytes?: number; close(): Promise<void> }>;
}

/**
 * Measures every writer of a session that has cameras: in the folder of the runs, and in each persistent backend of the
 * session that takes writes, with frames as its cameras make them. What is written is removed.
 *
 * @throws A {@link StorageError}: `ABORTED`, `CONFIG_INVALID`, or what a camera threw. What a place throws is its verdict.
 */
export async function sessionRates(session: Session, options: RateOptions): Promise<SessionRates> {
  const cameras = await cameraNeeds(session);
  const places: PlaceRates[] = [];
  for (const candidate of cameras.length === 0 ? [] : candidates(session, options.backends)) {
    places.push(await ratesOf(candidate, cameras, options));
  }
  const isBad = ({ verdict }: WriterRate) => verdict === "too slow" || verdict === "failed";
  const keepsUp = places.every(({ isRequired, writers }) => !isRequired || !writers.some(isBad));
  return { cameras, places, keepsUp };
}

async function ratesOf(
  { open, ...described }: Candidate,
  cameras: readonly CameraNeed[],
  options: RateOptions,
): Promise<PlaceRates> {
  const groups = [...new Set(cameras.map(({ group }) => group))];
  // Who takes what it gets cannot be late; the others are late together.
  const paced = cameras.filter(({ framesPerSecond }) => framesPerSecond !== undefined);
  const together = new Set(paced.map(({ group }) => group)).size > 1 ? [paced] : [];
  const needed = neededBy(paced) ?? 0;
  let place: Awaited<ReturnType<Candidate["open"]>>;
  try {
    place = await open();
  } catch (error) {
    const writers = groups.map((group) =>
      failed(
        group,
        cameras.filter((need) => need.group === group),
        error,
      ),
    );
    return { ...described, freeBytes: undefined, lastsSeconds: undefined, writers };
  }
  try {
    const { freeBytes } = place;
    // Measuring must not be what fills the disk.
    const maxBytes = Math.min(options.maxBytes, (freeBytes ?? Number.POSITIVE_INFINITY) / 4);
    const writers: WriterRate[] = [];
    for (const needs of [...groups.map((group) => cameras.filter((need) => need.group === group)), ...together]) {
      const name = [...new Set(needs.map(({ group }) => group))].join("+");
      options.onStep?.(`Measuring ${name} in ${described.place}`);
      writers.push(await rateOf(name, place.at, needs, { ...options, maxBytes }));
    }
    const lastsSeconds = freeBytes === undefined || needed === 0 ? undefined : freeBytes / needed;
    return { ...described, freeBytes, lastsSeconds, writers };
  } finally {
    await place.close();
  }
}

async function rateOf(
  writer: string,
  place: ProbePlace,
  needs: readonly CameraNeed[],
  { signal, maxSeconds, maxBytes }: RateOptions,
): Promise<WriterRate> {
  try {
    const { bytes, seconds, storedBytes } = await probe(place, needs, { maxSeconds, maxBytes }, signal);
    const measuredBytesPerSecond = bytes / seconds;
    const neededBytesPerSecond = neededBy(needs);
    const headroom = neededBytesPerSecond && measuredBytesPerSecond / neededBytesPerSecond;
    return {
      writer,
      neededBytesPerSecond,
      measuredBytesPerSecond,
      headroom,
      verdict: verdictOf(headroom),
      bytes,
      seconds,
      storedRatio: storedBytes === undefined || bytes === 0 ? undefined : storedBytes / bytes,
    };
  } catch (error) {
    if (signal.aborted || isStorageError(error, "ABORTED")) throw error;
    return failed(writer, needs, error);
  }
}

function failed(writer: string, needs: readonly CameraNeed[], error: unknown): WriterRate {
  const nothing = { measuredBytesPerSecond: undefined, headroom: undefined, storedRatio: undefined };
  const problem = toStorageError(error, { operation: "doctor" });
  return {
    writer,
    neededBytesPerSecond: neededBy(needs),
    ...nothing,
    verdict: "failed",
    bytes: 0,
    seconds: 0,
    problem,
  };
}

function verdictOf(headroom: number | undefined): WriterRate["verdict"] {
  if (headroom === undefined) return "no rate declared";
  if (headroom < 1) return "too slow";
  return headroom < 1.2 ? "barely" : "keeps up";
}

/** Bytes a second of some cameras; `undefined` if one declares no rate. */
function neededBy(needs: readonly CameraNeed[]): number | undefined {
  let sum = 0;
  for (const { framesPerSecond, frameBytes } of needs) {
    if (framesPerSecond === undefined) return undefined;
    sum += framesPerSecond * frameBytes;
  }
  return sum;
}

function candidates(session: Session, asked: readonly string[]): Candidate[] {
  const folder = session.location?.basePath as string;
  const { backends } = session.config;
  const places: Candidate[] = [
    {
      place: folder,
      kind: "folder",
      isRequired: true,
      durability: "every file synced to the device",
      open: async () => {
        const at = await FolderPlace.make(session, folder);
        return { at, freeBytes: await at.freeBytes(), close: () => at.remove() };
      },
    },
  ];
  const named = asked.length > 0 ? asked : Object.keys(backends).filter((name) => isWorthwhile(session, name));
  for (const name of named) {
    places.push({
      place: name,
      kind: "backend",
      isRequired: asked.length > 0,
      durability: durabilityOf(backends[name]),
      open: async () => ({ at: new StorePlace(session, await session.backends.store(name)), close: async () => {} }),
    });
  }
  return asked.length > 0 ? places.slice(1) : places;
}

function isWorthwhile(session: Session, name: string): boolean {
  const { use, layers } = session.config.backends[name] as InstanceConfig & { layers?: readonly { use: string }[] };
  const { opens, capabilities } = session.backends.registry.descriptor(use);
  const isReadOnly = layers?.some((layer) => layer.use === "read-only") ?? false;
  return opens.store && capabilities.write && capabilities.persistent && !isReadOnly;
}

function durabilityOf(config: InstanceConfig | undefined): string {
  if (config?.use !== "disk") return config?.use === "memory" ? "in memory only" : "acknowledged by the store";
  const { durability = "full" } = config as { durability?: string };
  return durability === "none" ? "not synced: durability none" : "synced by the store";
}
