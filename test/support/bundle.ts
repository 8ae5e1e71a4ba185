/** Makes one JavaScript file of a TypeScript one and all that it imports, for tests that start processes of their own. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

/** The folder of the installed packages. */
export const installed = fileURLToPath(new URL("../../node_modules", import.meta.url));

/** A bundled script; remove it when done. */
export interface Bundle {
  /** Path of the script, for `node`. */
  readonly path: string;
  readonly remove: () => Promise<void>;
}

/**
 * @param entry - URL of the TypeScript file.
 * @param where - Folder to make it in. Packages are found from there: one that imports any belongs below
 * {@link installed}.
 */
export async function bundle(entry: URL, where = tmpdir()): Promise<Bundle> {
  const outDir = await mkdtemp(join(where, ".sluice-bundle-"));
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
