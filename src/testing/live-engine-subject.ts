/** What the checks of engines of live streams work on, and with. */
import type { Bounds, Entry, LiveCapabilities, LiveEngine, NewScan } from "../live/engine.ts";
import type { ScanHeader, StreamHeader } from "../live/header.ts";
import { check } from "./assertions.ts";

/** A fresh, empty store. */
export interface LiveEngineSubject {
  /** One more engine on the store; the kit closes none of them, {@link LiveEngineSubject.dispose} does. */
  readonly connect: () => Promise<LiveEngine>;
  /** Closes the engines and removes the store. */
  readonly dispose: () => Promise<void>;
}

/** How the kit gets its subjects. */
export interface LiveEngineSetup {
  /** Makes a fresh subject; called once for each check. */
  readonly make: () => Promise<LiveEngineSubject>;
  /** What the engines declare. */
  readonly capabilities: LiveCapabilities;
}

/** States by name: the kit loads nothing of the room it checks. */
export const states = { CREATED: 0, PREPARED: 1, STARTED: 2, STOPPED: 3, CLOSED: 4 } as const;

/** Longer than any answer takes that comes at all. */
export const PATIENCE_MS = 8000;

/** Time for an answer that comes too early to come. A slow machine lets a faulty engine pass, never fails a good one. */
export const MOMENT_MS = 25;

/** A key of its own for each number. */
export function scanKey(number: number): string {
  return `esrf:scan:${String(number).padStart(26, "0")}`;
}

/** A key of its own for each number. */
export function streamKey(number: number): string {
  return `esrf:stream:${String(number).padStart(26, "0")}`;
}

/** A scan with this number, which is also the `number` of its identity. */
export function newScan(number: number, more: Partial<NewScan> = {}): NewScan {
  return { key: scanKey(number), identity: { name: "loopscan", number }, info: {}, ...more };
}

/** The header of a stream of unsigned bytes. */
export function byteStream(number: number, name = "bytes"): StreamHeader {
  return { name, key: streamKey(number), encoding: { type: "numeric", dtype: "|u1", shape: [] }, info: {} };
}

/** A scan that is PREPARED, with one stream of the same number. */
export async function preparedScan(
  engine: LiveEngine,
  number: number,
  more: Partial<NewScan> = {},
): Promise<ScanHeader> {
  await engine.createScan(newScan(number, more));
  return await engine.transition(scanKey(number), {
    from: [states.CREATED],
    to: states.PREPARED,
    streams: { bytes: byteStream(number) },
  });
}

/** One entry whose payload is its index, in each of its points. */
export function entry(index: number, length = 1): Entry {
  return { index, length, payload: new Uint8Array(length).map((_, i) => index + i) };
}

/** Entries of one point each, from one index up to another. */
export function entries(from: number, to: number): Entry[] {
  return Array.from({ length: to - from }, (_, i) => entry(from + i));
}

/** Indexes of the first points. */
export function indexesOf(list: readonly Entry[]): number[] {
  return list.map(({ index }) => index);
}

/** How far one stream goes. */
export async function boundsOf(engine: LiveEngine, stream: string): Promise<Bounds> {
  const [bounds] = await engine.bounds([stream]);
  check(bounds !== undefined, "bounds answered nothing for a stream");
  return bounds;
}

/** Lets what is on its way arrive. */
export function moment(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, MOMENT_MS));
}

/** Asks again and again until the answer is yes. */
export async function eventually(ask: () => Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!(await ask())) {
    check(performance.now() < end, `${what}: not within ${PATIENCE_MS} ms`);
    await moment();
  }
}

/** The answer of a call that must come. */
export async function soon<T>(work: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: no answer within ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
