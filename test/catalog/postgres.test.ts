/** What is special about a catalogue in PostgreSQL: many machines, connections that are lost, and a password. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Catalog } from "../../src/catalog/catalog.ts";
import { openDatabase } from "../../src/catalog/database.ts";
import { IndexWriter } from "../../src/catalog/index/index-writer.ts";
import { parsePostgresUrl, publicLocation } from "../../src/catalog/location.ts";
import { loadPostgres, numbered } from "../../src/catalog/postgres-connection.ts";
import { RunWriter } from "../../src/catalog/run-writer.ts";
import { StorageError } from "../../src/core/errors.ts";
import { ndArray } from "../../src/core/nd-array.ts";
import { type Bundle, bundle, installed } from "../support/bundle.ts";
import { newSchema } from "../support/catalog-engines.ts";
import { hasPostgres, type OwnPostgresServer, startOwnPostgres } from "../support/postgres-server.ts";
import { rejectionOf } from "../support/rejection.ts";

const PASSWORD = "testing";
let script: Bundle;
const ps = { name: "PS" };

/** A process that writes events; its lines are the uid of its run, and then how many events are committed. */
function startWriter(url: string, events: number): { child: ChildProcess; lines: AsyncIterator<string> } {
  const child = spawn(process.execPath, [script.path, url, String(events)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return { child, lines: createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]() };
}

describe.skipIf(!hasPostgres)("a catalogue in PostgreSQL", () => {
  let server: OwnPostgresServer;
  beforeAll(async () => {
    [script, server] = await Promise.all([
      bundle(new URL("./children/write-events.ts", import.meta.url), installed),
      startOwnPostgres(),
    ]);
  }, 60_000);
  afterAll(async () => {
    await server.stop();
    await script.remove();
  });

  it("case 57: takes runs of four processes at the same time, and has every event of each", async () => {
    const url = newSchema(server.url);
    const writers = Array.from({ length: 4 }, () => startWriter(url, 500));
    await Promise.all(writers.map(({ child }) => once(child, "exit")));
    expect(writers.map(({ child }) => child.exitCode)).toEqual([0, 0, 0, 0]);
    await using catalog = await Catalog.open(url);
    const runs = await catalog.recent();
    expect(runs.map(({ status, numEvents }) => [status, numEvents])).toEqual(Array(4).fill(["success", 500]));
    for (const run of runs) {
      const { data } = (await run.table()).column("i");
      expect([...(data as Float64Array)]).toEqual(Array.from({ length: 500 }, (_, i) => i + 1));
    }
    // One sample: all of them found or made it by its name.
    expect(new Set(runs.map(({ sample }) => sample?.id)).size).toBe(1);
  }, 60_000);

  it("case 55: marks the run of a writer that was killed as lost, with all events that were committed", async () => {
    const url = newSchema(server.url);
    const { child, lines } = startWriter(url, 1_000_000);
    const run = (await lines.next()).value as string;
    let committed = 0;
    while (committed < 100) committed = Number((await lines.next()).value);
    child.kill("SIGKILL");
    await once(child, "exit");
    const writer = new RunWriter(url, ps);
    await writer.open();
    expect(writer.lostRuns).toEqual([run]);
    await writer.close();
    await using catalog = await Catalog.open(url);
    const found = await catalog.get(run);
    expect(found.status).toBe("lost");
    expect(found.numEvents).toBeGreaterThanOrEqual(committed);
  }, 60_000);

  it.each(["fast", "immediate"] as const)(
    "waits or says so when the server stops (%s) while events come, and loses none that was acknowledged",
    async (mode) => {
      const url = newSchema(server.url);
      const sockets = () => process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP")).length;
      const before = sockets();
      const writer = new RunWriter(url, ps, { onError: () => {} });
      await writer.open();
      const run = await writer.openRun("scan");
      await writer.openStream("primary", { i: {} });
      let acknowledged = 0;
      let accepted = 0;
      let isRestarted = false;
      const failures: unknown[] = [];
      const restarting = server.restart(mode).then(() => {
        isRestarted = true;
      });
      while (!isRestarted || acknowledged === 0 || failures.length === 0) {
        try {
          await writer.writeEvent({ i: accepted + 1 });
          accepted++;
          await writer.flush();
          acknowledged = accepted;
        } catch (error) {
          failures.push(error);
        }
        if (isRestarted && failures.length === 0 && acknowledged > 0) break;
      }
      await restarting;
      for (const failure of failures) {
        expect(failure).toBeInstanceOf(StorageError);
        expect((failure as StorageError).retryable).toBe(true);
      }
      await writer.flush();
      await writer.closeRun();
      await writer.close();
      // Of all that were tried none stays open: a server that stops would wait for them.
      await expect.poll(sockets, { timeout: 30_000 }).toBeLessThanOrEqual(before);
      await using catalog = await Catalog.open(url);
      const { data } = (await (await catalog.get(run)).table()).column("i");
      expect([...(data as Float64Array)]).toEqual(Array.from({ length: accepted }, (_, i) => i + 1));
      expect(writer.refusedRows).toBe(0);
    },
    60_000,
  );

  it("reads on after the server was restarted", async () => {
    const url = newSchema(server.url);
    await new RunWriter(url, ps).use((writer) => writer.openRun("scan"));
    await using catalog = await Catalog.open(url);
    expect(await catalog.recent()).toHaveLength(1);
    await server.restart();
    expect(await catalog.recent()).toHaveLength(1);
  }, 60_000);

  it("case 56: shows events of a writer to those who follow", async () => {
    const url = newSchema(server.url);
    const writer = new RunWriter(url, ps);
    await writer.open();
    const uid = await writer.openRun("scan");
    await writer.openStream("primary", { i: {} });
    await using catalog = await Catalog.open(url);
    const events = (await catalog.get(uid)).follow();
    for (let i = 1; i <= 5; i++) {
      const next = events.next();
      await writer.writeEvent({ i });
      expect((await next).value).toMatchObject({ seqNum: i, data: { i } });
    }
    await writer.closeRun();
    expect(await events.next()).toMatchObject({ done: true });
    await writer.close();
  });

  it("keeps schemas beside each other apart, and an index in one with its runs", async () => {
    const [one, other] = [newSchema(server.url), newSchema(server.url)];
    for (const url of [one, other]) await new RunWriter(url, ps).use((writer) => writer.openRun(url.slice(-4)));
    await using catalog = await Catalog.open(one);
    expect((await catalog.recent()).map(({ planName }) => planName)).toEqual([one.slice(-4)]);
    await using index = new IndexWriter(one, { password: PASSWORD });
    const researcher = await index.registerResearcher("Anna", "/data");
    for (const url of [one, other]) {
      await index.registerBeamtime(researcher, url.slice(-4), url);
      await index.reindex(url);
    }
    expect((await index.search()).runs).toHaveLength(2);
    const [run] = (await index.search({ beamtime: other.slice(-4) })).runs;
    expect((await index.open(run?.uid ?? "")).planName).toBe(other.slice(-4));
  });

  it("tells of no password, wherever one looks", async () => {
    const url = newSchema(server.url.replace(PASSWORD, "s3cret-w0rd"));
    const good = newSchema(server.url);
    const refused = await rejectionOf(Catalog.open(url));
    expect(refused.code).toBe("UNAUTHENTICATED");
    const gone = await rejectionOf(openDatabase(url.replace(/:\d+\//, ":1/")));
    expect(gone).toMatchObject({ code: "UNEXPECTED", retryable: true });
    const broken = await rejectionOf(openDatabase("postgres://u:s3cret-w0rd#x@host/db"));
    expect(broken.code).toBe("CONFIG_INVALID");
    const writer = new RunWriter(url, ps);
    const index = new IndexWriter(url);
    const failures = [refused, gone, broken, await rejectionOf(writer.open()), await rejectionOf(index.ensureSchema())];
    await index.close();
    failures.push(await rejectionOf(index.ensureSchema()));
    for (const failure of failures) {
      expect(`${failure.stack} ${inspect(failure, { depth: 9, showHidden: true })}`).not.toContain("s3cret-w0rd");
    }
    expect(`${writer.dbPath} ${index.location}`).not.toContain("s3cret-w0rd");
    await new RunWriter(good, ps).use((open) => open.openRun("scan"));
    await using catalog = await Catalog.open(good);
    expect(catalog.location).toBe(good.replace(`:${PASSWORD}`, ""));
    const documents: unknown[] = [];
    for await (const document of (await catalog.recent())[0]?.documents() ?? []) documents.push(document);
    expect(JSON.stringify(documents)).not.toContain(PASSWORD);
  });

  it("takes images where a backend is named for them, and none where nobody says where", async () => {
    const url = newSchema(server.url);
    await new RunWriter(url, ps).use(async (writer) => {
      await writer.openRun("scan");
      await writer.openStream("primary", {});
      const event = await writer.writeEvent({});
      const image = ndArray(new Uint8Array(4), [2, 2]);
      expect(await rejectionOf(writer.writeImage(event, "cam", image))).toMatchObject({ code: "CONFIG_INVALID" });
    });
  });

  it("leaves out what it has no place for, a NUL in a name, and writes all else", async () => {
    const url = newSchema(server.url);
    const writer = new RunWriter(url, ps, { onError: () => {} });
    await writer.open();
    const uid = await writer.openRun("scan");
    await writer.openStream("primary", { i: {} });
    await writer.writeEvent({ i: 1 }, {}, { uid: "a\0b" });
    await writer.writeEvent({ i: 2, text: "a\0b" });
    expect(await rejectionOf(writer.flush())).toMatchObject({ code: "CONFLICT" });
    expect(writer.refusedRows).toBe(1);
    await writer.closeRun();
    await writer.close();
    await using catalog = await Catalog.open(url);
    expect((await (await catalog.get(uid)).table()).column("text").data).toEqual(["a\0b"]);
  });

  it("waits for another writer no longer than it was told, and stops waiting when the signal fires", async () => {
    const url = newSchema(server.url);
    await using one = await openDatabase(url);
    await using two = await openDatabase(url, { busyTimeoutMs: 50 });
    const inside = async () => "done";
    await one.transaction(async () => {
      expect(await rejectionOf(two.transaction(inside))).toMatchObject({ code: "CONFLICT", retryable: true });
      await using three = await openDatabase(url);
      const controller = new AbortController();
      const waiting = rejectionOf(three.transaction(inside, { signal: controller.signal }));
      controller.abort();
      expect((await waiting).code).toBe("ABORTED");
      expect(await three.all("SELECT 1 AS n")).toEqual([{ n: 1 }]);
    });
    expect(await two.transaction(inside)).toBe("done");
  });

  it("runs a transaction again that another program stood in the way of", async () => {
    await using database = await openDatabase(newSchema(server.url), { busyPollMs: 0 });
    let tries = 0;
    await database.transaction(async (transaction) => {
      tries++;
      // What the server says when it cannot put two transactions one after the other.
      if (tries < 3) await transaction.run("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$");
    });
    expect(tries).toBe(3);
    const always = database.transaction((transaction) =>
      transaction.run("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$"),
    );
    expect(await rejectionOf(always)).toMatchObject({ code: "CONFLICT", retryable: true });
  });

  it("keeps whole numbers of 64 bits and all floats exactly", async () => {
    await using database = await openDatabase(newSchema(server.url));
    const [row] = await database.all(
      "SELECT CAST(? AS BIGINT) AS big, CAST(? AS BIGINT) AS small, CAST(? AS DOUBLE PRECISION) AS f, CAST(? AS DOUBLE PRECISION) AS n, '?' AS q",
      ["9007199254740993", 7, 0.1 + 0.2, Number.NaN],
    );
    expect(row).toEqual({ big: 9007199254740993n, small: 7, f: 0.1 + 0.2, n: Number.NaN, q: "?" });
  });
});

describe("a URL of PostgreSQL", () => {
  it("is taken apart, and shown without its password", () => {
    expect(parsePostgresUrl("postgres://me:a%2Fb@h:77/db?schema=x&sslmode=require")).toEqual({
      host: "h",
      port: 77,
      user: "me",
      password: "a/b",
      database: "db",
      schema: "x",
      sslMode: "require",
    });
    expect(parsePostgresUrl("postgresql:///db?host=/run/postgresql")).toMatchObject({ host: "/run/postgresql" });
    expect(publicLocation("postgresql://me:a%2Fb@h/db?schema=x")).toBe("postgres://me@h/db?schema=x");
    expect(publicLocation("/data/2026.db")).toBe("/data/2026.db");
  });

  it.each([
    "postgres://u:p#w@h/db",
    "postgres://u:p/w@h/db",
    "postgres://u:1/w@h/db",
    "postgres://u:1?w@h/db",
    "postgres://u:%zz@h/db",
  ])("that a password cuts in the wrong place is refused, and shown not at all: %s", (url) => {
    expect(() => parsePostgresUrl(url)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
    expect(publicLocation(url)).toBe("postgres://…");
  });

  it.each(["?schema=pg_x", "?schema=", "?sslmode=maybe", "?password=x"])("with %s is refused", (query) => {
    expect(() => parsePostgresUrl(`postgres://h/db${query}`)).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID" }),
    );
  });

  it("needs a package, and says how to install it", async () => {
    const missing = loadPostgres(() => Promise.reject(new Error("Cannot find package")));
    expect(await rejectionOf(missing)).toMatchObject({
      code: "MISSING_DEPENDENCY",
      message: expect.stringContaining("npm install postgres"),
    });
  });

  it("parameters are numbered outside of texts and names", () => {
    expect(numbered(`SELECT '?''?' AS "a?", ? WHERE x = ?`)).toBe(`SELECT '?''?' AS "a?", $1 WHERE x = $2`);
  });
});
