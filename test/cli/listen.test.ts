import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { StreamBackend } from "../../backends/stream/backend.ts";
import { webSocketTransport } from "../../backends/stream/websocket.ts";
import { ndArray } from "../../src/core/nd-array.ts";
import { hasProgram } from "../support/archives.ts";
import { makeCertificate } from "../support/certificate.ts";
import { type Running, scratchFolder, sluice, start } from "./command.ts";

/** Where a listening command listens. */
async function urlOf(running: Running): Promise<string> {
  let errors = "";
  running.child.stderr?.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  await running.said(/Listening at wss?:\S+\./);
  return /Listening at (wss?:\S+)\./.exec(errors)?.[1] as string;
}

describe("sluice listen", () => {
  it("prints a line for each value, saves what it is told to, says what it refused, and ends cleanly at Ctrl-C", async () => {
    const folder = scratchFolder();
    const running = start(["listen", "--port", "0", "--into", "disk:shown"], folder);
    const url = await urlOf(running);
    const backend = new StreamBackend({ producer: "test", viewers: [webSocketTransport({ url })] });
    await backend.saveBatch([ndArray(Uint16Array.of(1, 2), [1, 2])], ["A01/f0.npy"], { axes: ["y", "x"] });
    await backend.save({ wells: 1 }, "plate.json");
    await expect(backend.save("x", "A01/f0.npy")).rejects.toMatchObject({ code: expect.stringMatching(/^[A-Z_]+$/) });
    await expect(backend.save({ wells: 2 }, "plate.json")).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await expect(backend.save(1, "odd\u001b[2J.json")).resolves.toMatchObject({ status: "created" });
    running.child.kill("SIGINT");
    const { code, output, errors } = await running.finished;
    expect(code).toBe(0);
    const [first, second, third] = output.trimEnd().split("\n");
    expect(first).toBe("A01/f0.npy  uint16 [1, 2] y x  4 B  from test  1 of 1");
    expect(second).toBe("plate.json  a plain object  11 B  from test");
    // What another program says does not move the cursor.
    expect(third).toContain("odd\\u001b[2J.json");
    expect(errors).toContain("ALREADY_EXISTS");
    expect(errors).toContain("3 values, 16 B");
    expect(readFileSync(join(folder, "shown/A01/f0.npy")).subarray(-4)).toEqual(Buffer.from([1, 0, 2, 0]));
    expect(JSON.parse(readFileSync(join(folder, "shown/plate.json"), "utf8"))).toEqual({ wells: 1 });
    await backend.close();
  });

  it("asks for a token where it is told one, and does not listen beyond this machine without", async () => {
    const open = await sluice(["listen", "--host", "0.0.0.0", "--port", "0"]);
    expect([open.code, open.errors]).toEqual([1, expect.stringContaining("CONFIG_INVALID")]);
    const running = start(["listen", "--port", "0", "--token", "secret", "--json"]);
    const url = await urlOf(running);
    const stranger = new StreamBackend({ viewers: [webSocketTransport({ url })] });
    await expect(stranger.save(1, "a")).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    const friend = new StreamBackend({ viewers: [webSocketTransport({ url, token: "secret" })] });
    await friend.save(1, "a");
    await Promise.all([stranger.close(), friend.close()]);
    running.child.kill("SIGTERM");
    const { code, output } = await running.finished;
    expect([code, JSON.parse(output)]).toEqual([0, { url, received: 1, failed: 0, byteLength: 1 }]);
  });

  it.skipIf(!hasProgram("openssl") && !process.env.CI)(
    "listens over TLS, and prints neither token nor key",
    async () => {
      const folder = scratchFolder();
      const { cert, key } = makeCertificate();
      writeFileSync(join(folder, "viewer.pem"), cert);
      writeFileSync(join(folder, "viewer.key"), key);
      const alone = await sluice(["listen", "--cert", "viewer.pem"], folder);
      expect([alone.code, alone.errors]).toEqual([1, expect.stringContaining("--cert FILE --key FILE")]);
      const swapped = await sluice(["listen", "--cert", "viewer.key", "--key", "viewer.pem"], folder);
      expect([swapped.code, swapped.errors]).toEqual([1, expect.stringContaining("CONFIG_INVALID")]);
      const secure = ["--cert", "viewer.pem", "--key", "viewer.key", "--token", "hush-hush"];
      const running = start(["listen", "--port", "0", ...secure], folder);
      const url = await urlOf(running);
      expect(url).toMatch(/^wss:/);
      const backend = new StreamBackend({ viewers: [webSocketTransport({ url, ca: cert, token: "hush-hush" })] });
      await backend.save(1, "a.json");
      await backend.close();
      running.child.kill("SIGINT");
      const { code, output, errors } = await running.finished;
      expect([code, output.startsWith("a.json")]).toEqual([0, true]);
      for (const text of [output, errors, alone.errors, swapped.errors]) {
        expect(text).not.toContain("hush-hush");
        expect(text).not.toContain(key.split("\n")[1]);
      }
    },
  );
});
