/** The conformance kits of sluice, run by node:test over this package alone. */
import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { arrayFromBytes, copyArray } from "sluice";
import { backendConformance, writerConformance } from "sluice/testing";
import { capabilities, DrawerBackend, RawWriter } from "./index.js";

const scratch = mkdtempSync(join(tmpdir(), "drawer-"));
after(() => rmSync(scratch, { recursive: true }));

backendConformance({ describe, test }, "drawer", {
  capabilities,
  make: async () => {
    const backend = new DrawerBackend();
    const side = {
      put: async (path, value) => void backend.arrays.set(path, copyArray(value)),
      get: async (path) => backend.arrays.get(path),
    };
    return { backend, side };
  },
});

const storeJson = async (storeUri) => JSON.parse(await readFile(join(fileURLToPath(storeUri), "store.json"), "utf8"));

writerConformance({ describe, test }, "drawer", {
  canFail: true,
  make: async () => {
    let isFailing = false;
    class Failing extends RawWriter {
      async doWriteFrame(name, frame, index) {
        if (!isFailing) return super.doWriteFrame(name, frame, index);
        isFailing = false;
        throw new Error("planted");
      }
    }
    return {
      writer: new Failing("drawer"),
      newUri: () => pathToFileURL(join(scratch, crypto.randomUUID())).href,
      failNextFrame: () => {
        isFailing = true;
      },
      readMetadata: async (storeUri) => (await storeJson(storeUri)).metadata,
      readFrames: async (storeUri, source) => {
        const { dtype, shape, framesWritten } = (await storeJson(storeUri)).sources.find(({ name }) => name === source);
        const frames = Array.from({ length: framesWritten }, async (_, index) => {
          const bytes = await readFile(join(fileURLToPath(storeUri), `${source}-${index}.bin`));
          return arrayFromBytes(new Uint8Array(bytes), dtype, shape);
        });
        return Promise.all(frames);
      },
    };
  },
});
