import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { formatDuration } from "../../src/cli/format.ts";
import { cameraNeeds } from "../../src/cli/rates/camera-needs.ts";
import { noiseFrames } from "../../src/cli/rates/noise-frames.ts";
import { type ProbePlace, probe } from "../../src/cli/rates/probe.ts";
import { type RateOptions, sessionRates } from "../../src/cli/rates/session-rates.ts";
import { isNdArray } from "../../src/core/nd-array.ts";
import type { SessionInput } from "../../src/session/index.ts";
import { open } from "../session/support.ts";
import { allDtypes } from "../support/arrays.ts";
import { rejectionOf } from "../support/rejection.ts";
import { useBucket } from "../support/s3-fixture.ts";
import { hasS3 } from "../support/s3-server.ts";
import { scratchFolder, sluice } from "./command.ts";

/** Small and short. Rates are declared so far from what any machine does that the verdict is sure. */
const bounds = { maxSeconds: 0.2, maxBytes: 2 ** 20 };
const options = (more: Partial<RateOptions> = {}): RateOptions => ({
  ...bounds,
  backends: [],
  signal: new AbortController().signal,
  ...more,
});

const SLOW = 0.001;
const FAST = 1e9;
const camera = (frameRate: number, more: object = {}) => ({
  use: "simulated-camera",
  shape: [32, 32],
  frameRate,
  ...more,
});

function config(devices: NonNullable<SessionInput["devices"]>, basePath: string, writers: object = {}) {
  return { storage: { basePath, writers: { default: { use: "zarr" }, ...writers } }, devices };
}

describe("the needs of cameras", () => {
  it("are the shapes, dtypes and rates that they declare; nothing is opened, and the session can still run", async () => {
    const folder = scratchFolder();
    const devices = { fast: camera(100), endless: camera(0, { dtype: "uint8" }), stage: { use: "simulated-stage" } };
    const session = await open(config(devices, folder));
    const needs = await cameraNeeds(session);
    expect(
      needs.map(({ device, group, frameBytes, framesPerSecond }) => [device, group, frameBytes, framesPerSecond]),
    ).toEqual([
      ["fast", "default", 2048, 100],
      ["endless", "default", 1024, undefined],
    ]);
    expect(needs[0]?.source).toMatchObject({ dtype: "uint16", shape: [32, 32] });
    expect(readdirSync(folder)).toEqual([]);
    expect([...(session.writers.get("default")?.sources.keys() ?? [])]).toEqual([]);
    expect(await session.run({ use: "count", num: 2 })).toMatchObject({ exitStatus: "success", events: 2 });
  });

  it("are none without storage", async () => {
    const session = await open({ devices: { stage: { use: "simulated-stage" } } });
    expect(await rejectionOf(cameraNeeds(session))).toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining("no storage section"),
    });
  });
});

describe("frames to measure with", () => {
  it.each(allDtypes)("are noise of %s", (dtype) => {
    const [first, second] = noiseFrames([4, 5], dtype);
    expect(isNdArray(first)).toBe(true);
    expect(first).toMatchObject({ dtype, shape: [4, 5] });
    expect(first?.data).not.toEqual(second?.data);
  });
});

describe("measuring", () => {
  it("gives each camera its share, removes everything, and syncs before it stops the clock", async () => {
    const folder = scratchFolder();
    const session = await open(config({ a: camera(30), b: camera(10) }, folder));
    const needs = await cameraNeeds(session);
    const steps: string[] = [];
    const counts = new Map<string, number>();
    const place: ProbePlace = {
      openWriter: async (group) => {
        const writer = await session.backends.openWriter({ use: "memory" }, { instance: group });
        writer.setUri(`mem://probe/${steps.length}`);
        const close = writer.close.bind(writer);
        writer.close = async () => {
          for (const { name, framesWritten } of writer.sources.values()) counts.set(name, framesWritten);
          await close();
        };
        return writer;
      },
      checkOpened: () => steps.push("opened"),
      sync: async () => void steps.push("sync"),
      storedBytes: async () => 7,
      clear: async () => void steps.push("clear"),
    };
    const result = await probe(place, needs, { maxSeconds: 60, maxBytes: 40 * 2048 }, options().signal);
    expect(result).toMatchObject({ bytes: 40 * 2048, storedBytes: 7 });
    expect(result.groups).toEqual(new Map([["default", { frames: 40, bytes: 40 * 2048 }]]));
    expect([...counts]).toEqual([
      ["a", 30],
      ["b", 10],
    ]);
    expect(steps).toEqual(["opened", "sync", "clear"]);
  });

  it("says of the folder of the runs whether it keeps up, and leaves it as it was", async () => {
    const folder = scratchFolder({ "mine.txt": "keep" });
    const slow = await sessionRates(await open(config({ camera: camera(SLOW) }, folder)), options());
    expect(slow.keepsUp).toBe(true);
    expect(slow.places).toMatchObject([
      {
        place: folder,
        kind: "folder",
        isRequired: true,
        writers: [{ writer: "default", verdict: "keeps up", neededBytesPerSecond: 2048 * SLOW }],
      },
    ]);
    const [place] = slow.places;
    expect(place?.freeBytes).toBeGreaterThan(0);
    expect(place?.lastsSeconds).toBe((place?.freeBytes as number) / (2048 * SLOW));
    expect(place?.writers[0]?.storedRatio).toBeGreaterThan(0.9);
    expect(readdirSync(folder)).toEqual(["mine.txt"]);

    const fast = await sessionRates(await open(config({ camera: camera(FAST) }, folder)), options());
    expect([fast.keepsUp, fast.places[0]?.writers[0]?.verdict]).toEqual([false, "too slow"]);
    expect(readFileSync(join(folder, "mine.txt"), "utf8")).toBe("keep");
  });

  it("takes the disk of a folder that is not there yet, and does not make it", async () => {
    const folder = scratchFolder();
    const session = await open(config({ camera: camera(SLOW) }, join(folder, "runs/of/today")));
    expect((await sessionRates(session, options())).keepsUp).toBe(true);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("measures each writer, and those that have a rate to keep all at once", async () => {
    const writers = { tif: { use: "tiff" }, mem: { use: "memory" } };
    const devices = {
      a: camera(SLOW),
      b: camera(FAST, { writer: "tif" }),
      c: camera(0, { writer: "mem" }),
    };
    const { places, keepsUp } = await sessionRates(await open(config(devices, scratchFolder(), writers)), options());
    expect(places[0]?.writers.map(({ writer, verdict }) => [writer, verdict])).toEqual([
      ["default", "keeps up"],
      ["tif", "too slow"],
      ["mem", "no rate declared"],
      ["default+tif", "too slow"],
    ]);
    expect(keepsUp).toBe(false);
  });

  it("compares backends, through their layers and without failing the session for them, unless they are asked for", async () => {
    const folder = scratchFolder();
    const backends: SessionInput["backends"] = {
      limited: { use: "disk", root: join(folder, "limited"), layers: [{ use: "limit", bytesPerSecond: 200_000 }] },
      closed: { use: "disk", root: join(folder, "closed"), layers: [{ use: "read-only" }] },
      scratch: { use: "memory" },
    };
    const devices = { camera: camera(1000) };
    const session = await open({ ...config(devices, join(folder, "data")), backends });
    const { places, keepsUp } = await sessionRates(session, options({ maxBytes: 2 ** 17 }));
    expect(places.map(({ place, isRequired, durability }) => [place, isRequired, durability])).toEqual([
      [join(folder, "data"), true, "every file synced to the device"],
      ["limited", false, "synced by the store"],
    ]);
    expect(keepsUp).toBe(places[0]?.writers[0]?.verdict !== "too slow");
    expect(places[1]?.writers[0]?.verdict).toBe("too slow");
    expect(readdirSync(join(folder, "limited"))).toEqual([]);

    const asked = await sessionRates(session, options({ maxBytes: 2 ** 17, backends: ["limited"] }));
    expect(asked.places.map(({ place }) => place)).toEqual(["limited"]);
    expect(asked.keepsUp).toBe(false);
    const memory = await sessionRates(session, options({ backends: ["scratch"] }));
    expect(memory.places[0]).toMatchObject({ durability: "in memory only", writers: [{ writer: "default" }] });
    expect(await session.files.listDir("", "scratch")).toEqual([]);
  });

  it("says why a place failed, goes on with the others, and leaves nothing there", async () => {
    const folder = scratchFolder();
    const faults = [{ on: "write", kind: "refuse", code: "NO_SPACE" }];
    const backends: SessionInput["backends"] = {
      full: { use: "disk", root: join(folder, "full"), layers: [{ use: "chaos", faults }] },
    };
    const devices = { a: camera(SLOW, { writer: "tif" }), b: camera(SLOW, { writer: "mem" }) };
    const writers = { tif: { use: "tiff" }, mem: { use: "memory" } };
    const session = await open({ ...config(devices, join(folder, "data"), writers), backends });
    const { places, keepsUp } = await sessionRates(session, options());
    expect(keepsUp).toBe(true);
    expect(places[1]?.writers).toMatchObject([
      { writer: "tif", verdict: "failed", problem: { code: "NO_SPACE" } },
      { writer: "mem", verdict: "failed", problem: { code: "UNSUPPORTED" } },
      { writer: "tif+mem", verdict: "failed" },
    ]);
    expect((await sessionRates(session, options({ backends: ["full"] }))).keepsUp).toBe(false);
    const unknown = await sessionRates(session, options({ backends: ["nope"] }));
    expect(unknown.places[0]?.writers[0]?.problem).toMatchObject({ code: "UNKNOWN_BACKEND" });
    expect(readdirSync(folder).filter((name) => name !== "full")).toEqual([]);
  });

  it("removes what it wrote when it is aborted in the middle", async () => {
    const folder = scratchFolder();
    const abort = new AbortController();
    const session = await open(config({ camera: camera(SLOW) }, folder));
    const rates = sessionRates(session, options({ maxSeconds: 60, maxBytes: 2 ** 40, signal: abort.signal }));
    // As soon as there is something to remove.
    while (readdirSync(folder).length === 0) await new Promise((resolve) => setImmediate(resolve));
    abort.abort();
    expect(await rejectionOf(rates)).toMatchObject({ code: "ABORTED" });
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("sluice doctor of a session file", () => {
  const file = (frameRate: number) =>
    JSON.stringify({
      session: "lab",
      ...config({ camera: camera(frameRate) }, "data"),
      plan: { use: "count", num: 1 },
    });
  const quick = ["--seconds", "0.2", "--max-mib", "1"];

  it("says what cameras need, what writers take, and how long the disk lasts", async () => {
    const folder = scratchFolder({ "session.json": file(SLOW) });
    const { code, output, errors } = await sluice(["doctor", "session.json", ...quick], folder);
    expect([code, errors]).toEqual([0, expect.stringContaining("Measuring default in")]);
    expect(output).toMatch(/camera {2}uint16 \[32, 32\] {2}0\.001 frames\/s/);
    expect(output).toMatch(/Folder .*data: every file synced to the device; .* free; full after \d+ d/);
    expect(output).toMatch(/default {2}needs 0\.0 MB\/s {2}takes .* MB\/s .*× {2}keeps up \(/);
    expect(readdirSync(folder)).toEqual(["session.json"]);
  });

  it("ends with 1 and one document if a camera is too fast", async () => {
    const folder = scratchFolder({ "session.json": file(FAST) });
    const { code, output } = await sluice(["doctor", "session.json", "--json", ...quick], folder);
    expect(code).toBe(1);
    expect(JSON.parse(output)).toMatchObject({
      session: "lab",
      keepsUp: false,
      cameras: [{ device: "camera", writer: "default", frameBytes: 2048, framesPerSecond: FAST }],
      places: [{ kind: "folder", writers: [{ verdict: "too slow", neededBytesPerSecond: 2048 * FAST }] }],
    });
  });

  it("reports a file that is not there, or is wrong, and a backend that the file does not name", async () => {
    const folder = scratchFolder({ "wrong.yaml": "session: s\ndevises: {}\n", "right.yaml": "session: s\n" });
    expect(await sluice(["doctor", "right.yaml", "--backend", "archiv"], folder)).toMatchObject({
      code: 1,
      output: "",
      errors: expect.stringContaining('Unknown backend "archiv"'),
    });
    expect(await sluice(["doctor", "none.yaml"], folder)).toMatchObject({
      code: 1,
      errors: expect.stringContaining("NOT_FOUND"),
    });
    expect(await sluice(["doctor", "wrong.yaml"], folder)).toMatchObject({
      code: 1,
      errors: expect.stringContaining('did you mean "devices"'),
    });
  });
});

describe.skipIf(!hasS3)("sluice doctor of a session with a bucket", { timeout: 60_000 }, () => {
  const service = useBucket();

  it.each(["zarr", "tiff"])(
    "measures what it takes of %s, leaves nothing there, and shows no secret",
    async (writer) => {
      const folder = scratchFolder();
      mkdirSync(join(folder, "data"));
      const session = {
        session: "lab",
        backends: { archive: { use: "s3", bucket: service.bucket.name, endpoint: service.endpoint, prefix: "runs" } },
        ...config({ camera: camera(SLOW) }, "data", { default: { use: writer } }),
      };
      writeFileSync(join(folder, "session.json"), JSON.stringify(session));
      const args = ["doctor", "session.json", "--json", "--seconds", "0.5", "--max-mib", "6"];
      const { code, output, errors } = await sluice(args, folder);
      expect(code, errors).toBe(0);
      const { places } = JSON.parse(output) as { places: { writers: object[] }[] };
      expect(places[1]).toMatchObject({
        place: "archive",
        isRequired: false,
        durability: "acknowledged by the store",
        freeBytes: null,
        writers: [{ writer: "default", verdict: "keeps up", measuredBytesPerSecond: expect.any(Number) }],
      });
      expect(await service.bucket.side.keys()).toEqual([]);
      expect(await service.bucket.uploads()).toEqual([]);
      expect(output + errors).not.toContain(process.env.AWS_SECRET_ACCESS_KEY);
    },
  );
});

describe("a duration", () => {
  it.each([
    [0.4, "less than a second"],
    [8.9, "8 s"],
    [845, "14 min 5 s"],
    [3600, "1 h"],
    [183_600, "2 d 3 h"],
  ])("of %d seconds is %s", (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});
