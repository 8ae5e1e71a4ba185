// Save an array in memory, copy it to a file, and load it back.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileManager, type NdArray, ndArray } from "sluice";
import { BackendSet, createRegistry } from "sluice/registry";

const root = await mkdtemp(join(tmpdir(), "sluice-example-"));
{
  await using backends = new BackendSet(createRegistry(), {
    scratch: { use: "memory" },
    results: { use: "disk", root },
  });
  const files = new FileManager(backends);
  const image = ndArray(
    Uint16Array.from({ length: 6 }, (_, i) => i * 100),
    [2, 3],
  );

  await files.save(image, "well/A01.npy", "scratch", { createParents: true });
  const draft = await files.load("well/A01.npy", "scratch");
  await files.save(draft, "A01.tif", "results");

  const loaded = (await files.load("A01.tif", "results")) as NdArray;
  console.log(`${await files.listFiles("", "results")}: ${loaded.dtype} [${loaded.shape}] ${loaded.data}`);
}
await rm(root, { recursive: true });
