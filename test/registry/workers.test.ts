/** Worker threads that use the backends of one session: a workspace over a disk and Zarr, and arrays that all write. */
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { formatMapping } from "../../backends/virtual/index.ts";
import { createArray, openArray } from "../../backends/zarr/index.ts";
import { ndArray } from "../../src/core/nd-array.ts";
import { FileManager } from "../../src/io/file-manager.ts";
import { openSession, type Session } from "../../src/session/index.ts";
import { type Bundle, bundle, installed } from "../support/bundle.ts";
import type { PlateOrders } from "./children/use-plate.ts";

let child: Bundle;
let folder = "";
let session: Session;
beforeAll(async () => {
  child = await bundle(new URL("children/use-plate.ts", import.meta.url), installed);
}, 60_000);
afterAll(() => child.remove());

/** What nobody may find in a message. */
const SECRETS = ["hunter2", "s3cr3t", "tok-en"];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sluice-workers-"));
  const entry = (backend: string, address: string, axes?: number[]) => ({ backend, address, ...(axes && { axes }) });
  await writeFile(
    join(folder, "plate.json"),
    formatMapping({
      version: 1,
      entries: {
        "A01/z0.tif": entry("plates", "stack", [0]),
        "A01/z2.tif": entry("plates", "stack", [2]),
        "A01/raw.npy": entry("raw", "a.npy"),
        "A01/scratch.npy": entry("scratch", "b.npy"),
      },
    }),
  );
  session = await openSession(
    {
      session: "workers",
      backends: {
        raw: { use: "disk", root: "data" },
        plates: { use: "zarr", store: "raw", path: "plates.zarr" },
        plate: { use: "virtual_workspace", mapping: "plate.json" },
        scratch: { use: "memory" },
        far: { use: "http", baseUrl: "https://lab.example.org/", headers: { authorization: "Bearer s3cr3t" } },
        bucket: { use: "s3", bucket: "b", profile: "lab" },
        screen: { use: "websocket", url: "ws://127.0.0.1:1", token: "tok-en" },
        aside: {
          use: "virtual_workspace",
          mapping: { version: 1, entries: { "a.npy": entry("https://me:hunter2@lab.example.org/", "a.npy") } },
        },
      },
    },
    { baseDirectory: folder },
  );
  const files = new FileManager(session.backends);
  const counted = (shape: number[]) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return ndArray(
      Uint16Array.from({ length: size }, (_, i) => i),
      shape,
    );
  };
  await files.save(counted([3, 4, 4]), "stack", "plates", { chunkShape: [1, 4, 4] } as object);
  await files.save(counted([5]), "a.npy", "raw");
});
afterEach(async () => {
  await session.close();
  await rm(folder, { recursive: true });
});

async function run(row: number): Promise<unknown> {
  const descriptor = session.backends.toDescriptor();
  // What really crosses the border, not only its text.
  const message = structuredClone<PlateOrders>({ descriptor, row });
  for (const secret of SECRETS) expect(JSON.stringify(message)).not.toContain(secret);
  const worker = new Worker(pathToFileURL(child.path), { workerData: message });
  const failed = once(worker, "error").then(([error]) => {
    throw error;
  });
  try {
    const [answer] = (await Promise.race([once(worker, "message"), failed])) as [unknown];
    return answer;
  } finally {
    await worker.terminate();
  }
}

it("three workers read one workspace over Zarr and a disk, and write one chunk without loss", {
  timeout: 60_000,
}, async () => {
  const store = await session.backends.store("raw");
  await createArray(store, "plates.zarr/counts", { shape: [3, 8], dtype: "uint16", chunkShape: [3, 8] });
  const answers = await Promise.all([0, 1, 2].map(run));
  const reason = '"memory" keeps its values in the memory of one process';
  for (const answer of answers) {
    expect(answer).toEqual({
      // A bucket goes along: its keys are wherever each process keeps them.
      names: ["raw", "plates", "plate", "bucket"],
      first: [0, 32, 0],
      region: [36, 37, 40, 41],
      refused: expect.stringMatching(/^UNSUPPORTED .*A01\/scratch\.npy.*memory of one process/),
    });
  }
  const counts = await openArray(store, "plates.zarr/counts");
  expect([...((await counts.read()).data as Uint16Array)]).toEqual(
    [0, 1, 2].flatMap((row) => Array.from({ length: 8 }, (_, column) => row * 100 + column)),
  );
  const files = new FileManager(session.backends);
  for (const row of [0, 1, 2]) {
    expect(await files.load(`done-${row}.json`, "plates")).toEqual({ row, seen: [[4, 4], [4, 4], [5]] });
  }
  // No worker has left a claim, a lock or a temporary file behind.
  expect((await readdir(join(folder, "data/plates.zarr"))).sort()).toEqual(
    ["counts", "done-0.json", "done-1.json", "done-2.json", "stack", "zarr.json"].sort(),
  );
  expect(session.backends.toDescriptor().unavailable).toMatchObject({
    scratch: reason,
    far: "its headers may be a secret",
    screen: "its token may be a secret",
    aside: expect.stringContaining("has a user, a password or a query"),
  });
  expect(await readFile(join(folder, "plate.json"), "utf8")).toContain("scratch");
});
