// What `import "sluice"` costs a new process, beyond that of an empty one.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { median } from "./support/interleave.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const candidates = ["", 'import "sluice";', 'import "sluice/registry";', 'import "sluice/backends/zarr";'];
const times = new Map(candidates.map((code) => [code, []]));
for (let round = 0; round < Number(process.env.ROUNDS ?? 15); round++) {
  for (const code of candidates) {
    const start = performance.now();
    const { status } = spawnSync(process.execPath, ["--input-type=module", "-e", code], {
      cwd: root,
      stdio: "inherit",
    });
    if (status !== 0) throw new Error(`${code} failed`);
    times.get(code).push(performance.now() - start);
  }
}
const bare = times.get("");
console.log("\ncold import (ms beyond an empty process, median of rounds)");
for (const [code, values] of times) {
  const beyond = median(values.map((value, round) => value - bare[round]));
  console.log(code === "" ? `  empty process ${median(bare).toFixed(0)}` : `  ${code} ${beyond.toFixed(0)}`);
}
