/**
 * Packs Sluice, installs the tarball in an empty folder as a stranger would, and checks there that
 *  - every subpath of the exports map can be imported,
 *  - every subpath type-checks under NodeNext and under Bundler resolution,
 *  - the `sluice` command runs.
 *
 * With `--omit-optional` the install leaves the optional packages out, and everything above must still hold.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const repository = fileURLToPath(new URL("..", import.meta.url));
const manifest = JSON.parse(readFileSync(join(repository, "package.json"), "utf8"));
const folder = mkdtempSync(join(tmpdir(), "sluice-package-"));

function run(command, args, cwd) {
  console.log(`$ ${command} ${args.join(" ")}`);
  return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

try {
  const packed = run("npm", ["pack", "--json", "--silent", "--pack-destination", folder], repository);
  const [{ filename, size, files }] = JSON.parse(packed.slice(packed.indexOf("[")));
  console.log(`${filename}: ${files.length} files, ${(size / 1024).toFixed(0)} KiB`);
  const stray = files.map((file) => file.path).filter((path) => /\.tsbuildinfo$|^(test|bench)\//.test(path));
  if (stray.length > 0) throw new Error(`Files that do not belong into the tarball: ${stray.join(", ")}`);

  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "stranger", private: true, type: "module" }));
  const omit = process.argv.includes("--omit-optional") ? ["--omit=optional"] : [];
  const { typescript, "@types/node": nodeTypes } = manifest.devDependencies;
  run(
    "npm",
    [
      "install",
      "--no-audit",
      "--no-fund",
      "--prefer-offline",
      ...omit,
      `./${filename}`,
      `typescript@${typescript}`,
      `@types/node@${nodeTypes}`,
    ],
    folder,
  );

  const subpaths = Object.keys(manifest.exports)
    .filter((subpath) => !subpath.endsWith(".json"))
    .map((subpath) => manifest.name + subpath.slice(1));
  for (const subpath of subpaths) {
    run(process.execPath, ["-e", `import(${JSON.stringify(subpath)})`], folder);
  }

  const imports = subpaths.map((subpath, index) => `import * as part${index} from "${subpath}";`);
  const uses = subpaths.map((_, index) => `part${index}`).join(", ");
  writeFileSync(join(folder, "consumer.ts"), `${imports.join("\n")}\nconsole.log(${uses});\n`);
  for (const [module, moduleResolution] of [
    ["NodeNext", "NodeNext"],
    ["ESNext", "Bundler"],
  ]) {
    const flags = [
      "--strict",
      "--noEmit",
      "--target",
      "ES2022",
      "--lib",
      "ES2023,ESNext.Disposable",
      "--types",
      "node",
    ];
    run(
      "npx",
      ["tsc", ...flags, "--module", module, "--moduleResolution", moduleResolution, "--skipLibCheck", "consumer.ts"],
      folder,
    );
  }
  console.log(run("npx", ["sluice", "--version"], folder).trim());
  console.log(`The packed tarball installs, type-checks and imports: ${subpaths.join(", ")}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
