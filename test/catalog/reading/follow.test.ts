import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { Catalog } from "../../../src/catalog/catalog.ts";
import type { CatalogEvent } from "../../../src/catalog/event-reader.ts";
import type { FollowOptions } from "../../../src/catalog/follow.ts";
import { RunWriter } from "../../../src/catalog/run-writer.ts";
import { BeamtimeFile } from "../../support/beamtime-file.ts";
import { requireBuild } from "../../support/built.ts";
import { catalogEngines } from "../../support/catalog-engines.ts";
import { rejectionOf } from "../../support/rejection.ts";

const script = fileURLToPath(new URL("write-run.mjs", import.meta.url));

/** Starts a process that writes a run, and waits until it has begun. */
async function startWriter(path: string, ...args: readonly string[]): Promise<{ child: ChildProcess; uid: string }> {
  requireBuild();
  const child = spawn(process.execPath, [script, path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [chunk] = (await once(child.stdout as NodeJS.ReadableStream, "data")) as [Buffer];
  return { child, uid: chunk.toString().trim() };
}

/** Adds something time and again until what is waited for has come: where following begins is asked of a server first. */
async function whileAdding<T>(coming: Promise<T>, add: () => Promise<unknown>): Promise<T> {
  let waits = true;
  const come = coming.finally(() => {
    waits = false;
  });
  while (waits) {
    await add();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return come;
}

describe.each(catalogEngines)("in $name", ({ name, prepare, newBeamtime }) => {
  prepare();

  async function openCatalog(path: string): Promise<Catalog> {
    const catalog = await Catalog.open(path);
    onTestFinished(() => catalog.close());
    return catalog;
  }

  /** A file with the run "a" that this process writes, with a stream of as many events. */
  async function running(events: number): Promise<{ file: BeamtimeFile; catalog: Catalog }> {
    const path = await newBeamtime();
    const file = await BeamtimeFile.make(path);
    onTestFinished(() => file.close());
    await file.writer("w");
    await file.run({ uid: "a", status: null, writer: "w" });
    await file.events(
      await file.stream("a"),
      Array.from({ length: events }, (_, i) => ({ x: i + 1 })),
    );
    return { file, catalog: await openCatalog(path) };
  }

  const end = (file: BeamtimeFile) =>
    file.database.transaction((transaction) =>
      transaction.run("UPDATE runs SET exit_status = 'success', time_stop = 1"),
    );

  /** Follows, and does something when so many events have come. Answers what came. */
  async function follow(
    catalog: Catalog,
    options: FollowOptions,
    when: Readonly<Record<number, () => Promise<unknown>>> = {},
  ): Promise<string[]> {
    const seen: string[] = [];
    for await (const { stream, seqNum } of (await catalog.get("a")).follow({ pollMs: 1, ...options })) {
      seen.push(`${stream} ${seqNum}`);
      await when[seen.length]?.();
    }
    return seen;
  }

  describe("a run that another process writes", () => {
    it("is followed event by event until it ends", { timeout: 60_000 }, async () => {
      const path = await newBeamtime();
      const { uid } = await startWriter(path, "300");
      const catalog = await openCatalog(path);
      const events: CatalogEvent[] = [];
      const latencies: number[] = [];
      for await (const event of (await catalog.get(uid)).follow()) {
        latencies.push(performance.timeOrigin + performance.now() - Number(event.data.made));
        events.push(event);
      }
      expect(events.map(({ seqNum }) => seqNum)).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
      const run = await catalog.get(uid);
      expect([run.status, run.numEvents]).toEqual(["success", 300]);
      latencies.sort((a, b) => a - b);
      const at = (part: number) => `${latencies[Math.floor(part * (latencies.length - 1))]?.toFixed(1)} ms`;
      const load = readFileSync("/proc/loadavg", "utf8").split(" ")[0];
      console.info(
        `follow in ${name}, from writeEvent to here: p50 ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)}, load ${load}`,
      );
    });

    it("is over when that process is killed, and lost", { timeout: 60_000 }, async () => {
      const path = await newBeamtime();
      const { child, uid } = await startWriter(path);
      const catalog = await openCatalog(path);
      let seen = 0;
      for await (const { seqNum } of (await catalog.get(uid)).follow()) {
        expect(seqNum).toBe(++seen);
        if (seen === 20) child.kill("SIGKILL");
      }
      expect(seen).toBeGreaterThanOrEqual(20);
      const run = await catalog.get(uid);
      // Nobody has written that it is lost: nobody has opened the file for writing since.
      expect([run.status, run.exitStatus, run.numEvents]).toEqual(["lost", undefined, seen]);
      const writer = new RunWriter(path, { name: "PS" });
      await writer.open();
      await writer.close();
      expect((await catalog.get(uid)).exitStatus).toBe("lost");
    });

    it("is announced when it begins", async () => {
      const path = await newBeamtime();
      await (await BeamtimeFile.make(path)).close();
      const catalog = await openCatalog(path);
      const controller = new AbortController();
      const runs = catalog.watch({ signal: controller.signal });
      const first = runs.next();
      const { uid } = await startWriter(path, "1");
      expect((await first).value).toMatchObject({ uid, planName: "follow_me", sampleName: "PS" });
      const second = runs.next();
      controller.abort();
      expect((await rejectionOf(second)).code).toBe("ABORTED");
    });
  });

  describe("following", () => {
    it("of a run that has ended gives its events, and ends", async () => {
      const { file, catalog } = await running(3);
      await end(file);
      expect(await follow(catalog, {})).toEqual(["primary 1", "primary 2", "primary 3"]);
    });

    it("begins where it is told to", async () => {
      const { file, catalog } = await running(5);
      await file.stream("a", "other");
      await file.events("a-other", [{}, {}]);
      await end(file);
      expect(await follow(catalog, { from: { primary: 3 } })).toEqual(["other 1", "other 2", "primary 4", "primary 5"]);
      expect(await follow(catalog, { from: "now" })).toEqual([]);
    });

    it("from now on gives what comes, and streams that are opened later from their first event", async () => {
      const { file, catalog } = await running(2);
      const events = (await catalog.get("a")).follow({ from: "now", pollMs: 1 });
      let last = 2;
      const { value: first } = await whileAdding(events.next(), () => file.events("a-primary", [{}], ++last));
      await file.stream("a", "late");
      await file.events("a-late", [{ y: 1 }]);
      await end(file);
      const seen = [first as CatalogEvent];
      for await (const event of events) seen.push(event);
      const numbers = (name: string) => seen.filter(({ stream }) => stream === name).map(({ seqNum }) => seqNum);
      const begin = numbers("primary")[0] as number;
      expect(begin).toBeGreaterThan(2);
      expect(numbers("primary")).toEqual(Array.from({ length: last - begin + 1 }, (_, i) => begin + i));
      expect(numbers("late")).toEqual([1]);
    });

    it("misses nothing that is committed while its events are handled", async () => {
      const { file, catalog } = await running(1);
      const seen = await follow(
        catalog,
        {},
        {
          1: () => file.events("a-primary", [{}, {}], 2),
          3: async () => {
            await file.events("a-primary", [{}], 4);
            await end(file);
          },
        },
      );
      expect(seen).toEqual(["primary 1", "primary 2", "primary 3", "primary 4"]);
    });

    it("gives many events that come at once in order, across pages", async () => {
      const { file, catalog } = await running(2500);
      await end(file);
      expect(await follow(catalog, {})).toEqual(Array.from({ length: 2500 }, (_, i) => `primary ${i + 1}`));
    });

    it("stops when the signal fires, also while it waits", async () => {
      const { catalog } = await running(1);
      const controller = new AbortController();
      const following = follow(
        catalog,
        { signal: controller.signal, pollMs: 1e6 },
        { 1: async () => void setImmediate(() => controller.abort()) },
      );
      expect((await rejectionOf(following)).code).toBe("ABORTED");
    });

    it("says when the run was removed", async () => {
      const { file, catalog } = await running(1);
      const remove = () => file.database.transaction((transaction) => transaction.run("DELETE FROM runs"));
      expect((await rejectionOf(follow(catalog, {}, { 1: remove }))).code).toBe("NOT_FOUND");
    });

    it("refuses to poll at no interval", async () => {
      const { catalog } = await running(0);
      expect((await rejectionOf(follow(catalog, { pollMs: 0 }))).code).toBe("INVALID_DATA");
    });
  });

  describe("watching a catalogue", () => {
    it("gives runs that were added, also those that began earlier than others, each once", async () => {
      const { file, catalog } = await running(0);
      const runs = catalog.watch({ pollMs: 1 });
      let count = 0;
      const { value } = await whileAdding(runs.next(), () => file.run({ uid: `first-${count++}`, start: 1000 }));
      const seen = [(value as { uid: string }).uid];
      await file.run({ uid: "newer", start: 2_000_000_000 });
      await file.run({ uid: "older", start: 5 });
      await file.events("a-primary", [{}]);
      await file.run({ uid: "last" });
      while (!["newer", "older", "last"].every((uid) => seen.includes(uid))) {
        seen.push((await runs.next()).value?.uid as string);
      }
      expect(new Set(seen).size).toBe(seen.length);
      expect(seen.filter((uid) => uid.startsWith("first-")).length).toBeLessThanOrEqual(count);
      await runs.return(undefined);
    });

    /** Watches; answers what comes next, and is surely watching. */
    async function watching(file: BeamtimeFile, catalog: Catalog, options: Parameters<Catalog["watch"]>[0] = {}) {
      const runs = catalog.watch({ pollMs: 1, ...options });
      onTestFinished(() => void runs.return(undefined));
      let count = 0;
      await whileAdding(runs.next(), () => file.run({ uid: `warm-${count++}`, start: count }));
      return async () => {
        for (;;) {
          const { value } = await runs.next();
          if (value !== undefined && !value.uid.startsWith("warm-")) return value;
        }
      };
    }

    it("gives a run that has taken the place of another, as many as there were", async () => {
      const { file, catalog } = await running(0);
      const next = await watching(file, catalog);
      for (const uid of ["b", "c"]) {
        await file.database.transaction(async (transaction) => {
          // The last one goes, and the next may get its number.
          await transaction.run("DELETE FROM runs WHERE uid IN ('a', 'b')");
          await transaction.run("INSERT INTO runs (uid, plan_name, time_start) VALUES (?, 'scan', 1)", [uid]);
        });
        expect((await next()).uid).toBe(uid);
      }
    });

    it("gives, if asked to, runs that end, and that go on after they were lost", async () => {
      const { file, catalog } = await running(1);
      const next = await watching(file, catalog, { changes: true });
      const set = (status: string | null) =>
        file.database.transaction((transaction) =>
          transaction.run("UPDATE runs SET exit_status = ? WHERE uid = 'a'", [status]),
        );
      for (const status of ["lost", null, "success"]) {
        await set(status);
        expect(await next()).toMatchObject({ uid: "a", status: status ?? "running" });
      }
      await file.run({ uid: "new", status: null, writer: "w" });
      expect((await next()).uid).toBe("new");
    });

    it("gives the same of a file that an older version wrote", async () => {
      if (name !== "sqlite") return;
      const file = await BeamtimeFile.make(await newBeamtime(), 2);
      onTestFinished(() => file.close());
      const next = await watching(file, await openCatalog(file.path));
      await file.run({ uid: "a" });
      expect((await next()).uid).toBe("a");
    });
  });
});
