/** What the tests of a file are called, by its syntax. */
import ts from "typescript";

/** Titles of the tests in a file as they are written, and names of the checks of a kit. */
export function titlesIn(file: string, text: string): Set<string> {
  const titles = new Set<string>();
  const add = (title: ts.Node | undefined) => {
    if (title === undefined) return;
    if (ts.isStringLiteral(title) || ts.isNoSubstitutionTemplateLiteral(title)) titles.add(title.text);
    else if (ts.isTemplateExpression(title)) titles.add(title.getText().slice(1, -1));
  };
  const isKit = file.startsWith("src/testing/");
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && /^(it|test)$/.test(rootOf(node.expression))) add(node.arguments[0]);
    if (isKit && ts.isPropertyAssignment(node) && node.name.getText() === "name") add(node.initializer);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true));
  return titles;
}

/** The first name of a chain: `it` of `it.each(a)`. */
function rootOf(node: ts.Expression): string {
  if (ts.isCallExpression(node) || ts.isPropertyAccessExpression(node)) return rootOf(node.expression);
  return ts.isIdentifier(node) ? node.text : "";
}
