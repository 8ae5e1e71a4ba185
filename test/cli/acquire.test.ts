import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { DiskStore } from "../../backends/disk/store.ts";
import { openZarrArray } from "../../backends/zarr/reader.ts";
import { createCodecs } from "../../src/codecs/index.ts";
import { contiguous, isNdArray, type NdArray } from "../../src/core/nd-array.ts";
import { scratchFolder, sluice, start } from "./command.ts";

/** A session of one camera, with the writer and the plan as given. */
function sessionFile(writer: string, num: number, more = ""): string {
  return `
session: test
storage: {basePath: data, writers: {default: {use: ${writer}}}}
devices:
  camera: {use: simulated-camera, shape: [32, 48], dtype: uint16, exposure: 0.001}
  stage: {use: simulated-stage}
${more}
plan: {use: count, num: ${num}}
`;
}

/** Frame of a Zarr store by our reader; that others read the same is tested with the writer. */
async function frameOf(uri: string, device: string, index: number): Promise<NdArray> {
  const store = new DiskStore({ root: fileURLToPath(uri.replace("//localhost/", "///")) });
  try {
    return await (await openZarrArray(store, device)).frame(index);
  } finally {
    await store.close();
  }
}

async function png(path: string): Promise<NdArray> {
  const value = await createCodecs().forIdentifier(path).decode(readFileSync(path), { identifier: path, options: {} });
  if (!isNdArray(value)) throw new Error(`${path} is no image`);
  return value;
}

/** Documents of a run, each a line of its file. */
function documents(folder: string): { name: string; doc: Record<string, unknown> }[] {
  const lines = readFileSync(join(folder, "documents.jsonl"), "utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line));
}

describe("sluice acquire", () => {
  it("prints one JSON document also when closing fails after the run", async () => {
    const folder = scratchFolder({
      "s.yaml": sessionFile("zarr", 2, '  door: {use: "./door.mjs#Door"}'),
      "door.mjs": 'export class Door { close() { throw new Error("stuck"); } }',
    });
    const { code, output, errors } = await sluice(["acquire", "s.yaml", "--json"], folder);
    expect(code).toBe(1);
    expect(JSON.parse(output)).toMatchObject({ exitStatus: "success", events: 2 });
    expect(errors).toContain("stuck");
  });

  it("leaves a run as a live scan, and says how to look at it; what readers lack is a failure", async () => {
    const folder = scratchFolder({
      "s.yaml": sessionFile("zarr", 3, "live: live"),
      "away.yaml": sessionFile("zarr", 3, "live: {location: live, inlineBytes: 0, essential: false}"),
    });
    const { code, output, errors } = await sluice(["acquire", "s.yaml"], folder);
    expect([code, errors]).toEqual([0, expect.any(String)]);
    expect(output).toMatch(/^Live {8}npx sluice live ls --live live$/m);
    const json = JSON.parse((await sluice(["acquire", "s.yaml", "--json"], folder)).output);
    expect(json.live).toMatchObject({ missing: 0, streams: { camera: { sent: 3 }, "stage-x": { sent: 3 } } });
    writeFileSync(join(folder, "live", "index.db"), "x".repeat(5000));
    const broken = await sluice(["acquire", "away.yaml", "--json"], folder);
    expect(JSON.parse(broken.output)).toMatchObject({ exitStatus: "success", devices: { camera: { frames: 3 } } });
    expect(broken.errors).toMatch(/^Live: \w+: live: /m);
  }, 180_000);

  it("says where the data is, how many frames each device wrote, how fast, and what to try next", async () => {
    const folder = scratchFolder({ "s.yaml": sessionFile("zarr", 5) });
    const { code, output, errors } = await sluice(["acquire", "s.yaml"], folder);
    expect(code, errors).toBe(0);
    expect(output).toMatch(/^Session "test" done: 5 readings in \d/);
    expect(output).toMatch(/^ {2}camera {2}5 frames {2}15\.0 KiB$/m);
    expect(output).toMatch(/^Throughput {2}[\d.]+ MB\/s, \d+ frames a second$/m);
    const [, data = ""] = /^Data +(.+)$/m.exec(output) ?? [];
    expect(readdirSync(join(folder, data))).toContain("zarr.json");
    const [, preview = ""] = /^Preview +(\S+\.png) \(camera, frame 4, /m.exec(output) ?? [];
    expect(readFileSync(join(folder, preview)).subarray(1, 4).toString()).toBe("PNG");

    const [, next = ""] = /^Try next +npx sluice (.+)$/m.exec(output) ?? [];
    const tried = await sluice(next.split(" "), folder);
    expect(tried.code, tried.errors).toBe(0);
    expect(tried.output).toMatch(/camera +uint16 +\[t 5, y 32, x 48\]/);
  });

  it("prints one JSON document, and the preview is the frame in the store", async () => {
    const folder = scratchFolder({ "s.yaml": sessionFile("zarr", 50) });
    const { code, output } = await sluice(["acquire", "s.yaml", "--json", "--num", "3"], folder);
    expect(code).toBe(0);
    const summary = JSON.parse(output);
    expect(summary).toMatchObject({
      exitStatus: "success",
      events: 3,
      devices: { camera: { frames: 3, rejected: 0 } },
    });
    const { path, device, frame, black, white } = summary.preview;
    expect([device, frame]).toEqual(["camera", 2]);
    const stored = contiguous(await frameOf(summary.stores.default, device, frame));
    const picture = await png(path);
    expect(picture).toMatchObject({ shape: stored.shape, dtype: "uint16" });
    const back = Array.from(picture.data as Uint16Array, (pixel) =>
      Math.round(black + (pixel * (white - black)) / 65535),
    );
    expect(back).toEqual([...stored.data]);
  });

  it("writes what the session file chooses: a TIFF sequence", async () => {
    const folder = scratchFolder({ "s.yaml": sessionFile("tiff", 2) });
    const summary = JSON.parse((await sluice(["acquire", "s.yaml", "--json"], folder)).output);
    const images = await sluice(["ls", summary.stores.default, "-r", "-p", "*.tif", "--json"]);
    expect(JSON.parse(images.output).entries).toHaveLength(2);
    expect(summary.preview.frame).toBe(1);
  });

  it("needs no store on disk, and shows a frame all the same", async () => {
    const folder = scratchFolder({ "s.yaml": sessionFile("memory", 2) });
    const { code, output } = await sluice(["acquire", "s.yaml"], folder);
    expect(code).toBe(0);
    expect(output).toMatch(/^Preview +\S+\.png \(camera, frame 1, /m);
    expect(output).toMatch(/^Data +in memory only/m);
    expect(output).not.toContain("Try next");
  });

  it("says of an empty session file what it needs", async () => {
    const folder = scratchFolder({ "s.yaml": "", "comment.yaml": "# later\n" });
    for (const file of ["s.yaml", "comment.yaml"]) {
      const { code, errors } = await sluice(["acquire", file], folder);
      expect([code, errors]).toEqual([1, expect.stringContaining('it is empty; it needs at least a name, "session: ')]);
    }
  });

  it("reports every mistake of a session file with its path", async () => {
    const folder = scratchFolder({ "s.yaml": `${sessionFile("zar", 2)}\nextra: 1\n` });
    const { code, errors, output } = await sluice(["acquire", "s.yaml"], folder);
    expect(code).toBe(1);
    expect(output).toBe("");
    expect(errors).toMatch(/^sluice: CONFIG_INVALID: /);
    expect(errors).toContain("storage.writers.default.use");
    expect(errors).toContain("zarr");
    expect(errors).toContain("extra");
    expect(readdirSync(folder)).toEqual(["s.yaml"]);
  });
});

describe("Ctrl-C", () => {
  it.each(["SIGINT", "SIGTERM"] as const)(
    "%s ends the run early, closes the store and keeps every frame",
    async (signal) => {
      const folder = scratchFolder({ "s.yaml": sessionFile("zarr", 10_000_000) });
      const run = start(["acquire", "s.yaml", "--json"], folder);
      await run.said(/of 10000000 readings/);
      run.child.kill(signal);
      const { code, output, errors } = await run.finished;
      expect(code, errors).toBe(130);
      expect(errors).toContain("Interrupted: finishing what is under way");
      const summary = JSON.parse(output);
      expect(summary.exitStatus).toBe("abort");
      const { frames } = summary.devices.camera;
      expect(frames).toBeGreaterThan(0);
      await expect(frameOf(summary.stores.default, "camera", frames - 1)).resolves.toMatchObject({ shape: [32, 48] });
      await expect(frameOf(summary.stores.default, "camera", frames)).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
      expect(documents(summary.folder).at(-1)).toMatchObject({ name: "stop", doc: { exit_status: "abort" } });
      expect(
        readdirSync(summary.folder, { recursive: true }).filter((name) => /tmp|partial/.test(String(name))),
      ).toEqual([]);
    },
  );

  it("a second time leaves at once, whatever hangs", async () => {
    const folder = scratchFolder({
      "s.yaml": sessionFile("zarr", 10_000_000, '  stuck: {use: "./stuck.mjs#Stuck"}'),
      "stuck.mjs": `
        export class Stuck {
          constructor(name) { this.name = name; }
          close() { return new Promise(() => setInterval(() => console.error("still closing"), 10)); }
        }`,
    });
    const run = start(["acquire", "s.yaml"], folder);
    await run.said(/of 10000000 readings/);
    run.child.kill("SIGINT");
    await run.said(/still closing/);
    run.child.kill("SIGINT");
    expect((await run.finished).code).toBe(130);
  });
});
