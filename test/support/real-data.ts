/** The real microscopy files beside the repository; `SLUICE_TEST_DATA` names another place. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(process.env.SLUICE_TEST_DATA ?? join(import.meta.dirname, "../../../shared/data"));

/** Folder of one of the sets: `plate`, `human`, `timelapse` or `names`. */
export function realData(folder: "plate" | "human" | "timelapse" | "names"): string {
  return join(root, folder);
}

/**
 * True if the files are there. Says so aloud if not; in CI their absence is a failure, so that no test goes missing
 * unseen. For `describe.skipIf(!hasRealData())`.
 */
export function hasRealData(): boolean {
  if (existsSync(realData("timelapse"))) return true;
  const message = `The real files are not at ${root}; set SLUICE_TEST_DATA to their folder`;
  if (process.env.CI) throw new Error(message);
  console.warn(`${message}. Their tests are skipped.`);
  return false;
}
