/** A redis-server for a benchmark, and blissdata's own client beside ours. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const stack = here(".redis-stack");
const python = here(".venv/bin/python");
const script = here("bench/live_blissdata.py");

/**
 * Starts a server without a file. `isStack`: one with RedisJSON and RediSearch, `undefined` where it or Python is not
 * there.
 */
export async function startRedis({ isStack = false } = {}) {
  if (isStack && !(existsSync(`${stack}/redis-server`) && existsSync(python))) {
    console.log(
      "LEFT OUT: blissdata's own client; scripts/redis-stack.sh and scripts/python-venv.sh get what it needs",
    );
    return undefined;
  }
  const directory = mkdtempSync(join(tmpdir(), "sluice-bench-redis-"));
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", directory, "--save", "", "--appendonly", "no"];
  const modules = isStack
    ? ["rejson", "redisearch"].flatMap((name) => ["--loadmodule", `${stack}/lib/${name}.so`])
    : [];
  const server = spawn(isStack ? `${stack}/redis-server` : "redis-server", [...args, ...modules], {
    env: isStack ? { ...process.env, LD_LIBRARY_PATH: `${stack}/lib` } : process.env,
  });
  server.on("error", () => {
    console.log("LEFT OUT: no redis-server; apt-get install redis-server");
    process.exit(0);
  });
  await new Promise((resolve) => {
    server.stdout.on("data", (chunk) => /Ready to accept/.test(chunk.toString()) && resolve());
  });
  const url = `redis://127.0.0.1:${port}`;
  if (isStack) await once(blissdata("init", url).child, "exit");
  const stop = async () => {
    server.kill();
    await once(server, "exit");
    rmSync(directory, { recursive: true, force: true });
  };
  return { url, stop };
}

function blissdata(...args) {
  const child = spawn(python, ["-W", "ignore", script, ...args.map(String)], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return { child, next: async () => JSON.parse((await lines.next()).value) };
}

/** Points of so many bytes from one Python process to readers in another. */
export async function runBlissdata(url, { readers, bytes, count, perSecond = 0 }) {
  const writer = blissdata("write", url, bytes, count, perSecond);
  const key = await writer.next();
  const reader = blissdata("read", url, key, readers, bytes, count);
  await reader.next();
  writer.child.stdin.end("go\n");
  const [{ start, written }, { end, p50, p99 }] = await Promise.all([writer.next(), reader.next()]);
  const rate = (until) => count / (Number(BigInt(until) - BigInt(start)) / 1e9);
  return { written: rate(written), read: rate(end), p50, p99 };
}
