import { describe, test } from "vitest";
import { http } from "../../backends/http/index.ts";
import { zipCapabilities } from "../../backends/zip/store.ts";
import { readOnlyCapabilities } from "../../src/core/readable-store.ts";
import { byteStoreConformance } from "../../src/testing/byte-store-kit.ts";
import { freshZip, hasProgram, ourZip, pythonZip } from "../support/archives.ts";
import { freshHttp } from "../support/http-store.ts";

for (const [name, manners] of [
  ["with ranges and a JSON index", { index: "json" }],
  ["with ranges and an HTML index", { index: "html" }],
  ["with weak etags", { index: "json", version: "weak" }],
  ["without ranges", { index: "json", ranges: false }],
  ["without ranges, HEAD and lengths", { index: "none", ranges: false, head: false, length: false }],
] as const) {
  byteStoreConformance({ describe, test }, `${http.key}, a server ${name}`, {
    capabilities: { ...readOnlyCapabilities, list: manners.index !== "none" },
    make: () => freshHttp(manners),
  });
}

byteStoreConformance({ describe, test }, "http, never asking for ranges", {
  capabilities: { ...readOnlyCapabilities, list: true, ranges: "emulated" },
  make: () => freshHttp({ index: "json" }, { ranges: false }),
});

for (const [name, make] of [
  ["by our writer, deflated", ourZip("deflate", false)],
  ["by our writer, stored", ourZip("store", false)],
  ["by our writer, streamed", ourZip("deflate", true)],
] as const) {
  byteStoreConformance({ describe, test }, `zip, ${name}`, {
    capabilities: zipCapabilities,
    make: () => freshZip(make),
  });
}

describe.skipIf(!hasProgram("python3") && !process.env.CI)("of Python (needs python3)", () => {
  byteStoreConformance({ describe, test }, "zip, by Python", {
    capabilities: zipCapabilities,
    make: () => freshZip(pythonZip),
  });
});
