import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { listPublicNames, publicEntries } from "./public-names.ts";
import { repository } from "./source-files.ts";

describe("public names", () => {
  // Compiles every source, which takes long on a busy machine.
  it("are those of public-names.txt, which changes with them in one commit (vitest -u)", async () => {
    await expect(listPublicNames(publicEntries(manifest.exports))).toMatchFileSnapshot("./public-names.txt");
  }, 120_000);

  it("a planted export is listed, values apart from types", () => {
    const folder = mkdtempSync(join(tmpdir(), "sluice-names-"));
    try {
      writeFileSync(join(folder, "a.ts"), 'export const leaked = 1;\nexport type { Key } from "./b.ts";\n');
      writeFileSync(join(folder, "b.ts"), "export class Key {}\nexport interface Shape {}\n");
      writeFileSync(join(folder, "c.ts"), 'export * from "./b.ts";\n');
      const at = (name: string) => relative(repository, join(folder, name));
      const entries = new Map([
        ["sluice", at("a.ts")],
        ["sluice/c", at("c.ts")],
      ]);
      expect(listPublicNames(entries)).toBe("sluice\n  Key\n  leaked\nsluice/c\n  Key\n  Shape (type)\n");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
