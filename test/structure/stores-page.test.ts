/** docs/stores.md says of each store what it declares. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { DiskStore } from "../../backends/disk/store.ts";
import { MemoryStore } from "../../backends/memory/store.ts";
import { capabilitiesFor } from "../../backends/s3/condition-probe.ts";
import { zipCapabilities } from "../../backends/zip/store.ts";
import type { StoreCapabilities } from "../../src/core/capabilities.ts";
import { storeAt } from "../support/http-store.ts";

const stores: Readonly<Record<string, StoreCapabilities>> = {
  disk: new DiskStore({}).capabilities,
  memory: new MemoryStore().capabilities,
  s3: capabilitiesFor({ ifAbsent: true, ifMatch: "quoted", onComplete: true }, true),
  http: storeAt("https://host/").capabilities,
  zip: zipCapabilities,
};

/** What the table of a page says wrong, or not at all. */
function mistakes(page: string): string[] {
  const rows = page
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) => line.split("|").map((cell) => cell.trim()));
  const names = rows.find((cells) => cells[1] === "Capability") ?? [];
  const found: string[] = [];
  const claims = new Set(Object.values(stores).flatMap((capabilities) => Object.keys(capabilities)));
  for (const claim of claims) {
    const cells = rows.find((row) => row[1] === `\`${claim}\``);
    for (const [store, capabilities] of Object.entries(stores)) {
      const value = capabilities[claim as keyof StoreCapabilities] ?? false;
      const word = typeof value === "boolean" ? (value ? "yes" : "no") : value;
      const said = cells?.[names.indexOf(store)]?.replace(/\*$/, "");
      if (said !== word) found.push(`${claim} of ${store} is ${word}, and the page says ${said}`);
    }
  }
  return found;
}

const page = readFileSync(new URL("../../docs/stores.md", import.meta.url), "utf8");

it("docs/stores.md says of each store what it declares", () => {
  expect(mistakes(page)).toEqual([]);
});

it("a planted mistake and a missing row are named", () => {
  const wrong = page
    .split("\n")
    .filter((line) => !line.startsWith("| `symlinks`"))
    .map((line) => (line.startsWith("| `rename`") ? line.replace("emulated", "native") : line))
    .join("\n");
  expect(mistakes(wrong)).toContain("rename of s3 is emulated, and the page says native");
  expect(mistakes(wrong)).toContain("symlinks of disk is yes, and the page says undefined");
});
