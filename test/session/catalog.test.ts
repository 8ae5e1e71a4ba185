import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { Catalog } from "../../src/catalog/index.ts";
import { arraysEqual, StorageError } from "../../src/index.ts";
import {
  CATALOG,
  count,
  type Plan,
  type RunSummary,
  type Session,
  type SessionCatalog,
  type SessionInput,
  type SimulatedCamera,
} from "../../src/session/index.ts";
import { openSqlite } from "../../src/sqlite/open.ts";
import { sluice } from "../cli/command.ts";
import { dropSchema, newSchema } from "../support/catalog-engines.ts";
import { hasPostgres, type PostgresServer, startPostgres } from "../support/postgres-server.ts";
import { rejectionOf } from "../support/rejection.ts";
import { documentsOf } from "./run-support.ts";
import { deviceOf, open, temporaryFolder } from "./support.ts";

const camera = { use: "simulated-camera", shape: [24, 32], blobs: 2 } as const;

/** A session with a catalogue and one camera, in a folder of its own. */
async function catalogued(folder: string, more: Partial<SessionInput> = {}, options: Parameters<typeof open>[1] = {}) {
  const config = {
    catalog: "beamtime.db",
    metadata: { operator: "Ada", sample: "PS 1", tags: ["night"] },
    storage: { basePath: "data" },
    devices: { camera, stage: { use: "simulated-stage" } },
    ...more,
  } as Partial<SessionInput>;
  return open(config, { baseDirectory: folder, ...options });
}

async function sql(path: string, statement: string): Promise<void> {
  const driver = await openSqlite(path);
  driver.exec(statement);
  driver.close();
}

const catalogOf = (session: Session) => session.get(CATALOG) as SessionCatalog;

describe("A session with a catalogue", () => {
  it("leaves every run in it, with the documents that it wrote, and says which one it is", async () => {
    const folder = await temporaryFolder();
    const session = await catalogued(folder);
    const summary = await session.run(count({ num: 3 }));
    expect(summary.catalog).toEqual({ location: join(folder, "beamtime.db"), runUid: summary.runUid });
    await session.run(count({ num: 1 }));
    await session.close();

    await using catalog = await Catalog.open(join(folder, "beamtime.db"));
    expect((await catalog.recent()).length).toBe(2);
    const run = await catalog.get(summary.runUid);
    expect(run).toMatchObject({ planName: "count", status: "success", numEvents: 3, operator: "Ada" });
    expect(run.sample).toMatchObject({ name: "PS 1" });
    const { runs } = await catalog.search({ tags: { all: ["night"] }, sample: "PS 1" });
    expect(runs.map(({ uid }) => uid)).toContain(summary.runUid);

    const documents = await documentsOf(summary.folder);
    const events = documents.flatMap((document) => (document[0] === "event" ? [document[1]] : []));
    const table = await run.table();
    expect(table.rows()).toEqual(
      events.map(({ seq_num, time, data }) => ({ seq_num, time, ...data }) as Record<string, unknown>),
    );
    const exported: unknown[] = [];
    for await (const [name, document] of run.documents()) {
      // What frames belong to which events is put together anew; all else is as it was.
      if (name !== "stream_datum") exported.push([name, JSON.parse(JSON.stringify(document))]);
    }
    const written = documents.filter(([name]) => name !== "stream_datum");
    expect(exported.map((each) => (each as [string])[0])).toEqual(written.map(([name]) => name));
    for (const name of ["start", "event", "stop"] as const) {
      const of = (all: readonly unknown[]) => all.filter((each) => (each as [string])[0] === name);
      expect(of(exported)).toEqual(of(written));
    }
  });

  it.each([
    ["Zarr on the disk", { use: "zarr" }],
    ["Zarr in a named store", { use: "zarr", store: "archive", path: "frames of 2026" }],
    ["a TIFF sequence", { use: "tiff" }],
  ])("refers to frames where they are: %s", async (_, writer) => {
    const folder = await temporaryFolder();
    const session = await catalogued(folder, {
      backends: { other: { use: "memory" }, archive: { use: "memory" } },
      storage: { basePath: "data", writers: { default: writer } },
    });
    const { runUid } = await session.run(count({ num: 4 }));
    const images = await (await catalogOf(session).runs.get(runUid)).images("camera");
    expect([images.shape, images.dtype]).toEqual([[4, 24, 32], "uint16"]);
    const device = deviceOf<SimulatedCamera>(session, "camera");
    for (const index of [0, 3]) expect(arraysEqual(await images.at(index), device.preview(index))).toBe(true);
    expect((await images.slice(1, 3).load()).shape).toEqual([2, 24, 32]);
  });

  it("can be followed by others while a run goes on", async () => {
    const folder = await temporaryFolder();
    const session = await catalogued(folder);
    await using catalog = await Catalog.open(join(folder, "beamtime.db"));
    const seen: number[] = [];
    const following = new Promise<void>((resolve, reject) => {
      session.subscribe(([name, document]) => {
        if (name !== "descriptor") return;
        const { run_start: uid } = document as { run_start: string };
        const follow = async () => {
          const until = async (): Promise<void> => ((await catalog.complete(uid)).length > 0 ? undefined : until());
          await until();
          for await (const { seqNum } of (await catalog.get(uid)).follow()) seen.push(seqNum);
        };
        follow().then(resolve, reject);
      });
    });
    await session.run(count({ num: 20 }));
    await following;
    expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });

  it("gives it to devices by its token, and closes it after them", async () => {
    const folder = await temporaryFolder();
    writeFileSync(
      join(folder, "device.mjs"),
      `export class Historian {
        static inject = [Symbol.for("sluice.session.CATALOG")];
        constructor(catalog) { this.catalog = catalog; }
        async close() { this.found = (await this.catalog.runs.recent()).length; }
      }`,
    );
    const devices = { camera, historian: { use: "./device.mjs#Historian" } };
    const session = await catalogued(folder, { devices });
    await session.run(count({ num: 1 }));
    const historian = deviceOf<{ catalog: SessionCatalog; found: number }>(session, "historian");
    expect(historian.catalog).toBe(session.catalog);
    await session.close();
    expect(historian.found).toBe(1);
    await expect(historian.catalog.runs.recent()).rejects.toMatchObject({ code: "NOT_OPEN" });
    const without = { baseDirectory: folder };
    await expect(open({ devices }, without)).rejects.toThrow(
      /asks at position 0 for the catalogue.*add a catalog section/,
    );
  });

  it("says of a run that was aborted, and of one that failed, that it was", async () => {
    const folder = await temporaryFolder();
    const session = await catalogued(folder);
    const stop = new AbortController();
    const summary = await session.run(count({ num: 1000 }), {
      signal: stop.signal,
      onProgress: ({ events }) => events === 3 && stop.abort(),
    });
    const failing = session.run(count({ num: 5 }), {
      onDocument: ([name]) => {
        if (name === "event") throw new Error("no tape");
      },
    });
    await expect(failing).rejects.toThrow("no tape");
    const [failed, aborted] = await catalogOf(session).runs.recent();
    expect([aborted?.uid, aborted?.status]).toEqual([summary.runUid, "aborted"]);
    expect([failed?.status, failed?.extra]).toEqual(["failed", expect.objectContaining({ reason: "no tape" })]);
  });

  it.each([
    ["success", async () => {}],
    ["failed", async () => Promise.reject(new Error("no light"))],
  ])("ends a run whose own plan sends no stop document: %s", async (status, end) => {
    const session = await catalogued(await temporaryFolder());
    const plan: Plan = async (_, { onDocument }) => {
      onDocument?.(["start", { uid: "mine", time: 1, plan_name: "by hand" }]);
      await end();
      return { runUid: "mine", exitStatus: "success", reason: "" } as RunSummary;
    };
    await session.run(plan).catch(() => {});
    expect(await catalogOf(session).runs.get("mine")).toMatchObject({ planName: "by hand", status });
  });

  it("indexes each run in the master index, under its researcher", async () => {
    const folder = await temporaryFolder();
    const catalog = {
      ...{ path: "2026/b.db", index: "index.db", beamtime: "March" },
      researcher: { name: "Josiah Carberry", orcid: "0000-0002-1825-0097" },
      sample: { name: "PMMA", tags: ["film"] },
    };
    const session = await catalogued(folder, { catalog });
    const { runUid } = await session.run(count({ num: 1 }));
    const found = await catalogOf(session).index?.search({ tags: { all: ["night", "film"] }, text: "pmma" });
    expect(found?.runs).toMatchObject([
      { uid: runUid, researcher: { name: "Josiah Carberry" }, beamtime: { label: "March" }, status: "success" },
    ]);
  });

  it("does not see the runs of another session twice, nor disturb it, on one file", async () => {
    const folder = await temporaryFolder();
    const sessions = [await catalogued(folder), await catalogued(folder)];
    const summaries = await Promise.all(sessions.map((session) => session.run(count({ num: 30 }))));
    const runs = await catalogOf(sessions[0] as Session).runs.recent();
    expect(runs.map(({ uid, status, numEvents }) => [uid, status, numEvents]).sort()).toEqual(
      summaries.map(({ runUid }) => [runUid, "success", 30]).sort(),
    );
  });
});

describe("A catalogue that fails", () => {
  it.each([
    ["is no database", "CORRUPT", "x".repeat(5000)],
    ["is a folder", "IS_A_DIRECTORY", undefined],
  ])("refuses the session if it %s, and is left as it was", async (_, code, text) => {
    const folder = await temporaryFolder();
    const path = text === undefined ? "." : "b.db";
    if (text !== undefined) writeFileSync(join(folder, path), text);
    const error = await rejectionOf(catalogued(folder, { catalog: path }));
    expect(error).toMatchObject({ code, message: expect.stringMatching(/^catalog: /) });
    expect(readdirSync(folder)).toEqual(text === undefined ? [] : [path]);
    if (text !== undefined) expect(readFileSync(join(folder, path), "utf8")).toBe(text);
  });

  it("lets the session open without it if it is not essential, and says so", async () => {
    const folder = await temporaryFolder();
    writeFileSync(join(folder, "b.db"), "x".repeat(5000));
    const told: StorageError[] = [];
    const options = { onCatalogError: (error: StorageError) => told.push(error) };
    const session = await catalogued(folder, { catalog: { path: "b.db", essential: false } }, options);
    expect(told).toMatchObject([{ code: "CORRUPT" }]);
    expect(session.catalog).toBeUndefined();
    expect(await session.run(count({ num: 2 }))).toMatchObject({ exitStatus: "success", events: 2 });
  });

  it("on the way costs no frame: the run goes on, all of it is told once, and the summary says so", async () => {
    const folder = await temporaryFolder();
    const told: StorageError[] = [];
    const session = await catalogued(folder, {}, { onCatalogError: (error) => told.push(error) });
    await sql(join(folder, "beamtime.db"), "DROP TABLE streams");
    const summary = await session.run(count({ num: 5 }));
    expect(summary).toMatchObject({ exitStatus: "success", devices: { camera: { frames: 5, rejected: 0 } } });
    expect(summary.catalog).toMatchObject({ runUid: summary.runUid, error: { code: told[0]?.code } });
    expect(told).toHaveLength(2);
    expect(told[1]?.message).toMatch(/\d+ documents of run .* are not in /);
    expect((await documentsOf(summary.folder)).at(-1)).toMatchObject(["stop", { exit_status: "success" }]);
  });

  it("for a while takes what it missed when it can be written again", async () => {
    const folder = await temporaryFolder();
    const session = await catalogued(folder, {}, { onCatalogError: () => {} });
    const path = join(folder, "beamtime.db");
    const { writer } = catalogOf(session);
    const { openRun } = writer;
    writer.openRun = () => Promise.reject(new StorageError("NO_SPACE", "full"));
    const missed = await session.run(count({ num: 1 }));
    expect(missed.catalog?.runUid).toBeUndefined();
    expect(missed.catalog?.error).toMatchObject({ code: "NO_SPACE" });
    writer.openRun = openRun;
    const next = await session.run(count({ num: 2 }));
    expect(next.catalog).toEqual({ location: path, runUid: next.runUid });
    expect(await catalogOf(session).runs.get(missed.runUid)).toMatchObject({ status: "success", numEvents: 1 });
  });
});

describe.skipIf(!hasPostgres)("A catalogue in PostgreSQL", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  }, 60_000);
  afterAll(() => server.stop());

  it("has the runs of the session, their index and their frames, with the password of the environment", async () => {
    const location = newSchema(server.url);
    onTestFinished(() => dropSchema(location));
    const url = new URL(location);
    vi.stubEnv("PGPASSWORD", decodeURIComponent(url.password));
    onTestFinished(() => void vi.unstubAllEnvs());
    const { password } = url;
    url.password = "";
    const folder = await temporaryFolder();
    const catalog = { path: url.href, index: "index.db", researcher: "Josiah Carberry" };
    const session = await catalogued(folder, { catalog });
    const summary = await session.run(count({ num: 4 }));
    expect(summary.catalog).toEqual({ location: url.href, runUid: summary.runUid });
    const run = await catalogOf(session).runs.get(summary.runUid);
    expect(run).toMatchObject({ planName: "count", status: "success", numEvents: 4, sample: { name: "PS 1" } });
    const images = await run.images("camera");
    expect(images.shape).toEqual([4, 24, 32]);
    const device = deviceOf<SimulatedCamera>(session, "camera");
    expect(arraysEqual(await images.at(-1), device.preview(3))).toBe(true);
    const index = catalogOf(session).index;
    expect((await index?.search({ tags: { all: ["night"] } }))?.runs).toMatchObject([{ uid: summary.runUid }]);
    await session.close();

    writeFileSync(join(folder, "s.yaml"), `session: test\ncatalog: {path: "${url.href}"}\n`);
    for (const place of [url.href, "s.yaml"]) {
      const listed = await sluice(["runs", "list", "--catalog", place, "--json"], folder);
      expect(listed.code, listed.errors).toBe(0);
      expect(JSON.parse(listed.output).runs).toMatchObject([{ uid: summary.runUid, numEvents: 4 }]);
      expect(listed.output + listed.errors).not.toContain(`:${password}@`);
    }
    const { output, errors } = await sluice(["runs", "list", "--catalog", location], folder);
    expect(output).toContain(summary.runUid);
    expect(output + errors).not.toContain(`:${password}@`);

    vi.stubEnv("PGPASSWORD", "not-this-one");
    const refused = await sluice(["runs", "list", "--catalog", url.href], folder);
    expect(refused.code).not.toBe(0);
    expect(refused.errors).not.toMatch(/not-this-one/);
  });
});

describe("Secrets", () => {
  it("of options of backends and devices do not come into the catalogue", async () => {
    const folder = await temporaryFolder();
    writeFileSync(
      join(folder, "device.mjs"),
      `export class Door { constructor(name, { password }) { this.name = name; this.password = password; } }`,
    );
    const session = await catalogued(folder, {
      backends: {
        web: { use: "http", baseUrl: "https://me:hunter2@host/?sig=hunter2", headers: { authorization: "hunter2" } },
      },
      devices: { camera, door: { use: "./device.mjs#Door", password: "hunter2" } },
    });
    await session.run(count({ num: 2 }));
    await session.close();
    for (const name of readdirSync(folder, { recursive: true }) as string[]) {
      if (/\.db(-\w+)?$|\.jsonl$/.test(name)) {
        expect(readFileSync(join(folder, name)).includes("hunter2"), name).toBe(false);
      }
    }
  });

  it("in the URL of a database are refused, and not repeated", async () => {
    const error = await rejectionOf(open({ catalog: "postgres://me:hunter2@host/runs" }));
    expect(error).toMatchObject({ code: "CONFIG_INVALID", message: expect.stringMatching(/catalog.*PGPASSWORD/s) });
    expect((error as Error).message).not.toContain("hunter2");
  });
});

describe("Mistakes in the catalog section", () => {
  it.each([
    [
      { catalog: { pth: "a.db" } },
      /catalog\.path: missing, expected string\n.*catalog\.pth: unknown key, did you mean "path"/,
    ],
    [{ catalog: 5 }, /catalog: expected object, got number/],
    [{ catalog: { path: "a.db", sample: { label: "PS" } } }, /catalog\.sample\.label: unknown key/],
    [{ catalog: { path: "a.db", index: "i.db" } }, /catalog\.researcher: missing/],
    [{ catalog: { path: "a.db", beamtime: "March" } }, /catalog\.beamtime: is for the index/],
  ])("are told with their paths: %j", async (config, message) => {
    await expect(open(config as never)).rejects.toThrow(message);
  });
});
