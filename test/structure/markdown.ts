/** What the documentation tests look at in Markdown pages: links, headings and code. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { repository, resolveImport, type SourceFiles } from "./source-files.ts";

/** Relative links that lead nowhere: a file that is not there, or a heading that its page does not have. */
export function checkLinks(pages: SourceFiles): string[] {
  const violations: string[] = [];
  for (const [page, text] of pages) {
    for (const [, href = ""] of withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(href)) continue;
      const [file = "", anchor] = href.split("#");
      const target = file === "" ? page : resolveImport(page, decodeURI(file));
      if (!pages.has(target) && !existsSync(join(repository, target))) violations.push(`${page}: no file ${href}`);
      else if (anchor && pages.has(target) && !anchorsOf(pages.get(target) as string).includes(anchor)) {
        violations.push(`${page}: no heading ${href}`);
      }
    }
  }
  return violations;
}

/** Anchors of the headings, as forges make them. */
function anchorsOf(text: string): string[] {
  return [...withoutCode(text).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replace(/\s/g, "-"),
  );
}

function withoutCode(text: string): string {
  return text.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, "");
}

/** The fenced blocks of one language, in order, with the line on which each begins. */
export function codeBlocks(text: string, language: string): { code: string; line: number }[] {
  const pattern = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, "gm");
  return [...text.matchAll(pattern)].map((match) => ({
    code: match[1] as string,
    line: text.slice(0, match.index).split("\n").length,
  }));
}
