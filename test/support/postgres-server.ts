/**
 * A real PostgreSQL for tests: the one whose URL `SLUICE_TEST_POSTGRES` gives, or one of our own, started on loopback
 * where it is installed. In CI there must be one.
 */
import { execFile, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const script = (name: string) => fileURLToPath(new URL(`../../scripts/${name}`, import.meta.url));

const versions = "/usr/lib/postgresql";
const isInstalled =
  existsSync(versions) && readdirSync(versions).some((version) => existsSync(`${versions}/${version}/bin/initdb`));

/** False if neither a server is named nor one can be started. In CI always true: the tests run, and fail. */
export const hasPostgres =
  process.env.SLUICE_TEST_POSTGRES !== undefined || isInstalled || process.env.CI !== undefined;
if (!hasPostgres) {
  console.warn(
    "postgres: no server to test against; set SLUICE_TEST_POSTGRES, or install Debian's postgresql (scripts/start-postgres.sh)",
  );
}

/** A server that is running. */
export interface PostgresServer {
  /** URL with the password, and without a schema. */
  readonly url: string;
  stop(): Promise<void>;
}

/** A server that the test may stop and start. */
export interface OwnPostgresServer extends PostgresServer {
  /** Stops it in the middle of everything, and starts it again. */
  restart(mode?: "fast" | "immediate"): Promise<void>;
}

/** Reaches the server, or starts one. */
export async function startPostgres(): Promise<PostgresServer> {
  const url = process.env.SLUICE_TEST_POSTGRES;
  return url === undefined ? startOwnPostgres() : { url, stop: async () => {} };
}

/** Starts one that nobody else uses. */
export async function startOwnPostgres(): Promise<OwnPostgresServer> {
  const directory = await mkdtemp(join(tmpdir(), "sluice-postgres-"));
  const port = String(await freePort());
  const start = () => run(script("start-postgres.sh"), [directory, port]);
  const { stdout } = await start();
  // Also when the worker is told to go: the server would stay for ever.
  const stopNow = () => void spawnSync(script("stop-postgres.sh"), [directory, "immediate"]);
  process.once("exit", stopNow);
  return {
    url: stdout.trim(),
    restart: async (mode = "fast") => {
      await run(script("stop-postgres.sh"), [directory, mode]);
      await start();
    },
    stop: async () => {
      process.off("exit", stopNow);
      await run(script("stop-postgres.sh"), [directory, "immediate"]);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A port that is free. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address === "object" && address !== null) return address.port;
  throw new Error("no port");
}
