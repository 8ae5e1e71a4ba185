/** Takes the lock of a path and keeps it for ever. Killed by its parent. */
import { DEFAULT_WAITING, withProcessLock } from "../../../backends/disk/process-lock.ts";

const [path] = process.argv.slice(2) as [string];
await withProcessLock(path, DEFAULT_WAITING, undefined, {}, async () => {
  process.stdout.write("held\n");
  await new Promise((resolve) => setTimeout(resolve, 2 ** 30));
});
