// A session without a file: a camera, a stage, ten frames, and what the run's documents say.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { count, openSession, type SimulatedStage } from "sluice/session";

const basePath = await mkdtemp(join(tmpdir(), "sluice-example-"));
{
  await using session = await openSession({
    session: "example",
    storage: { basePath, writers: { default: { use: "zarr" } } },
    devices: {
      camera: { use: "simulated-camera", shape: [64, 64], dtype: "uint8" },
      stage: { use: "simulated-stage" },
    },
  });
  const names: string[] = [];
  session.subscribe(([name]) => names.push(name));

  await (session.devices.get("stage") as SimulatedStage).set({ x: 12.5 });
  const summary = await session.run(count({ num: 10 }));

  console.log(`${summary.devices.camera?.frames} frames, ${summary.exitStatus}`);
  console.log([...new Set(names)].join(" → "));
}
await rm(basePath, { recursive: true });
