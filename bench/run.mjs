// All benchmarks, each in a process of its own. `ROUNDS=3 npm run bench` is quicker; `npm run bench frames` runs one.
import { spawnSync } from "node:child_process";
import { cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";

const names =
  process.argv.length > 2
    ? process.argv.slice(2)
    : [
        "frames",
        "small-frames",
        "files",
        "bytes",
        "direct",
        "layers",
        "stream",
        "workspace",
        "plates",
        "zarr-reads",
        "catalog",
        "catalog-index",
        "import",
      ];
const [load] = loadavg();
console.log(`Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}, load ${load.toFixed(1)} at the start`);
for (const name of names) {
  const path = fileURLToPath(new URL(`${name}.mjs`, import.meta.url));
  const { status } = spawnSync(process.execPath, [path], { stdio: "inherit" });
  if (status !== 0) process.exitCode = 1;
}
