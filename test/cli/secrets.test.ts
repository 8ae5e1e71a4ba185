import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withoutSecrets } from "../../src/cli/terminal.ts";
import { scratchFolder, sluice } from "./command.ts";

const server = createServer((request, response) => {
  if (request.url?.startsWith("/gone")) response.writeHead(404).end();
  else response.writeHead(200, { "content-length": 2, "content-type": "text/plain" }).end("ok");
});
let host = "";
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

describe("a user, a password and a signature in an address", () => {
  it.each([
    ["http://me:hunter2@host/a?sig=topsecret", "http://***@host/a?***"],
    ["zip:https://me:hunter2@host/a.zip?sig=topsecret!/b", "zip:https://***@host/a.zip?***!/b"],
    ["postgres://me:hunter2@host:5432/db?schema=march", "postgres://me@host:5432/db?schema=march"],
    ["postgres://me@host/db?schema=march", "postgres://me@host/db?schema=march"],
    ["postgres://me:hunter2@host/db", "postgres://***@host/db"],
    ["postgres://host/db?schema=march&password=hunter2", "postgres://host/db?***"],
    ["postgres://me:hun#ter2@host/db?schema=march", "postgres://***@host/db?***"],
    ["s3://bucket/a", "s3://bucket/a"],
    ["folder/what?.txt", "folder/what?.txt"],
    ["disk:a@b", "disk:a@b"],
  ])("%s is shown as %s", (address, shown) => expect(withoutSecrets(address)).toBe(shown));

  it.each([
    [["cp", "ADDRESS/here", "to.txt"]],
    [["cp", "ADDRESS/gone", "to.txt"]],
    [["cp", "-r", "ADDRESS/gone", "to"]],
    [["info", "ADDRESS/here"]],
    [["ls", "ADDRESS/gone"]],
    [["cat", "ADDRESS/gone"]],
    [["sync", "ADDRESS/gone", "to"]],
    [["recover", "ADDRESS/here"]],
  ])("are not printed by sluice %s", async (args) => {
    const folder = scratchFolder({});
    const address = (path: string) => `http://me:hunter2@${host}${path}?sig=topsecret`;
    const full = args.map((arg) => (arg.startsWith("ADDRESS") ? address(arg.slice("ADDRESS".length)) : arg));
    for (const more of [[], ["--json", "--verbose"]]) {
      const { output, errors } = await sluice([...full, ...more], folder);
      expect(output + errors).not.toBe("");
      expect(output + errors).not.toMatch(/hunter2|topsecret/);
    }
  });
});
