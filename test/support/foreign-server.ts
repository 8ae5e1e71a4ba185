/** Web servers of other people, started on loopback. */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A running server. */
export interface ForeignServer extends AsyncDisposable {
  /** Address without a slash at the end. */
  readonly url: string;
  /** Ends it and removes its folder. */
  readonly stop: () => Promise<void>;
}

/** What a server is started with. */
export interface ServerPlace {
  readonly port: number;
  /** Of its own, for configuration and logs; the values are in `data` below it. */
  readonly folder: string;
}

/**
 * Starts a server over files and waits until it answers.
 *
 * @param values - Files by path.
 * @param commandOf - The command and its arguments; may write configuration into the folder.
 */
export async function foreignServer(
  values: ReadonlyMap<string, Uint8Array>,
  commandOf: (place: ServerPlace) => readonly [command: string, ...args: string[]],
): Promise<ForeignServer> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-server-"));
  for (const [path, bytes] of values) {
    mkdirSync(dirname(join(folder, "data", path)), { recursive: true });
    writeFileSync(join(folder, "data", path), bytes);
  }
  const port = await freePort();
  const [command, ...args] = commandOf({ port, folder });
  const child = spawn(command, args, { stdio: "ignore", cwd: folder });
  let failure: Error | undefined;
  child.once("error", (error) => {
    failure = error;
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  const url = `http://127.0.0.1:${port}`;
  for (let attempt = 0; ; attempt++) {
    try {
      await (await fetch(url)).body?.cancel();
      return { url, stop, [Symbol.asyncDispose]: stop };
    } catch (error) {
      const isOver = failure !== undefined || child.exitCode !== null;
      if (!isOver && attempt < 400) await new Promise((resolve) => setTimeout(resolve, 10));
      else {
        await stop();
        throw failure ?? error;
      }
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
