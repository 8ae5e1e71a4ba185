import { once } from "node:events";
import { chmodSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { Catalog, RunWriter } from "../../src/catalog/index.ts";
import { arraysEqual, BackendSet, createRegistry, FileManager, type NdArray } from "../../src/index.ts";
import { main, scratchFolder, sluice, start } from "./command.ts";

// Each command is a process of its own, and a busy machine takes seconds to start one.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

/** A session of one camera and a stage, with a catalogue. */
const sessionFile = (num: number, more = "") => `
session: test
metadata: {operator: Ada, sample: PS 1, tags: [night]}
catalog: {path: beamtime.db, index: index.db, researcher: Josiah Carberry}
storage: {basePath: data}
devices:
  camera: {use: simulated-camera, shape: [16, 24], exposure: 0.001}
  stage: {use: simulated-stage}
plan: {use: count, num: ${num}}
${more}`;

const json = async (args: readonly string[], folder: string) => {
  const { output, errors, code } = await sluice([...args, "--json"], folder);
  expect(code, errors).toBe(0);
  return JSON.parse(output);
};

describe("sluice acquire with a catalogue", () => {
  let folder: string;
  let report: string;
  let uid: string;
  beforeAll(async () => {
    folder = scratchFolder({ "s.yaml": sessionFile(7) });
    const { code, output, errors } = await sluice(["acquire", "s.yaml"], folder);
    expect(code, errors).toBe(0);
    report = output;
    uid = (await json(["runs", "--catalog", "beamtime.db"], folder)).runs[0].uid;
  });

  it("prints the command that finds the run again", async () => {
    const [, next = ""] = /^Catalogue +npx sluice (.+)$/m.exec(report) ?? [];
    const { code, output } = await sluice(next.split(" "), folder);
    expect([code, output]).toEqual([0, expect.stringContaining(`Run         ${uid}`)]);
  });

  it.each([
    ["the beamtime file", ["--catalog", "beamtime.db"]],
    ["the session file", ["--catalog", "s.yaml"]],
    ["the session file, as other commands take it", ["--session", "s.yaml"]],
  ])("leaves a run that sluice runs finds by %s", async (_, place) => {
    const { code, output } = await sluice(["runs", "list", ...place], folder);
    expect(code).toBe(0);
    expect(output.split("\n")[0]).toMatch(/^STARTED \(UTC\) +STATUS +PLAN +EVENTS +SAMPLE +UID$/);
    expect(output.split("\n")[1]).toMatch(new RegExp(`^[\\d-]{10} [\\d:]{8} +success +count +7 +PS 1 +${uid}$`));
  });

  it.each([
    [["ada", "count"], 1],
    [["--tag", "night", "--plan", "count", "snap", "--status", "success"], 1],
    [["--from", "2020-01-01", "--sample", "PS 1"], 1],
    [["--to", "2020-01-01T12:00"], 0],
    [["--any-tag", "day", "noon"], 0],
    [["nobody"], 0],
  ])("sluice runs search %j finds %i", async (filter, found) => {
    const { runs } = await json(["runs", "search", ...filter, "--catalog", "s.yaml"], folder);
    expect(runs).toHaveLength(found);
    const inIndex = await json(["index", "search", ...filter, "--index", "s.yaml"], folder);
    expect(inIndex.runs).toHaveLength(found);
  });

  it("sluice runs show says how it went, what its streams have, and where its images lie", async () => {
    const shown = await json(["runs", "show", "last", "--catalog", "beamtime.db"], folder);
    expect(shown).toMatchObject({
      ...{ uid, planName: "count", status: "success", numEvents: 7, operator: "Ada", sample: { name: "PS 1" } },
      streams: [{ name: "primary", numEvents: 7, dataKeys: { "stage-x": { units: "um" } } }],
      images: [{ field: "camera", shape: [7, 16, 24], dtype: "uint16" }],
    });
    expect(shown.images[0].places[0]).toMatch(/^file:\/\/localhost\/.*default\.zarr\/camera$/);
    const { output } = await sluice(["runs", "show", uid.slice(0, 6), "--catalog", "beamtime.db"], folder);
    expect(output).toMatch(/^Plan +count, success$/m);
    expect(output).toMatch(/^Images of camera +7 frames +uint16 \[16, 24\] +file:/m);
  });

  it("sluice runs table prints its events, page by page", async () => {
    const table = (...args: string[]) => json(["runs", "table", uid, "--catalog", "beamtime.db", ...args], folder);
    const first = await table("--limit", "4", "--field", "stage-y");
    expect(first.columns).toEqual(["seq_num", "time", "stage-y"]);
    const rest = await table("--limit", "4", "--cursor", first.cursor, "--field", "stage-y");
    expect(rest.cursor).toBeNull();
    expect([...first.rows, ...rest.rows].map(({ seq_num }) => seq_num)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    const { output, errors } = await sluice(["runs", "table", uid, "--catalog", "s.yaml", "-n", "2"], folder);
    expect(output.trimEnd().split("\n")).toHaveLength(3);
    expect(errors).toBe("More: --cursor 2\n");
  });

  it("sluice runs export writes it as a file, to a pipe or to a store, and overwrites none", async () => {
    const args = ["runs", "export", "last", "--session", "s.yaml", "--format"];
    const csv = await sluice([...args, "csv"], folder);
    expect(csv.output.split("\r\n")[0]).toBe("seq_num,time,stage-x,stage-y");
    const documents = await sluice([...args, "documents", "-o", "run.jsonl"], folder);
    expect(documents.code, documents.errors).toBe(0);
    const lines = readFileSync(join(folder, "run.jsonl"), "utf8").trimEnd().split("\n");
    expect(JSON.parse(lines.at(-1) as string)).toMatchObject({ name: "stop", doc: { exit_status: "success" } });
    const again = await sluice([...args, "csv", "-o", "run.jsonl"], folder);
    expect([again.code, again.errors]).toEqual([1, expect.stringMatching(/ALREADY_EXISTS|PRECONDITION_FAILED/)]);
    expect(readFileSync(join(folder, "run.jsonl"), "utf8").trimEnd().split("\n")).toEqual(lines);
  });

  it("sluice runs image writes a frame as a file, from the last on, and overwrites none", async () => {
    const image = (...args: string[]) => ["runs", "image", "last", "--catalog", "s.yaml", ...args];
    const written = await json(image("-o", "last.npy"), folder);
    expect(written).toEqual({
      ...{ run: uid, field: "camera", frame: 6, shape: [16, 24], dtype: "uint16", output: "last.npy" },
    });
    await json(image("-o", "third.npy", "--frame", "2", "--field", "camera"), folder);
    const files = new FileManager(new BackendSet(createRegistry(), { disk: { use: "disk", root: folder } }));
    await using catalog = await Catalog.open(join(folder, "beamtime.db"));
    const images = await (await catalog.get(uid)).images("camera");
    for (const [name, frame] of [
      ["last.npy", 6],
      ["third.npy", 2],
    ] as const) {
      expect(arraysEqual((await files.load(name, "disk")) as NdArray, await images.at(frame))).toBe(true);
    }
    const again = await sluice(image("-o", "last.npy"), folder);
    expect([again.code, again.errors]).toEqual([1, expect.stringContaining("ALREADY_EXISTS")]);
  });

  it.each([
    [["runs", "image", "last", "--catalog", "s.yaml", "-o", "x.npy", "--frame", "7"], 1, /OUT_OF_RANGE: Image 7/],
    [
      ["runs", "image", "last", "--catalog", "s.yaml", "-o", "x.npy", "--field", "x"],
      1,
      /no images of "x". It has: camera/,
    ],
    [["runs", "image", "last", "--catalog", "s.yaml", "-o", "x.npy", "--frame", "one"], 2, /must be a whole number/],
    [["runs"], 1, /CONFIG_INVALID: Say which catalogue: --catalog/],
    [["runs", "list", "--catalog", "none.db"], 1, /NOT_FOUND/],
    [["runs", "list", "--catalog", "s.yaml", "--cursor", "x"], 1, /INVALID_DATA/],
    [["runs", "show", "ffff-nobody", "--catalog", "beamtime.db"], 1, /NOT_FOUND: No run "ffff-nobody"/],
    [["runs", "table", "last", "--catalog", "s.yaml", "--stream", "x"], 1, /no stream "x". It has: primary/],
    [["runs", "table", "last", "--catalog", "s.yaml", "--field", "x"], 1, /no field "x"/],
    [["runs", "list", "--limit", "0"], 2, /whole number of at least 1/],
    [["runs", "search", "--from", "yesterday"], 2, /such as 2026-03-05/],
    [["runs", "search", "--status", "good"], 2, /Allowed choices are running/],
    [["runs", "frobnicate"], 2, /frobnicate|too many arguments/],
    [["index", "verify"], 1, /CONFIG_INVALID: Say which master index: --index/],
  ])("sluice %j ends with %i", async (args, code, message) => {
    expect(await sluice(args, folder)).toMatchObject({ code, errors: expect.stringMatching(message) });
  });

  it("reads a catalogue that may not be written", async () => {
    const copy = join(scratchFolder(), "copy.db");
    writeFileSync(copy, readFileSync(join(folder, "beamtime.db")));
    chmodSync(copy, 0o444);
    expect((await json(["runs", "list", "--catalog", copy], folder)).runs).toHaveLength(1);
  });
});

describe("sluice index", () => {
  it("adds a beamtime, says what is wrong with it, and repairs that", async () => {
    const folder = scratchFolder();
    const path = join(folder, "b.db");
    const record = () => new RunWriter(path, { name: "PS" }).use((writer) => writer.openRun("scan"));
    await record();
    const index = ["--index", "index.db"];
    const add = ["index", "add", "b.db", "--researcher", "Josiah Carberry", "--orcid", "0000-0002-1825-0097", ...index];
    expect(await json(add, folder)).toMatchObject({ added: 1, updated: 0, removed: 0 });
    expect(await json(add, folder)).toMatchObject({ added: 0, updated: 0, removed: 0 });
    await record();
    const wrong = await sluice(["index", "verify", ...index], folder);
    expect([wrong.code, wrong.output]).toEqual([
      1,
      expect.stringMatching(/^not-indexed +b +\w{32}\n1 problem in 1 beam/),
    ]);
    expect(await json(["index", "repair", "--dry-run", ...index], folder)).toMatchObject({ dryRun: true, added: 1 });
    expect((await sluice(["index", "repair", ...index], folder)).output).toBe("1 run added, 0 updated, 0 removed\n");
    expect(await sluice(["index", "verify", ...index], folder)).toMatchObject({ code: 0 });
    const { output } = await sluice(
      ["index", "search", "--researcher", "Josiah Carberry", "-n", "1", ...index],
      folder,
    );
    expect(output.split("\n")[1]).toMatch(/success +scan +PS +Josiah Carberry +b +\w{32} +b\.db$/);
  });

  it("is told where a file is now, and forgets one that is gone", async () => {
    const folder = scratchFolder();
    const record = (name: string) => new RunWriter(join(folder, name), { name: "PS" }).use((w) => w.openRun("scan"));
    const index = (...args: string[]) => sluice(["index", ...args, "--index", "index.db"], folder);
    for (const name of ["a.db", "b.db"]) {
      await record(name);
      expect((await index("add", name, "--researcher", "Ada")).code).toBe(0);
    }
    for (const end of ["", "-wal", "-shm"]) rmSync(join(folder, `b.db${end}`), { force: true });
    renameSync(join(folder, "a.db"), join(folder, "c.db"));
    await record("c.db");
    const wrong = await index("verify");
    expect([wrong.code, wrong.output]).toEqual([1, expect.stringMatching(/^missing-file +a .*sluice index move/s)]);
    expect(await index("move", "a", "b.db")).toMatchObject({ code: 1, errors: expect.stringContaining("NOT_FOUND") });
    const moved = await index("move", "a", "c.db");
    expect([moved.code, moved.output]).toEqual([
      0,
      expect.stringMatching(/^Beamtime "a" is .*c\.db: 1 added, 0 updated, 0 removed\n$/),
    ]);
    const nobody = await index("remove", "nobody");
    expect(nobody).toMatchObject({ code: 1, errors: expect.stringContaining("NOT_FOUND: The index has no beamtime") });
    expect((await index("remove", "b.db")).code).toBe(0);
    expect(await index("verify")).toMatchObject({ code: 0 });
    expect((await json(["index", "search", "--index", "index.db"], folder)).runs).toHaveLength(2);
  });

  it.each([["search"], ["verify"], ["repair"], ["repair", "--dry-run"]])("%s %s makes no index", async (...args) => {
    const folder = scratchFolder();
    const { code, errors } = await sluice(["index", ...args, "--index", "typo.db"], folder);
    expect([code, errors]).toEqual([1, expect.stringContaining("NOT_FOUND")]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("registers nothing that is no beamtime file", async () => {
    const folder = scratchFolder({ "notes.txt": "x".repeat(2000) });
    const args = ["index", "add", "notes.txt", "--researcher", "Me", "--index", "index.db"];
    expect(await sluice(args, folder)).toMatchObject({ code: 1, errors: expect.stringContaining("CORRUPT") });
    expect((await sluice(["ls"], folder)).output).not.toContain("index.db");
  });
});

describe("names of others", () => {
  it("command no terminal", async () => {
    const folder = scratchFolder();
    const evil = "\u001b[2Jscan\nx";
    await new RunWriter(join(folder, "b.db"), { name: evil }).use(async (writer) => {
      await writer.openRun(evil, { metadata: { [evil]: evil }, operator: evil });
      await writer.openStream(evil, { [evil]: { source: evil } });
      await writer.writeEvent({ [evil]: evil });
    });
    for (const args of [["list"], ["show", "last"], ["table", "last", "--stream", evil], ["follow", "last"]]) {
      const { output, errors, code } = await sluice(["runs", ...args, "--catalog", "b.db"], folder);
      expect(code, errors).toBe(0);
      expect(output).toContain("\\x1b[2Jscan\\x0ax");
      expect(output + errors).not.toContain("\u001b");
    }
  });
});

describe("sluice runs follow", () => {
  it("prints the events of a run that another process records, and ends with it", async () => {
    const folder = scratchFolder({ "s.yaml": sessionFile(10_000_000) });
    const run = start(["acquire", "s.yaml"], folder);
    await run.said(/of 10000000 readings/);
    const follow = start(["runs", "follow", "last", "--catalog", "s.yaml", "--json"], folder);
    await once(follow.child.stdout as NodeJS.ReadableStream, "data");
    run.child.kill("SIGINT");
    expect((await run.finished).code).toBe(130);
    const { code, output, errors } = await follow.finished;
    expect(code, errors).toBe(0);
    expect(errors).toMatch(/Run \S+: aborted, \d+ events\n$/);
    const numbers = output
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).seqNum);
    expect(numbers).toEqual(numbers.map((_, i) => i + 1));
    const { runs } = await json(["runs", "--catalog", "s.yaml"], folder);
    expect(runs).toMatchObject([{ status: "aborted" }]);
    const all = ["runs", "table", "last", "--limit", "1000000", "--catalog", "s.yaml"];
    expect((await json(all, folder)).rows).toHaveLength(numbers.length);
  });

  it("ends at Ctrl-C with 130", async () => {
    const folder = scratchFolder();
    await using writer = new RunWriter(join(folder, "b.db"), { name: "PS" });
    await writer.open();
    await writer.openRun("scan");
    const follow = start(["runs", "follow", "last", "--catalog", "b.db"], folder);
    await follow.said(/Following run/);
    follow.child.kill("SIGINT");
    expect((await follow.finished).code).toBe(130);
  });
});

describe("a killed acquire", () => {
  it("leaves a run that is lost, with its events, and the next one goes on", async () => {
    const folder = scratchFolder({ "s.yaml": sessionFile(10_000_000) });
    const run = start(["acquire", "s.yaml"], folder);
    await run.said(/of 10000000 readings/);
    const follow = start(["runs", "follow", "last", "--catalog", "s.yaml", "--json"], folder);
    await once(follow.child.stdout as NodeJS.ReadableStream, "data");
    run.child.kill("SIGKILL");
    await run.finished;
    expect(await follow.finished).toMatchObject({ code: 0, errors: expect.stringMatching(/: lost, \d+ events\n$/) });
    // Known at once; written down by the next that opens the file for writing.
    const [lost] = (await json(["runs", "--catalog", "s.yaml"], folder)).runs;
    expect(lost.status).toBe("lost");
    const next = await sluice(["acquire", "s.yaml", "--num", "2"], folder);
    expect(next.code, next.errors).toBe(0);
    await using catalog = await Catalog.open(join(folder, "beamtime.db"));
    const [newest, older] = await catalog.recent();
    expect([newest?.status, older?.exitStatus, older?.uid]).toEqual(["success", "lost", lost.uid]);
    expect(older?.numEvents).toBeGreaterThan(0);
    expect((await json(["index", "search", "--status", "lost", "--index", "s.yaml"], folder)).runs).toHaveLength(1);
  });
});

describe("two sessions at once on one catalogue", () => {
  it("record side by side", async () => {
    const folder = scratchFolder({ "a.yaml": sessionFile(60), "b.yaml": sessionFile(60).replace("test", "other") });
    const both = await Promise.all(["a.yaml", "b.yaml"].map((file) => sluice(["acquire", file, "--json"], folder)));
    expect(both.map(({ code, errors }) => [code, errors.includes("Catalogue")])).toEqual([
      [0, false],
      [0, false],
    ]);
    const { runs } = await json(["runs", "--catalog", "a.yaml"], folder);
    expect(runs.map(({ status, numEvents }: Record<string, unknown>) => [status, numEvents])).toEqual([
      ["success", 60],
      ["success", 60],
    ]);
    expect((await json(["index", "verify", "--index", "a.yaml"], folder)).problems).toEqual([]);
  });
});

describe("without a library for SQLite", () => {
  /** Makes Node forget that there is one. */
  const hook = `
    import { register } from "node:module";
    const builtin = process.getBuiltinModule;
    if (builtin) process.getBuiltinModule = (name) => (name === "node:sqlite" ? undefined : builtin.call(process, name));
    register("data:text/javascript," + encodeURIComponent(\`export function resolve(name, context, next) {
      if (name === "better-sqlite3") throw Object.assign(new Error("none"), { code: "ERR_MODULE_NOT_FOUND" });
      return next(name, context);
    }\`));
  `;
  const run = async (args: readonly string[], folder: string) => {
    const { spawn } = await import("node:child_process");
    const child = spawn(process.execPath, ["--import", "./hook.mjs", main, ...args], { cwd: folder });
    let text = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (text += chunk));
    const [code] = await once(child, "close");
    return { code, text };
  };

  it("says what to install, records where the catalogue is not essential, and not where it is", async () => {
    const files = { "hook.mjs": hook, "s.yaml": sessionFile(2) };
    const folder = scratchFolder({
      ...files,
      "o.yaml": sessionFile(2).replace("catalog: {", "catalog: {essential: false, "),
    });
    const command = /MISSING_DEPENDENCY: .*npm install better-sqlite3@12/;
    for (const args of [
      ["acquire", "s.yaml"],
      ["runs", "--catalog", "b.db"],
      ["index", "verify", "--index", "i.db"],
    ]) {
      expect(await run(args, folder)).toEqual({ code: 1, text: expect.stringMatching(command) });
    }
    const { code, text } = await run(["acquire", "o.yaml"], folder);
    expect([code, text]).toEqual([0, expect.stringMatching(command)]);
    expect(text).toContain("done: 2 readings");
  });
});
