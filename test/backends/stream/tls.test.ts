/** Streams over TLS, with certificates that openssl made a moment ago. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { StreamBackend } from "../../../backends/stream/backend.ts";
import { Receiver } from "../../../backends/stream/receiver.ts";
import { type WebSocketOptions, webSocketTransport } from "../../../backends/stream/websocket.ts";
import { BackendSet } from "../../../registry/backend-set.ts";
import { createRegistry } from "../../../registry/builtin.ts";
import { hasProgram } from "../../support/archives.ts";
import { makeCertificate } from "../../support/certificate.ts";
import { rejectionOf } from "../../support/rejection.ts";
import { collecting, image } from "./support.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function listening(options: Parameters<Receiver["listen"]>[0]) {
  const receiver = new Receiver();
  closers.push(() => receiver.close());
  return { items: collecting(receiver), ...(await receiver.listen(options)) };
}

function sending(options: WebSocketOptions): StreamBackend {
  const backend = new StreamBackend({
    viewers: [webSocketTransport(options)],
    reconnect: { attempts: 3, delayMs: 1, maxDelayMs: 1 },
  });
  closers.push(() => backend.close());
  return backend;
}

describe.skipIf(!hasProgram("openssl") && !process.env.CI)("a stream over TLS (needs openssl)", () => {
  const trusted = makeCertificate();

  it("arrives where the viewer's certificate is trusted, with the token, and nothing of it is readable on the way", async () => {
    const { url, items } = await listening({ tls: trusted, token: "sesame" });
    expect(url).toMatch(/^wss:\/\/127\.0\.0\.1:\d+$/);
    const backend = sending({ url, ca: trusted.cert, token: "sesame" });
    await backend.save(image(3, [32, 32]), "A01/f0", { metadata: { channel: "GFP" } });
    expect(items).toMatchObject([{ path: "A01/f0", data: image(3, [32, 32]), metadata: { channel: "GFP" } }]);
    await expect(sending({ url, ca: trusted.cert }).save(1, "a")).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    // Whoever speaks without TLS is not heard.
    await expect(sending({ url: url.replace("wss", "ws"), token: "sesame" }).save(1, "a")).rejects.toMatchObject({
      code: "UNEXPECTED",
    });
    expect(items).toHaveLength(1);
  });

  it.each([
    ["that nobody has vouched for", undefined],
    ["of somebody else", makeCertificate().cert],
  ])("is refused for good, before anything is sent, where the viewer has a certificate %s", async (_, ca) => {
    const { url, items } = await listening({ tls: trusted });
    const backend = sending({ url, ca, token: "sesame" });
    const error = await rejectionOf(backend.save(1, "a"));
    expect(error).toMatchObject({ code: "UNEXPECTED", retryable: false });
    expect(error.message).toContain("certificate that is not trusted");
    expect(items).toEqual([]);
    // One try: another would end alike.
    expect(backend.report()).toMatchObject([{ sent: 0, lost: 1 }]);
  });

  it("is refused where the certificate is another machine's, also when an environment switches the check off", async () => {
    const elsewhere = makeCertificate("DNS:viewer.example.org");
    const { url, items } = await listening({ tls: elsewhere });
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
    closers.push(() => {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
    });
    await expect(sending({ url, ca: elsewhere.cert }).save(1, "a")).rejects.toMatchObject({
      retryable: false,
      message: expect.stringContaining("certificate that is not trusted"),
    });
    expect(items).toEqual([]);
  });

  it("is a backend of a session file, with the certificates in a file beside it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "sluice-ca-"));
    closers.push(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "lab.pem"), trusted.cert);
    const { url, items } = await listening({ tls: trusted });
    const set = new BackendSet(
      createRegistry(),
      { screen: { use: "websocket", url, caFile: "lab.pem" }, other: { use: "websocket", url, caFile: "none.pem" } },
      { baseDirectory: folder },
    );
    closers.push(() => set.close());
    const backend = (await set.get("screen")) as StreamBackend;
    await backend.save(1, "a");
    expect(items).toHaveLength(1);
    await expect(set.get("other")).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining("other.caFile"),
    });
  });

  it("needs a certificate and a key that belong together, and repeats neither", async () => {
    const other = makeCertificate();
    for (const tls of [
      { cert: trusted.cert, key: other.key },
      { cert: "nonsense", key: trusted.key },
    ]) {
      const error = await rejectionOf(listening({ tls }));
      expect(error).toMatchObject({ code: "CONFIG_INVALID" });
      const key = tls.key.split("\n")[1] as string;
      expect(inspect(error, { depth: 9 })).not.toContain(key);
    }
  });
});

describe("a token", () => {
  it("is in no transport, backend, report or error, however they are printed", async () => {
    const { url } = await listening({ token: "right-token" });
    const transport = webSocketTransport({ url, token: "hush-hush" });
    const backend = new StreamBackend({ viewers: [transport] });
    closers.push(() => backend.close());
    const error = await rejectionOf(backend.save(1, "a"));
    expect(error).toMatchObject({ code: "UNAUTHENTICATED" });
    for (const thing of [transport, backend, backend.report(), error, (error as Error).stack]) {
      const printed = `${inspect(thing, { depth: 12, showHidden: true })} ${JSON.stringify(thing)} ${String(thing)}`;
      expect(printed).not.toContain("hush-hush");
      expect(printed).not.toContain("right-token");
    }
  });

  it("that no header can hold is refused, unseen", () => {
    for (const token of ["hush\r\nx: y", "hush\0", "hush é", ""]) {
      const make = () => webSocketTransport({ url: "ws://127.0.0.1:1", token });
      expect(make).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
      expect(make).toThrow(/^(?!.*hush)/s);
    }
  });
});
