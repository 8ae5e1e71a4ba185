/** Makes one JavaScript file of a TypeScript one and all that it imports, for tests that start processes of their own. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

/** A bundled script; remove it when done. */
export interface Bundle {
  /** Path of the script, for `node`. */
  readonly path: string;
  readonly remove: () => Promise<void>;
}

/** @param entry - URL of the TypeScript file. */
export async function bundle(entry: URL): Promise<Bundle> {
  const outDir = await mkdtemp(join(tmpdir(), "sluice-bundle-"));
  const source = fileURLToPath(entry);
  await build({
    configFile: false,
    logLevel: "silent",
    build: {
      ssr: source,
      outDir,
      minify: false,
      // A folder outside of any package: the ending says what kind of module it is.
      rolldownOptions: { output: { entryFileNames: "[name].mjs" } },
    },
  });
  const name = basename(source).replace(/\.ts$/, "");
  return { path: join(outDir, `${name}.mjs`), remove: () => rm(outDir, { recursive: true, force: true }) };
}
