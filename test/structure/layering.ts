/** Who may import whom. The table is the architecture; docs/architecture.md explains it. */
import { importsOf, packageOf, resolveImport, type SourceFiles } from "./source-files.ts";

/** Rooms and the rooms below that each may import. A room may always import itself. */
const below: Readonly<Record<string, readonly string[]>> = {
  core: [],
  codecs: ["core"],
  layers: ["core"],
  acquire: ["core"],
  sqlite: ["core"],
  backends: ["core", "codecs", "layers", "acquire"],
  registry: ["core", "codecs", "layers"],
  io: ["registry", "core", "codecs", "layers"],
  catalog: ["io", "registry", "sqlite", "acquire", "codecs", "core"],
  live: ["io", "registry", "sqlite", "acquire", "codecs", "core"],
  session: ["catalog", "live", "io", "registry", "backends", "sqlite", "acquire", "layers", "codecs", "core"],
  testing: ["core", "codecs", "layers", "acquire"],
  index: ["core", "registry", "io"],
  cli: ["session", "catalog", "live", "io", "registry", "backends", "sqlite", "acquire", "layers", "codecs", "core"],
  viewer: ["session", "catalog", "live", "io", "registry", "backends", "sqlite", "acquire", "layers", "codecs", "core"],
};

/** Only this file loads built-in backends, and only by `import()`. */
const BUILTIN_TABLE = "registry/builtin.ts";

/** Only this room knows the container. */
const containerPackages = ["tsyringe", "reflect-metadata"];

function roomOf(path: string): string {
  const [top, second] = path.split("/");
  if (path === "src/index.ts") return "index";
  return top === "src" ? (second as string) : (top as string);
}

/** Every import that breaks a rule, one sentence each. */
export function checkLayering(files: SourceFiles): string[] {
  const violations: string[] = [];
  for (const [path, text] of files) {
    const room = roomOf(path);
    const allowed = below[room];
    if (!allowed) {
      violations.push(`${path}: no room is called "${room}"`);
      continue;
    }
    for (const { specifier, kind, line } of importsOf(path, text)) {
      const where = `${path}:${line}`;
      if (kind === "type") continue;
      if (!specifier.startsWith(".")) {
        if (room === "core")
          violations.push(`${where}: core imports "${specifier}"; it may import nothing from outside`);
        const name = packageOf(specifier);
        if (name && containerPackages.includes(name) && room !== "session") {
          violations.push(`${where}: "${name}" belongs to src/session alone`);
        }
        continue;
      }
      const target = resolveImport(path, specifier);
      const targetRoom = roomOf(target);
      if (path === BUILTIN_TABLE && targetRoom === "backends" && kind === "dynamic") continue;
      if (targetRoom !== room) {
        if (!allowed.includes(targetRoom)) violations.push(`${where}: ${room} imports ${kind} ${target}`);
      } else if (room === "backends" && path.split("/")[1] !== target.split("/")[1]) {
        violations.push(`${where}: one backend imports another, ${target}; take the store from the context`);
      }
    }
  }
  return violations;
}

/** Packages that a light file may import statically: the command line's parser, in the command line. */
function isLight(name: string, path: string): boolean {
  return name === "commander" && path.startsWith("src/cli/");
}

/**
 * Every chain of static imports that leads from a light entry to an npm package.
 *
 * @param entries - Files that users import, or that run on every command. What is behind `import()` is not followed.
 */
export function checkLightness(files: SourceFiles, entries: readonly string[]): string[] {
  const violations: string[] = [];
  for (const entry of entries) {
    const cameFrom = new Map<string, string | undefined>([[entry, undefined]]);
    for (const path of cameFrom.keys()) {
      const text = files.get(path);
      if (text === undefined) {
        violations.push(`${cameFrom.get(path) ?? "entries"}: no file ${path}`);
        continue;
      }
      for (const { specifier, kind } of importsOf(path, text)) {
        if (kind !== "static") continue;
        const name = packageOf(specifier);
        if (name && !isLight(name, path)) violations.push(`${chain(path, cameFrom)} → ${name}`);
        const target = specifier.startsWith(".") ? resolveImport(path, specifier) : undefined;
        if (target && !cameFrom.has(target)) cameFrom.set(target, path);
      }
    }
  }
  return violations;
}

function chain(path: string, cameFrom: ReadonlyMap<string, string | undefined>): string {
  const steps = [path];
  for (let at = cameFrom.get(path); at !== undefined; at = cameFrom.get(at)) steps.unshift(at);
  return steps.join(" → ");
}
