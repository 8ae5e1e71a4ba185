/** The examples are run as their readers run them: against the built package, in processes of their own. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { arrayFromBytes, arraysEqual } from "../../src/index.ts";
import { openSession, SimulatedCamera } from "../../src/session/index.ts";
import { requireBuild } from "../support/built.ts";
import { realData } from "../support/real-data.ts";
import { exampleSource, runExample } from "../support/run-example.ts";
import { temporaryFolder } from "./support.ts";

const repository = fileURLToPath(new URL("../..", import.meta.url));
const examples = join(repository, "examples");

function run(command: string, args: readonly string[], cwd: string): string {
  const { stdout, stderr, status } = spawnSync(command, args, { cwd, encoding: "utf8" });
  expect(status, `${command} ${args.join(" ")}\n${stdout}\n${stderr}`).toBe(0);
  return stdout;
}

describe("The examples", () => {
  const scripts = readdirSync(examples).filter((name) => name.endsWith(".ts"));
  const expected: Record<string, string> = {
    "01-save-and-load.ts": "A01.tif: uint16 [2,3] 0,100,200,300,400,500\n",
    "02-custom-writer.ts": "means: 10 20 30\nframes: 3\n",
    "03-session-from-code.ts":
      "10 frames, success\nstart → descriptor → event → stream_resource → stream_datum → stop\n",
    "04-test-a-device.ts": "updateSource → prepare → kickoff → write → closeSink\n",
    "06-catalogue.ts":
      "count success 5 events\ncount success 3 events\nseq_num, time, stage-x 5 rows\n" +
      "frames 5,48,64, the last one uint16 [48,64]\n",
    "07-live.ts": ["live: ", "after:"]
      .map((when) => `${when} 25 positions in um, images uint16 [10,20,32] of [25,48,64]\n`)
      .join(""),
  };
  /** Longer ones, and those of plugins, have tests beside what they show. */
  const elsewhere: Record<string, string> = {
    "05-plate.ts": "test/io/plate-example.test.ts",
    "08-external-image.ts": "test/live/plugins/examples.test.ts",
    "09-file-fallback.ts": "test/live/plugins/examples.test.ts",
  };

  it("are all run, here or elsewhere", () => {
    expect(scripts.sort()).toEqual([...Object.keys(expected), ...Object.keys(elsewhere)].sort());
    for (const [name, test] of Object.entries(elsewhere)) {
      expect(readFileSync(join(repository, test), "utf8")).toContain(`runExample("${name}"`);
    }
  });

  it.each(Object.entries(expected))(
    "%s has at most forty lines and prints what it should",
    async (name, output) => {
      expect(exampleSource(name).trimEnd().split("\n").length).toBeLessThanOrEqual(40);
      expect(runExample(name, await temporaryFolder())).toBe(output);
    },
    120_000,
  );

  it("session.yaml records forty frames and the stage", async () => {
    const basePath = await temporaryFolder();
    const text = readFileSync(join(examples, "session.yaml"), "utf8");
    writeFileSync(join(basePath, "session.yaml"), text.replaceAll("../data", "data"));
    await using session = await openSession(join(basePath, "session.yaml"));
    expect(await session.run()).toMatchObject({ events: 40, devices: { camera: { frames: 40, rejected: 0 } } });
    expect(readdirSync(join(basePath, "data", "demo"))).toHaveLength(1);
  });

  it.skipIf(realData("timelapse") === undefined)("replay.yaml plays real images", async () => {
    const basePath = await temporaryFolder();
    const text = readFileSync(join(examples, "replay.yaml"), "utf8");
    const data = join(realData("timelapse") as string, "..");
    writeFileSync(join(basePath, "replay.yaml"), text.replace("../../shared/data", data).replace("../data", "data"));
    await using session = await openSession(join(basePath, "replay.yaml"));
    expect(await session.run()).toMatchObject({ events: 10, devices: { camera: { frames: 10 } } });
  });
});

describe("The third party's backend", () => {
  const source = join(examples, "third-party-backend");

  /** A folder in which the packed package and this one are installed. */
  async function installed(): Promise<string> {
    requireBuild();
    const folder = await temporaryFolder();
    const target = join(folder, "node_modules", "sluice-drawer-backend");
    mkdirSync(target, { recursive: true });
    const [{ filename }] = JSON.parse(
      run("npm", ["pack", "--json", "--silent", "--pack-destination", folder], source).replace(/^[^[]*/, ""),
    ) as [{ filename: string }];
    run("tar", ["xzf", join(folder, filename), "--strip-components=1", "-C", target], folder);
    symlinkSync(repository, join(folder, "node_modules", "sluice"));
    return folder;
  }

  it("has at most sixty lines of code", () => {
    const lines = readFileSync(join(source, "index.js"), "utf8").split("\n");
    expect(lines.filter((line) => !/^\s*(\/\/|\/\*|\*|$)/.test(line)).length).toBeLessThanOrEqual(60);
  });

  it("is packed, installed, named in a session file, and writes its frames", async () => {
    const folder = await installed();
    writeFileSync(
      join(folder, "session.yaml"),
      [
        "session: drawer",
        "metadata: {operator: them}",
        "plugins: [sluice-drawer-backend]",
        "backends: {scratch: {use: drawer}}",
        "storage: {basePath: data, writers: {default: {use: drawer}}}",
        "devices:",
        "  camera: {use: simulated-camera, shape: [6, 8], seed: 5}",
        '  mine: {use: "./device.mjs#Mine"}',
        "plan: {use: count, num: 3}",
      ].join("\n"),
    );
    const device = [
      'import { DEVICE_NAME, WRITER } from "sluice/session";',
      "export class Mine {",
      "  static inject = [DEVICE_NAME, WRITER];",
      '  constructor(name, writer) { this.text = name + " writes " + writer.mimetype; }',
      "}",
    ];
    writeFileSync(join(folder, "device.mjs"), device.join("\n"));
    const script = [
      'import { ndArray } from "sluice";',
      'import { openSession } from "sluice/session";',
      'await using session = await openSession("session.yaml");',
      'await session.files.save(ndArray(Uint8Array.of(1, 2)), "a.npy", "scratch");',
      'const loaded = await session.files.load("a.npy", "scratch");',
      "console.log(JSON.stringify({ summary: await session.run(), mine: session.devices.get('mine').text, loaded: [...loaded.data] }));",
    ].join("\n");
    const { outputText } = ts.transpileModule(script, {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
    });
    writeFileSync(join(folder, "run.mjs"), outputText);
    const { summary, mine, loaded } = JSON.parse(run(process.execPath, ["run.mjs"], folder)) as {
      summary: { folder: string; stores: { default: string } };
      mine: string;
      loaded: number[];
    };
    expect(mine).toBe("mine writes application/x-raw-frames");
    expect(loaded).toEqual([1, 2]);
    const store = fileURLToPath(summary.stores.default);
    expect(store).toBe(join(summary.folder, "default.raw"));
    const camera = new SimulatedCamera("camera", { shape: [6, 8], seed: 5 });
    for (let i = 0; i < 3; i++) {
      const bytes = new Uint8Array(readFileSync(join(store, `camera-${i}.bin`)));
      expect(arraysEqual(arrayFromBytes(bytes, "uint16", [6, 8]), camera.preview(i))).toBe(true);
    }
    const described = JSON.parse(readFileSync(join(store, "store.json"), "utf8")) as { metadata: object };
    expect(described.metadata).toMatchObject({ operator: "them", camera: { data: { "camera-seed": 5 } } });
  });

  /** An installed package whose backend fails while it is imported. */
  function breakOne(folder: string): void {
    const broken = join(folder, "node_modules", "broken-backend");
    mkdirSync(broken);
    const manifest = { name: "broken-backend", type: "module", sluice: { backends: ["./index.js"] } };
    writeFileSync(join(broken, "package.json"), JSON.stringify(manifest));
    writeFileSync(join(broken, "index.js"), 'throw new Error("no licence");');
  }

  const sluice = join(repository, "dist/src/cli/main.js");

  it("is used without being named only where the caller asks for installed packages", async () => {
    const folder = await installed();
    const config = (writer: string) => ({
      session: "s",
      storage: { basePath: "data", writers: { default: { use: writer } } },
      devices: { camera: { use: "simulated-camera", shape: [6, 8] } },
      plan: { use: "count", num: 2 },
    });
    writeFileSync(join(folder, "session.json"), JSON.stringify(config("drawer")));
    const acquire = (...args: string[]) =>
      spawnSync(process.execPath, [sluice, "acquire", "session.json", ...args], { cwd: folder, encoding: "utf8" });
    const alone = acquire();
    expect([alone.status, alone.stderr]).toEqual([
      1,
      expect.stringContaining("storage.writers.default.use: no backend"),
    ]);
    const asked = acquire("--discover", ".", "--json");
    expect(asked.status, asked.stderr).toBe(0);
    const { stores } = JSON.parse(asked.stdout) as { stores: { default: string } };
    expect(readdirSync(fileURLToPath(stores.default))).toContain("camera-1.bin");

    breakOne(folder);
    const beside = acquire("--discover", ".");
    expect([beside.status, beside.stderr]).toEqual([
      0,
      expect.stringMatching(/^Package "broken-backend" .*no licence$/m),
    ]);
    // Its store is none that `info` could describe.
    expect(beside.stdout).toMatch(/^Try next +npx sluice ls -r \S+default\.raw$/m);
    writeFileSync(join(folder, "session.json"), JSON.stringify(config("tape")));
    const needed = acquire("--discover", ".");
    expect([needed.status, needed.stderr]).toEqual([1, expect.stringMatching(/default\.use: no backend.*no licence/)]);
  });

  it("is asked for by no session file", async () => {
    const file = { session: "s", discover: "." } as unknown as { session: string };
    await expect(openSession(file)).rejects.toThrow(/discover: unknown key/);
  });

  it("can be listed where the caller asks for installed packages", async () => {
    const folder = await installed();
    breakOne(folder);
    writeFileSync(
      join(folder, "session.json"),
      JSON.stringify({ session: "s", backends: { mine: { use: "drawer" } } }),
    );
    const args = [sluice, "ls", "mine:", "--session", "session.json", "--discover", "."];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8" });
    expect([status, stdout, stderr]).toEqual([0, "", expect.stringContaining("broken-backend")]);
  });

  it("passes the conformance kits, run by its own tests where it is installed", async () => {
    const folder = await installed();
    const output = run(process.execPath, ["--test"], join(folder, "node_modules", "sluice-drawer-backend"));
    expect(output).toMatch(/^# pass [1-9]\d+$/m);
    expect(output).toMatch(/^# fail 0$/m);
  });

  it("is asked for by name when it is not installed", async () => {
    const plugin = openSession({ session: "s", plugins: ["sluice-drawer-backend"] }, { baseDirectory: "/" });
    await expect(plugin).rejects.toThrow(/plugins\[0\]: .*npm install sluice-drawer-backend/s);
  });
});
