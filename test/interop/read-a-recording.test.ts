import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { codeBlocks } from "../structure/markdown.ts";
import { repository } from "../structure/source-files.ts";
import { executePage, moduleOf } from "../support/page-module.ts";
import { isPythonExpected, runPythonCode } from "../support/python.ts";

describe("the page on reading a recording", () => {
  const page = readFileSync(join(repository, "docs/read-a-recording.md"), "utf8");
  const folder = mkdtempSync(join(tmpdir(), "sluice-reading-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  it("records, and reads the same with Sluice and with zarrita", { timeout: 60_000 }, () => {
    const { code, output, errors } = executePage(moduleOf(page), folder);
    expect(code, errors).toBe(0);
    expect(output.trimEnd().split("\n")).toEqual([
      "beads [ 'camera' ]",
      "[ 5, 64, 96 ] uint16 [ 't', 'y', 'x' ]",
      "[ 64, 96 ] [ 2, 16, 16 ]",
      "5 [ 32, 32 ]",
      expect.stringMatching(/^start → descriptor → .* → stop$/),
      "[ 64, 96 ] 6144",
    ]);
  });

  it.skipIf(!isPythonExpected)("reads the same with zarr-python", { timeout: 60_000 }, () => {
    const [block] = codeBlocks(page, "python");
    const lines = runPythonCode(block?.code ?? "", folder).split("\n");
    expect(lines).toEqual([
      "beads ['camera']",
      "(5, 64, 96) uint16 ('t', 'y', 'x')",
      "(64, 96) uint16 True",
      expect.stringMatching(/^start descriptor .*stop $/),
    ]);
  });
});
