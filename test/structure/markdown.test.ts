import { describe, expect, it } from "vitest";
import { checkLinks } from "./markdown.ts";
import { readSources } from "./source-files.ts";

describe("links in the documentation", () => {
  it("every relative link leads to a file and a heading", () => {
    expect(checkLinks(readSources(["."], ".md"))).toEqual([]);
  });

  it.each([
    ["[a](missing.md)", "docs/x.md: no file missing.md"],
    ["[a](../src/nowhere.ts)", "docs/x.md: no file ../src/nowhere.ts"],
    ["# One\n[a](#two)", "docs/x.md: no heading #two"],
    ["[a](y.md#one)", "docs/x.md: no heading y.md#one"],
  ])("a planted dead link is named: %s", (text, expected) => {
    const pages = new Map([
      ["docs/x.md", text],
      ["docs/y.md", "# Two things, really\n"],
    ]);
    expect(checkLinks(pages)).toEqual([expected]);
  });

  it("lets web links, code and good links pass", () => {
    const text = "# A\n[a](https://example.org/x) `[b](c)` [d](#a) [e](../package.json) [f](y.md#two-things-really)\n";
    const pages = new Map([
      ["docs/x.md", text],
      ["docs/y.md", "# Two things, really\n"],
    ]);
    expect(checkLinks(pages)).toEqual([]);
  });
});
