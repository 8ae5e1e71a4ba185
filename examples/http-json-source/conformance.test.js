/** The conformance kit over the backend, and what is special about it, against a service on loopback. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { arraysEqual, arrayToBytes, BackendSet, createRegistry, FileManager, ndArray } from "sluice";
import { openWorkspace } from "sluice/backends/virtual";
import { backendConformance } from "sluice/testing";
import httpJson, { capabilities, HttpJsonBackend } from "./index.js";

/** Plates by name; each is a list of `{ path, array }`. */
const plates = new Map();
const requests = [];
const server = createServer((request, response) => {
  requests.push(request.url);
  const [, kind, plate, id] = request.url.split("/").map(decodeURIComponent);
  const images = plates.get(plate);
  if (request.headers.authorization === "Bearer bad") return response.writeHead(401).end();
  if (images === undefined) return response.writeHead(404).end();
  if (kind === "pixels") return response.end(arrayToBytes(images[id].array));
  const list = images.map(({ path, array: { dtype, shape } }, at) => ({ path, dtype, shape, id: at }));
  return response.end(JSON.stringify(list));
});
let baseUrl;
before(async () => {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  baseUrl = `http://127.0.0.1:${server.address().port}/`;
});
after(() => server.close());

const templates = { list: "images/{plate}", pixels: "pixels/{plate}/{id}" };
let last = 0;

backendConformance({ describe, test }, "http_json", {
  capabilities,
  make: async () => {
    const plate = `plate ${++last}`;
    plates.set(plate, []);
    return {
      backend: new HttpJsonBackend({ baseUrl, ...templates, variables: { plate } }),
      side: {
        put: async (path, array) => void plates.get(plate).push({ path, array }),
        get: async (path) => plates.get(plate).find((image) => image.path === path)?.array,
      },
    };
  },
});

const image = ndArray(Uint16Array.of(1, 2, 3, 4), [2, 2]);

test("what the templates need comes with each call, or is missed by name", async () => {
  plates.set("7", [{ path: "A01/f1", array: image }]);
  const backend = new HttpJsonBackend({ baseUrl, ...templates });
  assert.deepEqual(await backend.listFiles("", { recursive: true, plate: 7 }), ["A01/f1"]);
  assert.ok(arraysEqual(await backend.load("A01/f1", { plate: 7 }), image));
  await assert.rejects(backend.load("A01/f1"), { code: "INVALID_DATA", message: /needs "plate"/ });
});

test("a service that refuses is told from one that lacks", async () => {
  const headers = { authorization: "Bearer bad" };
  const variables = { plate: "7" };
  await assert.rejects(new HttpJsonBackend({ baseUrl, ...templates, variables, headers }).load("x"), {
    code: "UNAUTHENTICATED",
  });
  await assert.rejects(new HttpJsonBackend({ baseUrl, ...templates, variables: { plate: "none" } }).load("x"), {
    code: "NOT_FOUND",
  });
});

test("registered, it is a source of a workspace beside others, and takes no writes", async () => {
  const registry = createRegistry();
  registry.register(httpJson);
  const backends = new BackendSet(registry, {
    service: { use: "http_json", baseUrl, ...templates, variables: { plate: 7 } },
    scratch: { use: "memory" },
  });
  const files = new FileManager(backends);
  await files.save({ dose: 3 }, "dose.json", "scratch");
  const mapping = {
    version: 1,
    entries: {
      "A01/image": { backend: "service", address: "A01/f1", axes: [1] },
      "A01/dose": { backend: "scratch", address: "dose.json" },
    },
  };
  const workspace = await openWorkspace({ mapping, backends });
  const [row, dose] = await workspace.loadBatch(["A01/image", "A01/dose"]);
  assert.deepEqual([[...row.data], dose], [[3, 4], { dose: 3 }]);
  await assert.rejects(files.save(image, "A01/new", "service"), { code: "READ_ONLY" });
  await backends.close();
  assert.ok(requests.includes("/pixels/7/0"));
});
