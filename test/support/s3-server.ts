/**
 * A real S3 service for tests: the one that `SLUICE_TEST_S3` names (credentials by the usual AWS variables), or a Ceph
 * gateway of our own, started on loopback where Ceph is installed. In CI there must be one.
 */
import { execFile, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const script = (name: string) => fileURLToPath(new URL(`../../scripts/${name}`, import.meta.url));

const isInstalled = existsSync("/usr/bin/radosgw") && existsSync("/usr/bin/ceph-osd") && process.getuid?.() === 0;

/** False if neither a service is named nor one can be started. In CI always true: the tests run, and fail. */
export const hasS3 = process.env.SLUICE_TEST_S3 !== undefined || isInstalled || process.env.CI !== undefined;
if (!hasS3) {
  console.warn(
    "s3: no service to test against; set SLUICE_TEST_S3, or be root and install Ceph (scripts/start-ceph.sh)",
  );
}

/** A service that is running. */
export interface S3Server {
  readonly endpoint: string;
  stop(): Promise<void>;
}

/** Reaches the service, or starts one. The credentials are put where the SDK's chain looks for them. */
export async function startS3(): Promise<S3Server> {
  process.env.AWS_ACCESS_KEY_ID ??= "testing";
  process.env.AWS_SECRET_ACCESS_KEY ??= "testing123";
  const endpoint = process.env.SLUICE_TEST_S3;
  if (endpoint !== undefined) return { endpoint, stop: async () => {} };
  const directory = await mkdtemp(join(tmpdir(), "sluice-ceph-"));
  const port = await freePort();
  const { stdout } = await run(script("start-ceph.sh"), [directory, String(port)]);
  // Also when the worker is told to go: daemons would stay for ever.
  const stopNow = () => void spawnSync(script("stop-ceph.sh"), [directory]);
  process.once("exit", stopNow);
  return {
    endpoint: stdout.trim(),
    stop: async () => {
      process.off("exit", stopNow);
      await run(script("stop-ceph.sh"), [directory]);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/**
 * A port that is free with the three after it, which the service takes as well. Below those that the system gives to
 * connections: a test beside this one has hundreds of these.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + 4 * Math.floor(Math.random() * 3_000);
    const areFree = await Promise.all([0, 1, 2, 3].map((next) => isFree(port + next)));
    if (areFree.every(Boolean)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const isBound = await new Promise<boolean>((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => resolve(true));
  });
  if (isBound) await new Promise((resolve) => server.close(resolve));
  return isBound;
}
