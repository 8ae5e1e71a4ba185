/**
 * Finds state that a whole process would share: what a module keeps between calls. Constant tables are fine; so is
 * filling them while the module loads.
 */
import ts from "typescript";
import { parse, type SourceFiles } from "./source-files.ts";

/** Methods that change the collection they are called on. */
const mutators = /^(set|add|delete|clear|push|pop|shift|unshift|splice|sort|reverse|fill|copyWithin)$/;

/** What may be constructed once for a module: values without memory of their use, or with one for each call chain. */
const harmless =
  /^(RegExp|TextEncoder|TextDecoder|Error|URL|Intl|(Big)?(Ui|I)nt\d+(Clamped)?Array|Float\d+Array|Map|Set|WeakMap|WeakSet|Array|DataView|ArrayBuffer|AsyncLocalStorage)$/;

/** Every piece of module state outside the allowed files, one sentence each. */
export function checkModuleState(files: SourceFiles, allowed: readonly string[]): string[] {
  const violations: string[] = [];
  for (const [path, text] of files) if (!allowed.includes(path)) violations.push(...inFile(path, text));
  return violations;
}

function inFile(path: string, text: string): string[] {
  const source = parse(path, text);
  const violations: string[] = [];
  const report = (node: ts.Node, what: string) => {
    const { line } = source.getLineAndCharacterOfPosition(node.getStart());
    violations.push(`${path}:${line + 1}: ${what}`);
  };

  const constants = new Set<string>();
  for (const statement of source.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    const isConst = (statement.declarationList.flags & ts.NodeFlags.Const) !== 0;
    for (const declaration of statement.declarationList.declarations) {
      const name = declaration.name.getText();
      if (!isConst) {
        report(declaration, `"${name}" can be reassigned by the module that everybody shares`);
        continue;
      }
      constants.add(name);
      const made = declaration.initializer;
      if (made && ts.isNewExpression(made) && !harmless.test(rootOf(made.expression))) {
        report(declaration, `"${name}" is one ${made.expression.getText()} for the whole process`);
      }
    }
  }

  const visit = (node: ts.Node, inFunction: boolean, shadowed: ReadonlySet<string>): void => {
    let names = shadowed;
    if (ts.isFunctionLike(node) || ts.isBlock(node)) names = new Set([...shadowed, ...declaredIn(node)]);
    const inside = inFunction || ts.isFunctionLike(node);
    const target = inside ? changedBy(node) : undefined;
    if (target) {
      const root = rootOf(target);
      if (root === "globalThis") report(node, "changes globalThis");
      else if (constants.has(root) && !names.has(root)) report(node, `changes "${root}", which everybody shares`);
    }
    if (ts.isPropertyDeclaration(node) && isStatic(node)) {
      const isReadonly = node.modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.ReadonlyKeyword);
      const isCollection = node.initializer && /^new (Weak)?(Map|Set)\b|^\[\]$/.test(node.initializer.getText());
      if (!isReadonly || isCollection) report(node, `static "${node.name.getText()}" is shared by the whole process`);
    }
    ts.forEachChild(node, (child) => visit(child, inside, names));
  };
  visit(source, false, new Set());
  return violations;
}

function isStatic(node: ts.PropertyDeclaration): boolean {
  return node.modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.StaticKeyword) ?? false;
}

/** What an expression changes: the left side of an assignment, the object of a mutating call, the operand of `++`. */
function changedBy(node: ts.Node): ts.Expression | undefined {
  if (ts.isBinaryExpression(node)) {
    const kind = node.operatorToken.kind;
    const assigns = kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment;
    return assigns && isMember(node.left) ? node.left : undefined;
  }
  if (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) {
    const steps = node.operator === ts.SyntaxKind.PlusPlusToken || node.operator === ts.SyntaxKind.MinusMinusToken;
    return steps && isMember(node.operand) ? node.operand : undefined;
  }
  if (ts.isDeleteExpression(node)) return node.expression;
  if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
    const { name, expression } = node.expression;
    return mutators.test(name.text) ? expression : undefined;
  }
  return undefined;
}

function isMember(node: ts.Node): node is ts.PropertyAccessExpression | ts.ElementAccessExpression {
  return ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node);
}

/** The variable that a chain of members begins with. */
function rootOf(node: ts.Node): string {
  let at = node;
  while (isMember(at) || ts.isNonNullExpression(at) || ts.isParenthesizedExpression(at) || ts.isAsExpression(at)) {
    at = at.expression;
  }
  return ts.isIdentifier(at) ? at.text : "";
}

/** Names that a function or block declares, so that they hide the module's. */
function declaredIn(node: ts.SignatureDeclaration | ts.Block): string[] {
  const names: string[] = [];
  const collect = (name: ts.BindingName): void => {
    if (ts.isIdentifier(name)) names.push(name.text);
    else for (const element of name.elements) if (ts.isBindingElement(element)) collect(element.name);
  };
  const declare = (child: ts.Node): void => {
    if (ts.isVariableDeclaration(child) || ts.isParameter(child)) collect(child.name);
    if (!ts.isFunctionLike(child)) ts.forEachChild(child, declare);
  };
  ts.forEachChild(node, declare);
  if (ts.isFunctionLike(node)) for (const parameter of node.parameters) collect(parameter.name as ts.BindingName);
  return names;
}
