/** Debian's redis-server, started for a test on a free port of the loopback interface, with its files in a folder of its own. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const isInstalled = spawnSync("redis-server", ["--version"], { stdio: "ignore" }).error === undefined;

/** False if no server can be started. In CI always true: the tests run, and fail. */
export const hasRedis = isInstalled || process.env.CI !== undefined;
if (!hasRedis) console.warn("redis: no redis-server to test against; apt-get install redis-server");

/** A server that is running. */
export interface RedisServer {
  readonly port: number;
  /** Address of one of its 4096 databases. */
  url(database?: number): string;
  /** Kills it without a chance to do anything. */
  kill(): Promise<void>;
  /** Starts it again after it was killed, on the same port and files; resolves once it takes commands. */
  start(): Promise<void>;
  /** Ends it and removes its files. */
  stop(): Promise<void>;
}

const stack = fileURLToPath(new URL("../../.redis-stack/", import.meta.url));

/** False if there is no server with RedisJSON and RediSearch. In CI always true. */
export const hasRedisStack = existsSync(`${stack}redis-server`) || process.env.CI !== undefined;
if (!hasRedisStack) console.warn("redis: no server with RedisJSON and RediSearch; scripts/redis-stack.sh gets one");

/** Options of {@link startRedis}. */
export interface RedisServerOptions {
  /** True: the server that has RedisJSON and RediSearch. */
  readonly isStack?: boolean;
  /** True: each command is on the disk before its answer, so that a kill loses nothing that was answered. */
  readonly isDurable?: boolean;
  /** More of its command line. */
  readonly args?: readonly string[];
}

/** Starts a server. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const directory = await mkdtemp(join(tmpdir(), "sluice-redis-"));
  const port = await freePort();
  const keeping = options.isDurable ? ["--appendonly", "yes", "--appendfsync", "always"] : ["--appendonly", "no"];
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", directory, "--databases", "4096"];
  const program = options.isStack ? `${stack}redis-server` : "redis-server";
  const modules = options.isStack
    ? ["rejson", "redisearch"].flatMap((name) => ["--loadmodule", `${stack}lib/${name}.so`])
    : [];
  const env = options.isStack ? { ...process.env, LD_LIBRARY_PATH: `${stack}lib` } : process.env;
  let child: ChildProcess | undefined;
  const killNow = () => void child?.kill("SIGKILL");
  process.once("exit", killNow);

  const server: RedisServer = {
    port,
    url: (database = 0) => `redis://127.0.0.1:${port}/${database}`,
    kill: async () => {
      if (child === undefined) return;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
      child = undefined;
    },
    start: async () => {
      const all = [...args, "--save", "", ...keeping, ...modules, ...(options.args ?? [])];
      child = spawn(program, all, { stdio: "pipe", env });
      await sayReady(child);
    },
    stop: async () => {
      process.off("exit", killNow);
      await server.kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
  await server.start();
  return server;
}

/**
 * Sends one command and answers the bytes that came back until the connection was closed: what is on the wire, not what
 * a client makes of it.
 */
export async function rawReply(server: RedisServer, ...command: readonly string[]): Promise<string> {
  const socket = connect(server.port, "127.0.0.1");
  const commands = [command, ["QUIT"]];
  for (const parts of commands) {
    socket.write(`*${parts.length}\r\n${parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join("")}`);
  }
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  const all = Buffer.concat(chunks).toString("latin1");
  return all.slice(0, -"+OK\r\n".length);
}

/** The server says so in its log; what it says before is the reason if it does not. */
async function sayReady(child: ChildProcess): Promise<void> {
  let log = "";
  await new Promise<void>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", () => reject(new Error(`redis-server ended: ${log}`)));
    child.stdout?.on("data", (chunk: Buffer) => {
      log = `${log}${chunk.toString()}`.slice(-10_000);
      if (/Ready to accept connections/.test(log)) resolve();
    });
  });
  child.removeAllListeners("exit");
}

/** A port of the loopback interface that nobody uses at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
