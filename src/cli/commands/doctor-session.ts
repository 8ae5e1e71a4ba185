/** `sluice doctor SESSION` */
import { unknownName } from "../../../registry/registry.ts";
import type { CatalogCheck } from "../catalog-check.ts";
import type { CommandContext } from "../command-line.ts";
import { exitCodes } from "../exit-codes.ts";
import { formatBytes, formatDuration, formatTable, plural } from "../format.ts";
import type { CameraNeed } from "../rates/camera-needs.ts";
import type { PlaceRates, SessionRates, WriterRate } from "../rates/session-rates.ts";

/** Options of `sluice doctor`. */
export interface DoctorOptions {
  /** Seconds that each measurement takes, about. */
  readonly seconds?: number | undefined;
  /** MiB that each measurement writes, at most. */
  readonly maxMib?: number | undefined;
  /** Backends to measure instead of the folder of the runs. */
  readonly backend?: readonly string[] | undefined;
  /** Folder whose installed packages may bring backends. */
  readonly discover?: string | undefined;
}

/** Measures the writers of a session against its cameras. The exit code is 1 if they do not keep up. */
export async function doctorSession(
  file: string,
  { seconds = 3, maxMib = 1024, backend = [], discover }: DoctorOptions,
  { terminal, signal }: CommandContext,
): Promise<number> {
  const { openSession } = await import("../../session/index.ts");
  const { checkCatalog } = await import("../catalog-check.ts");
  const { sessionRates } = await import("../rates/session-rates.ts");
  const session = await openSession(file, { signal, discover, catalog: false, live: false });
  try {
    for (const name of backend) {
      if (!session.backends.has(name)) throw unknownName("backend", name, session.backends.keys());
    }
    for (const [name, error] of session.failures) terminal.say(`Without ${name}: ${error.message}`);
    for (const { message } of session.discovery?.problems ?? []) terminal.say(message);
    const rates = await sessionRates(session, {
      backends: backend,
      maxSeconds: seconds,
      maxBytes: maxMib * 2 ** 20,
      signal,
      onStep: (step) => terminal.progress(step),
    });
    const catalog = await checkCatalog(session);
    const lines = catalog === undefined ? [] : ["", catalogLine(catalog)];
    const document = { ...documentOf(session.name, rates), ...(catalog === undefined ? {} : { catalog }) };
    terminal.print(document, [...linesOf(session.name, rates), ...lines]);
    return rates.keepsUp && catalog?.state !== "unusable" ? exitCodes.ok : exitCodes.failed;
  } finally {
    await session.close();
  }
}

function catalogLine({ location, state, error }: CatalogCheck): string {
  const found = { ready: "can be written", new: "is made when the session opens" };
  return `Catalogue ${location}: ${state === "unusable" ? `${error?.code}: ${error?.message}` : found[state]}`;
}

function documentOf(session: string, { cameras, places, keepsUp }: SessionRates): object {
  return {
    session,
    cameras: cameras.map(({ device, source, group, frameBytes, framesPerSecond }) => ({
      device,
      source: source.name,
      dtype: source.dtype,
      shape: source.shape,
      writer: group,
      frameBytes,
      framesPerSecond: framesPerSecond ?? null,
    })),
    places: places.map(({ writers, freeBytes = null, lastsSeconds = null, ...place }) => ({
      ...place,
      freeBytes,
      lastsSeconds,
      writers: writers.map(({ problem, ...rate }) => ({
        ...rate,
        neededBytesPerSecond: rate.neededBytesPerSecond ?? null,
        measuredBytesPerSecond: rate.measuredBytesPerSecond ?? null,
        headroom: rate.headroom ?? null,
        storedRatio: rate.storedRatio ?? null,
        ...(problem === undefined ? {} : { problem: problem.toJSON() }),
      })),
    })),
    keepsUp,
  };
}

function linesOf(session: string, { cameras, places, keepsUp }: SessionRates): string[] {
  if (cameras.length === 0) return [`Session "${session}" has no cameras; there is nothing to keep up with`];
  const writers = new Set(cameras.map(({ group }) => group)).size;
  return [
    `Session "${session}": ${plural(cameras.length, "source")}, ${plural(writers, "writer")}`,
    "",
    ...formatTable(cameras.map(cameraRow)),
    ...places.flatMap((place) => ["", ...placeLines(place)]),
    "",
    keepsUp ? "Nothing here is slower than the cameras." : "Frames would be lost, or cameras would have to wait.",
  ];
}

function cameraRow({ device, source, group, frameBytes, framesPerSecond }: CameraNeed): string[] {
  const rate = framesPerSecond === undefined ? "no rate declared" : `${framesPerSecond} frames/s`;
  const bytes = framesPerSecond === undefined ? "" : megabytes(framesPerSecond * frameBytes);
  const name = source.name === device ? device : `${device} ${source.name}`;
  return [`  ${name}`, `${source.dtype} [${source.shape.join(", ")}]`, rate, bytes, `writer ${group}`];
}

function placeLines({ place, kind, durability, isRequired, freeBytes, lastsSeconds, writers }: PlaceRates): string[] {
  const free = freeBytes === undefined ? [] : [`${formatBytes(freeBytes)} free`];
  const lasts = lastsSeconds === undefined ? [] : [`full after ${formatDuration(lastsSeconds)} without compression`];
  const aside = isRequired ? [] : ["frames do not go there; for comparison"];
  return [
    `${kind === "folder" ? "Folder" : "Backend"} ${place}: ${[durability, ...free, ...lasts, ...aside].join("; ")}`,
    ...formatTable(writers.map(writerRow)).map((line) => line.trimEnd()),
  ];
}

function writerRow(rate: WriterRate): string[] {
  const { writer, neededBytesPerSecond, measuredBytesPerSecond, headroom, verdict, problem, bytes, seconds } = rate;
  return [
    `  ${writer}`,
    neededBytesPerSecond === undefined ? "" : `needs ${megabytes(neededBytesPerSecond)}`,
    measuredBytesPerSecond === undefined ? "" : `takes ${megabytes(measuredBytesPerSecond)}`,
    headroom === undefined ? "" : `${headroom.toFixed(headroom < 10 ? 2 : 0)}×`,
    problem === undefined
      ? `${verdict} (${formatBytes(bytes)} in ${seconds.toFixed(2)} s)`
      : `failed: ${problem.code}: ${problem.message}`,
  ];
}

function megabytes(bytesPerSecond: number): string {
  return `${(bytesPerSecond / 1e6).toFixed(1)} MB/s`;
}
