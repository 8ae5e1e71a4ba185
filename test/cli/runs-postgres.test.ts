/** `sluice runs` and `sluice index` on URLs of PostgreSQL, with the password of the environment. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { RunWriter } from "../../src/catalog/index.ts";
import { newSchema } from "../support/catalog-engines.ts";
import { hasPostgres, type OwnPostgresServer, startOwnPostgres } from "../support/postgres-server.ts";
import { scratchFolder, sluice, start } from "./command.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const ps = { name: "PS", tags: ["film"] };

describe.skipIf(!hasPostgres)("with a URL of PostgreSQL", () => {
  let server: OwnPostgresServer;
  let password: string;
  let folder: string;
  /** With the password, for the test; and without, for the command. */
  let url: string;
  let place: string;
  let uid: string;
  const bare = (location: string) => location.replace(`:${password}@`, "@");

  beforeAll(async () => {
    server = await startOwnPostgres();
    ({ password } = new URL(server.url));
    expect(password).not.toBe("");
    folder = scratchFolder();
    url = newSchema(server.url);
    place = bare(url);
    await new RunWriter(url, ps).use(async (writer) => {
      await writer.openRun("scan");
      await writer.closeRun();
      uid = await writer.openRun("nexafs", { metadata: { tags: ["night"], note: "carbon" }, operator: "Ada" });
      await writer.openStream("primary", { energy: { source: "mono", dtype: "number", shape: [], units: "eV" } });
      for (let i = 0; i < 7; i++) await writer.writeEvent({ energy: 280 + i / 2 });
    });
  });
  afterAll(() => server?.stop());
  beforeEach(() => vi.stubEnv("PGPASSWORD", password));
  afterEach(() => vi.unstubAllEnvs());

  /** Runs a command, which must not say the password. */
  async function run(args: readonly string[], code = 0): Promise<{ output: string; errors: string }> {
    const done = await sluice(args, folder);
    expect(done.code, done.errors).toBe(code);
    expect(done.output + done.errors).not.toContain(`${password}@`);
    return done;
  }
  const json = async (...args: string[]) => JSON.parse((await run([...args, "--json"])).output);

  it.each([
    ["in the environment", () => place],
    ["in the URL", () => url],
  ])("sluice runs list and search find its runs, with the password %s", async (_, where) => {
    if (where() === url) vi.stubEnv("PGPASSWORD", undefined);
    const all = await json("runs", "list", "--catalog", where());
    expect([all.catalog, all.runs.length]).toEqual([place, 2]);
    const filter = ["carbon", "--tag", "night", "film", "--plan", "nexafs", "--status", "success", "--sample", "PS"];
    expect((await json("runs", "search", ...filter, "--catalog", where())).runs).toMatchObject([{ uid }]);
    expect((await json("runs", "search", "nobody", "--catalog", where())).runs).toEqual([]);
  });

  it("sluice runs list goes from page to page", async () => {
    const first = await json("runs", "list", "-n", "1", "--catalog", place);
    const rest = await json("runs", "list", "-n", "1", "--cursor", first.cursor, "--catalog", place);
    expect([first.runs[0].uid, rest.runs[0].planName, rest.cursor]).toEqual([uid, "scan", null]);
  });

  it("sluice runs show and table say what is in a run", async () => {
    const { output } = await run(["runs", "show", uid.slice(0, 8), "--catalog", place]);
    expect(output).toMatch(/^Plan +nexafs, success$/m);
    expect(output).toMatch(/^Operator +Ada$/m);
    expect(output).toMatch(/^ +energy +number +eV +mono$/m);
    const page = await json("runs", "table", uid, "--limit", "4", "--catalog", place);
    const rest = await json("runs", "table", uid, "--limit", "4", "--cursor", page.cursor, "--catalog", place);
    expect([...page.rows, ...rest.rows].map(({ energy }) => energy)).toEqual([280, 280.5, 281, 281.5, 282, 282.5, 283]);
  });

  it("sluice runs export writes it in every format", async () => {
    const { output } = await run(["runs", "export", uid, "--format", "csv", "--catalog", place]);
    expect(output.split("\r\n").slice(0, 2)).toEqual(["seq_num,time,energy", expect.stringMatching(/^1,\S+,280$/)]);
    for (const format of ["documents", "json", "ndjson", "arrow"]) {
      await run(["runs", "export", uid, "--format", format, "-o", `run.${format}`, "--catalog", place]);
      expect(readFileSync(join(folder, `run.${format}`)).byteLength).toBeGreaterThan(100);
    }
    const documents = readFileSync(join(folder, "run.documents"), "utf8").trimEnd().split("\n");
    expect(documents.map((line) => JSON.parse(line).name)).toEqual([
      ...["start", "descriptor", ...Array<string>(7).fill("event"), "stop"],
    ]);
  });

  it("sluice runs follow prints events of another process, and ends with the run", async () => {
    await using writer = new RunWriter(url, ps);
    await writer.open();
    const live = await writer.openRun("live");
    await writer.openStream("primary", {});
    await writer.writeEvent({ i: 0 });
    const follow = start(["runs", "follow", live, "--catalog", place, "--json"], folder);
    await once(follow.child.stdout as NodeJS.ReadableStream, "data");
    for (let i = 1; i < 20; i++) await writer.writeEvent({ i });
    await writer.closeRun();
    const { code, output, errors } = await follow.finished;
    expect(code, errors).toBe(0);
    expect(
      output
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line).data.i),
    ).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(errors).toMatch(/: success, 20 events\n$/);
    expect(output + errors).not.toContain(`${password}@`);
  });

  it.each([
    ["a file", () => "index.db"],
    ["PostgreSQL", () => bare(newSchema(server.url))],
  ])("sluice index adds, verifies, repairs and searches the beamtime, in an index in %s", async (_, newIndex) => {
    const location = newIndex();
    const beamtime = newSchema(server.url);
    const record = (plan: string) => new RunWriter(beamtime, ps).use((writer) => writer.openRun(plan));
    await record("first");
    const index = ["--index", location];
    const added = await json("index", "add", beamtime, "--researcher", "Josiah Carberry", ...index);
    expect(added).toMatchObject({ added: 1, updated: 0, removed: 0 });
    await record("second");
    const label = new URL(beamtime).searchParams.get("schema");
    const { output } = await run(["index", "verify", ...index], 1);
    expect(output).toMatch(new RegExp(`^not-indexed +${label} +\\w{32}\n1 problem in 1 beamtime`));
    expect((await run(["index", "repair", ...index])).output).toBe("1 run added, 0 updated, 0 removed\n");
    expect((await json("index", "verify", ...index)).problems).toEqual([]);
    const found = await json("index", "search", "second", "--beamtime", label as string, ...index);
    expect(found.runs).toMatchObject([{ planName: "second", beamtime: { path: bare(beamtime) } }]);
    const listed = await run(["index", "search", "--researcher", "Josiah Carberry", ...index]);
    expect(listed.output.split("\n")[1]?.endsWith(bare(beamtime))).toBe(true);
    if (location === "index.db") {
      expect(readFileSync(join(folder, location)).includes(`${password}@`)).toBe(false);
    }
    vi.stubEnv("PGPASSWORD", "wrong");
    if (location === "index.db") {
      const refused = await run(["index", "verify", ...index], 1);
      expect(refused.output).toMatch(/^unreadable-file +\S+ +postgres:.*refused the user or the password/m);
    } else expect((await run(["index", "verify", ...index], 1)).errors).toMatch(/UNAUTHENTICATED/);
  });
});
