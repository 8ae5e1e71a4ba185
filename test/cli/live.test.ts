import { once } from "node:events";
import { existsSync, mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { ndArray } from "../../src/core/nd-array.ts";
import { LiveClient, type SocketLike } from "../../src/live/bridge/client.ts";
import type { DataStore } from "../../src/live/data-store.ts";
import { openLive } from "../../src/live/open.ts";
import { type Running, scratchFolder, sluice, start } from "./command.ts";

const Socket = WebSocket as unknown as new (url: string) => SocketLike;

let folder: string;
let store: DataStore;
beforeEach(async () => {
  folder = scratchFolder();
  store = await openLive(`${folder}/live`);
});
afterEach(() => store[Symbol.asyncDispose]());

/** A scan that is STARTED. */
async function startedScan(identity: Record<string, string | number>) {
  const scan = await store.createScan(identity, { leaseMs: 0 });
  const diode = await scan.createStream("diode", { dtype: "float64" });
  const words = await scan.createStream("words", { type: "json" });
  const camera = await scan.createStream("camera", { type: "frames", dtype: "uint16", shape: [2, 3] });
  await scan.prepare();
  await scan.start();
  return { scan, diode, words, camera };
}

const live = ["--live", "live"];
const ulid = (key: string) => key.replace("esrf:scan:", "");

/** What a running command has printed so far, by line. */
function printed(running: Running): () => string[] {
  let text = "";
  running.child.stdout?.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  return () => text.split("\n").slice(0, -1);
}

describe("sluice live ls", () => {
  it("lists scans, newest first, by terms, state and time, page by page", async () => {
    for (let number = 1; number <= 5; number++) {
      const { scan } = await startedScan({ name: number % 2 ? `align${number}` : "grid", number });
      if (number === 1) await scan.close({ endReason: "FAILURE" });
    }
    const ls = async (...args: string[]) => {
      const { output, code, errors } = await sluice(["live", "ls", ...args, ...live, "--json"], folder);
      expect(code, errors).toBe(0);
      const { scans, cursor } = JSON.parse(output);
      return { numbers: scans.map(({ identity }: { identity: { number: number } }) => identity.number), cursor };
    };
    expect((await ls()).numbers).toEqual([5, 4, 3, 2, 1]);
    expect((await ls("align*")).numbers).toEqual([5, 3, 1]);
    expect((await ls("name=gr*d", "number=4")).numbers).toEqual([4]);
    expect((await ls("--state", "CLOSED")).numbers).toEqual([1]);
    expect((await ls("--to", "2020-01-01")).numbers).toEqual([]);
    const page = await ls("--limit", "2");
    expect((await ls("--limit", "2", "--cursor", page.cursor)).numbers).toEqual([3, 2]);
    expect((await ls("--limit", "5")).cursor).toBeNull();
    const { output } = await sluice(["live", "ls", ...live], folder);
    expect(output.split("\n")[0]).toMatch(/^CREATED \(UTC\) +STATE +NUMBER +NAME +STREAMS +END +KEY$/);
    expect(output.split("\n")[5]).toMatch(
      /^[\d-]{10} [\d:]{8} +CLOSED +1 +align1 +diode, words, camera +FAILURE +\w{26}$/,
    );
  });

  it.each([
    [["live", "ls"], 1, /CONFIG_INVALID: Say which live scans: --live/],
    [["live", "ls", "--live", "memory:"], 1, /UNSUPPORTED: Live scans in memory are those of one process/],
    [["live", "ls", "--live", "lvie"], 1, /NOT_FOUND: No live scans at "lvie"/],
    [["live", "ls", "=x", ...live], 1, /INVALID_DATA: "=x" names no field/],
    [["live", "tail", "last", "diode", ...live], 1, /NOT_FOUND: There is no scan/],
    [["live", "follow", "01ABC", "--latest", ...live], 1, /CONFIG_INVALID: Name a scan, or let --latest/],
    [["live", "tail", "last", "x", "--every", "2", "--latest"], 2, /cannot be used with/],
    [["live", "gc", "--max-age", "5"], 2, /number with a unit/],
    [["live", "serve", "--host", "0.0.0.0", ...live], 1, /CONFIG_INVALID: .*needs a token/],
  ])("sluice %j ends with %i", async (args, code, message) => {
    expect(await sluice(args, folder)).toMatchObject({ code, errors: expect.stringMatching(message) });
  });
});

describe("live scans of a session", () => {
  it("are found by its file, whose rules gc has", async () => {
    const session = `
session: test
live: {location: scans, retention: {closedScanMs: 0, protectedMs: 0}}
storage: {basePath: data}
devices:
  camera: {use: simulated-camera, shape: [4, 6], exposure: 0.001}
plan: {use: count, num: 3}
`;
    const own = scratchFolder({ "s.yaml": session });
    const acquired = await sluice(["acquire", "s.yaml"], own);
    expect(acquired.code, acquired.errors).toBe(0);
    const { output } = await sluice(["live", "ls", "--live", "s.yaml", "--json"], own);
    const { scans } = JSON.parse(output);
    expect(scans).toMatchObject([{ state: "CLOSED", endReason: "SUCCESS" }]);
    const name = scans[0].streams.find((stream: string) => stream.includes("camera"));
    const tail = await sluice(["live", "tail", "last", name, "-n", "1", "--session", "s.yaml"], own);
    expect(tail.output, tail.errors).toMatch(/^2 {2}uint16 \[4, 6\] {2}\d+ /);
    await using other = await openLive(`${own}/scans`);
    const scan = await other.loadScan(scans[0].key);
    for (const stream of scan.streamNames) await other.engine.trim(scan.stream(stream).key, 3);
    const trimmed = await sluice(["live", "tail", "last", name, "-n", "1", "--live", "scans"], own);
    expect([trimmed.output, trimmed.code], trimmed.errors).toEqual([tail.output, 0]);
    const { leaving } = JSON.parse((await sluice(["live", "gc", "--live", "s.yaml", "--lossy", "--json"], own)).output);
    expect(leaving).toEqual([scans[0].key]);
  });
});

describe("sluice live tail", () => {
  it("prints the newest points, arrays short, as lines or as JSON", async () => {
    const { scan, diode, words, camera } = await startedScan({ name: "a" });
    for (let i = 0; i < 20; i++) await diode.send(i / 2);
    await words.send({ place: "\u001b[2Jé" });
    await camera.send(ndArray(Uint16Array.of(1, 2, 3, 4, 5, 6), [2, 3]));
    const tail = async (...args: string[]) => (await sluice(["live", "tail", ...args, ...live], folder)).output;
    expect(await tail("last", "diode", "-n", "3")).toBe("17  8.5\n18  9\n19  9.5\n");
    expect(await tail(scan.key, "diode", "-n", "2", "--every", "5")).toBe("10  5\n15  7.5\n");
    expect(await tail(ulid(scan.key).slice(0, 20), "diode", "--latest")).toBe("19  9.5\n");
    expect(await tail("last", "words")).toBe('0  {"place":"\\\\u001b[2Jé"}\n'.replace("\\\\", "\\"));
    expect(await tail("last", "camera")).toBe("0  uint16 [2, 3]  1 2 3 4 5 6\n");
    const lines = (await tail("last", "camera", "--json")).trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      {
        index: 0,
        value: [
          [1, 2, 3],
          [4, 5, 6],
        ],
      },
    ]);
  });

  it("follows a stream to its end, and takes a pipe that is closed early for no failure", async () => {
    const { scan, diode } = await startedScan({ name: "a" });
    for (let i = 0; i < 5; i++) await diode.send(i);
    const running = start(["live", "tail", "last", "diode", "-n", "2", "-f", ...live], folder);
    const lines = printed(running);
    await expect.poll(lines, { timeout: 30_000 }).toEqual(["3  3", "4  4"]);
    await diode.send(5);
    await expect.poll(lines, { timeout: 30_000 }).toHaveLength(3);
    await scan.stop();
    const { code, errors } = await running.finished;
    expect([code, errors]).toEqual([0, expect.stringContaining("diode has ended, with 6 points")]);
    const cut = start(["live", "tail", "last", "diode", "-n", "100000", ...live], folder);
    cut.child.stdout?.destroy();
    expect((await cut.finished).code).toBe(0);
  });

  it("ends at Ctrl-C", async () => {
    await startedScan({ name: "a" });
    const running = start(["live", "tail", "last", "diode", "-f", ...live], folder);
    await running.said(/Following diode/);
    running.child.kill("SIGINT");
    expect((await running.finished).code).toBe(0);
  });
});

describe("sluice live watch", () => {
  it("prints scans that are open, those that are created, and what becomes of them", async () => {
    const { scan: early } = await startedScan({ name: "early" });
    const running = start(["live", "watch", ...live, "--json"], folder);
    const lines = printed(running);
    const events = () => lines().map((line) => JSON.parse(line));
    await expect.poll(events, { timeout: 30_000 }).toMatchObject([{ event: "open", state: "STARTED" }]);
    await early.close();
    await expect.poll(events, { timeout: 30_000 }).toMatchObject([{}, { event: "changed", endReason: "SUCCESS" }]);
    const late = await store.createScan({ name: "late" }, { leaseMs: 0 });
    await expect.poll(events, { timeout: 30_000 }).toHaveLength(3);
    await late.close();
    await expect.poll(() => events().at(-1), { timeout: 30_000 }).toMatchObject({ key: late.key, state: "CLOSED" });
    running.child.kill("SIGINT");
    expect((await running.finished).code).toBe(0);
  });
});

describe("sluice live follow", () => {
  it("prints all streams of a scan, and those that are added, until it ends", async () => {
    const { scan, diode, words } = await startedScan({ name: "a" });
    await diode.send(1);
    await diode.send(2);
    const running = start(["live", "follow", "--from", "start", ...live], folder);
    const lines = printed(running);
    await expect.poll(lines, { timeout: 30_000 }).toEqual(["diode  0  1", "diode  1  2"]);
    await words.send("x");
    await expect.poll(lines, { timeout: 30_000 }).toContain('words  0  "x"');
    await scan.close();
    const { code, errors } = await running.finished;
    expect([code, errors]).toEqual([0, expect.stringContaining("CLOSED (SUCCESS)")]);
  });

  it("goes over to the next scan, and prints what the one before it still had", async () => {
    const { scan, diode } = await startedScan({ name: "a" });
    const running = start(["live", "follow", "--latest", "--stream", "diode", ...live, "--json"], folder);
    const lines = printed(running);
    await running.said(/STARTED/);
    await diode.send(1);
    await scan.close();
    const { scan: next, diode: other } = await startedScan({ name: "b" });
    await other.send(2);
    const events = () => lines().map((line) => JSON.parse(line));
    await expect.poll(events, { timeout: 30_000 }).toEqual([
      { scan: scan.key, stream: "diode", index: 0, value: 1 },
      { scan: next.key, stream: "diode", index: 0, value: 2 },
    ]);
    running.child.kill("SIGINT");
    expect((await running.finished).code).toBe(0);
  });
});

describe("sluice live gc", () => {
  it("says what would leave, then lets it leave", async () => {
    const { scan, diode } = await startedScan({ name: "a" });
    for (let i = 0; i < 100; i++) await diode.send(i);
    await scan.close();
    const gc = ["live", "gc", "--keep-closed", "1ms", "--protect", "0s", "--lossy", ...live, "--json"];
    const dry = JSON.parse((await sluice([...gc, "--dry-run"], folder)).output);
    expect(dry).toMatchObject({ dryRun: true, scans: 1, leaving: [scan.key] });
    // Closed scans of today leave in a week, and it must not read as if they were gone.
    const { output } = await sluice(["live", "gc", "--lossy", "--dry-run", ...live], folder);
    expect(output).toMatch(/^\w+ {2}would leave once it has been closed for long enough$/m);
    expect((await store.loadScan(scan.key)).state).toBe(4);
    expect(JSON.parse((await sluice(gc, folder)).output)).toMatchObject({ leaving: [scan.key] });
    await expect(store.loadScan(scan.key)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("sluice live gc --blobs", () => {
  it("removes frames of streams that no scan has, in a folder that is named, and tells before", async () => {
    const stream = "esrf:stream:01JD0000000000000000000001";
    const blobs = join(folder, "blobs", encodeURIComponent(stream));
    mkdirSync(blobs, { recursive: true });
    const file = join(blobs, "0000000000000000-00000000.seg");
    writeFileSync(file, "frames");
    const gc = (...args: string[]) => sluice(["live", "gc", "--blobs", ...args, ...live], folder);
    expect((await gc("blobs")).output).not.toContain(stream);
    utimesSync(file, 1, 1);
    expect((await gc("blobs", "--dry-run")).output).toContain(`${stream}  frames would leave: no scan has this stream`);
    expect(existsSync(file)).toBe(true);
    expect(JSON.parse((await gc("blobs", "--json")).output)).toMatchObject({ orphans: [stream], failed: [] });
    expect(existsSync(blobs)).toBe(false);
    expect(await gc("bloobs")).toMatchObject({ code: 1, errors: expect.stringContaining("bloobs") });
  });
});

describe("sluice live serve", () => {
  it("serves the scans to clients that know the token, prints it nowhere, and ends in order", async () => {
    const args = ["live", "serve", "--port", "0", "--token", "hush-hush", "--no-retention", ...live, "--json"];
    const running = start(args, folder);
    const lines = printed(running);
    await expect.poll(lines, { timeout: 30_000 }).toHaveLength(1);
    const { url } = JSON.parse(lines()[0] as string);
    const { scan } = await startedScan({ name: "a" });
    await using client = new LiveClient(url, { WebSocket: Socket, token: "hush-hush" });
    const { value } = await client.scans({ since: "latest" }).next();
    expect(value).toMatchObject({ scan: { key: scan.key, identity: { name: "a" } } });
    running.child.kill("SIGTERM");
    const [code] = await once(running.child, "exit");
    const { output, errors } = await running.finished;
    expect([code, output + errors]).toEqual([0, expect.not.stringContaining("hush")]);
  });

  it("hands out frames of the scans, of the session and of folders that are named, and no other file", async () => {
    const session = "session: s\nstorage: {basePath: runs}\nbackends: {raw: {use: disk, root: raw}}\n";
    const own = scratchFolder({ "s.yaml": session });
    const places = ["live", "runs", "raw", "more", "secret"].map((name) => join(own, name));
    const references = places.map((place) => [{ kind: "bytes", uri: pathToFileURL(join(place, "a.bin")).href }]);
    for (const place of places) {
      mkdirSync(place);
      writeFileSync(join(place, "a.bin"), Uint8Array.of(1, 2, 3));
    }
    await using announcing = await openLive(join(own, "live"));
    const scan = await announcing.createScan({}, { leaseMs: 0 });
    const camera = await scan.createStream("camera", { type: "frames", dtype: "uint8", shape: [3] });
    await scan.prepare();
    for (const each of references) await camera.send(each);
    const args = ["live", "serve", "--port", "0", "--frames-in", "more", "--session", "s.yaml", ...live, "--json"];
    const running = start(args, own);
    const lines = printed(running);
    await expect.poll(lines, { timeout: 30_000 }).toHaveLength(1);
    const { url } = JSON.parse(lines()[0] as string);
    const points = `${url}/v1/scans/latest/streams/camera/points`;
    const answers = await Promise.all(places.map((_, i) => fetch(`${points}/${i}?format=raw`)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 403]);
    expect(await answers[4]?.text()).toContain("--frames-in");
    running.child.kill("SIGTERM");
    expect((await running.finished).code).toBe(0);
  });
});
