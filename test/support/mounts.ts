/** Whether tests may mount small file systems of their own. */
import { execFileSync, spawnSync } from "node:child_process";

/** Why no small file system can be mounted here; `undefined` if one can. */
export function whyNoMount(): string | undefined {
  if (process.platform !== "linux") return "only tried on Linux";
  if (process.getuid?.() !== 0) return "mounting needs root";
  const probe = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", "/mnt"], { encoding: "utf8" });
  if (probe.status !== 0) return probe.error?.message ?? probe.stderr.trim();
  execFileSync("umount", ["/mnt"]);
  return undefined;
}
