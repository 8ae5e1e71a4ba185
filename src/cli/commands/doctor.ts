/** `sluice doctor` */
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, open, readFile, rm, stat, statfs } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { createRegistry } from "../../../registry/builtin.ts";
import { isUri } from "../../../registry/uri.ts";
import { checkAborted } from "../../core/checks.ts";
import { isStorageError, StorageError, type StorageErrorCode } from "../../core/errors.ts";
import type { CommandContext } from "../command-line.ts";
import { exitCodes } from "../exit-codes.ts";
import { formatBytes, formatRate, formatTable } from "../format.ts";
import type { DoctorOptions } from "./doctor-session.ts";

interface NeededPackage {
  readonly name: string;
  readonly purpose: string;
  readonly range: string;
  /** What is imported of it, if not the package. */
  readonly entry?: string;
}

/** Packages that are loaded when they are needed, and for what. */
const packages: readonly NeededPackage[] = [
  { name: "sharp", purpose: "reading and writing PNG, JPEG and WebP", range: "^0.35" },
  { name: "@mongodb-js/zstd", purpose: "fast Zstandard on Node without its own", range: "1.2.2" },
  { name: "zstd-napi", purpose: "fast reads of parts of what Zstandard packed", range: "~0.0.13" },
  { name: "@aws-sdk/client-s3", purpose: "buckets", range: "~3.1162.0" },
  { name: "@aws-sdk/s3-request-presigner", purpose: "URLs that let their holder reach one key", range: "~3.1162.0" },
  { name: "ws", purpose: "viewers and live scans over WebSockets", range: "^8.23" },
  { name: "better-sqlite3", purpose: "catalogues and folders of live scans, on Node without SQLite", range: "12" },
  { name: "redis", purpose: "live scans of many machines", range: "^6.3" },
  { name: "h5wasm", entry: "h5wasm/node", purpose: "HDF5 files of live scans", range: "^0.10.3" },
  { name: "postgres", purpose: "catalogues in PostgreSQL", range: "^3.4" },
  { name: "apache-arrow", purpose: "tables of catalogues as Arrow", range: "^21" },
  { name: "@opentelemetry/api", purpose: "traces and metrics of stores", range: "^1.9" },
];

/** The oldest Node that Sluice is tested with. */
const OLDEST_NODE = [20, 19];

const CHUNK_BYTES = 8 * 2 ** 20;
const CHUNKS = 16;

/**
 * Reports what a person needs to know before an acquisition: of a folder, or of a session file. The exit code is 1 if
 * something needed is wrong.
 */
export async function doctor(target: string, options: DoctorOptions, context: CommandContext): Promise<number> {
  const isFile = /\.(ya?ml|json)$/i.test(target) || ((await stat(target).catch(() => undefined))?.isFile() ?? false);
  if (!isFile) return doctorFolder(target, context);
  const { doctorSession } = await import("./doctor-session.ts");
  return doctorSession(target, options, context);
}

async function doctorFolder(folder: string, { terminal, signal }: CommandContext): Promise<number> {
  if (isUri(folder)) {
    throw new StorageError(
      "UNSUPPORTED",
      "A folder or a session file can be measured; another store as a backend of a session file: sluice doctor SESSION --backend NAME",
      { operation: "doctor" },
    );
  }
  const node = { version: process.versions.node, supported: isSupported(process.versions.node) };
  const found = await Promise.all(
    packages.map(async ({ entry, ...each }) => ({ ...each, ...(await inspect(each.name, entry)) })),
  );
  const registry = createRegistry();
  const backends = registry.keys().map((key) => {
    const { summary, opens } = registry.descriptor(key);
    return { key, summary, opens };
  });
  const disk = await measure(resolve(folder), signal);

  const lines = [
    `Node       ${node.version}${node.supported ? "" : `: too old, ${OLDEST_NODE.join(".")} or newer is needed`}`,
    "",
    ...formatTable(
      found.map(({ name, version, problem, purpose, range }) => [
        version ? "✓" : "–",
        name,
        version ?? `${problem}: npm install ${name}@${range}`,
        `(${purpose})`,
      ]),
    ),
    "",
    ...formatTable(
      backends.map(({ key, summary, opens }) => [
        key,
        [opens.values ? "values" : "", opens.store ? "bytes" : "", opens.writer ? "frames" : ""]
          .filter(Boolean)
          .join(", "),
        summary,
      ]),
    ),
    "",
    `Folder     ${disk.folder}`,
    `Free       ${formatBytes(disk.freeBytes)}`,
    `Write      ${formatRate(disk.byteLength, disk.writeSeconds)} until on the device (${formatBytes(disk.byteLength)} in one file)`,
    `In frames  ${Math.floor(disk.byteLength / disk.writeSeconds / (2048 * 2048 * 2))} a second of 2048 × 2048, 16 bit`,
  ];
  terminal.print({ node, packages: found, backends, disk }, lines);
  return node.supported ? exitCodes.ok : exitCodes.failed;
}

function isSupported(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_NODE;
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
}

/** The version of a package that really loads, or what is wrong with it. */
async function inspect(name: string, entry = name): Promise<{ version?: string; problem?: string }> {
  const { resolve: find } = await import("import-meta-resolve");
  let main: string;
  try {
    // As it is imported: not every package can be required.
    main = fileURLToPath(find(entry, import.meta.url));
  } catch {
    return { problem: "not installed" };
  }
  try {
    await import(entry);
    return { version: await versionOf(main, name) };
  } catch (error) {
    return {
      problem: `installed, but does not load (${error instanceof Error ? error.message.split("\n")[0] : error})`,
    };
  }
}

/** Walks up from a package's main file: not every package lets its package.json be imported. */
async function versionOf(main: string, name: string): Promise<string> {
  for (let folder = dirname(main); folder !== dirname(folder); folder = dirname(folder)) {
    const text = await readFile(join(folder, "package.json"), "utf8").catch(() => "{}");
    const manifest = JSON.parse(text) as { name?: string; version?: string };
    if (manifest.name === name && manifest.version) return manifest.version;
  }
  return "unknown version";
}

const refusals: Readonly<Record<string, StorageErrorCode>> = {
  ENOENT: "NOT_FOUND",
  ENOTDIR: "NOT_A_DIRECTORY",
  EROFS: "READ_ONLY",
  ENOSPC: "NO_SPACE",
  EDQUOT: "NO_SPACE",
};

function refusal(folder: string, cause: unknown): StorageError {
  if (isStorageError(cause)) return cause;
  const code = refusals[(cause as NodeJS.ErrnoException).code ?? ""] ?? "PERMISSION_DENIED";
  return new StorageError(code, `Nothing can be written to "${folder}": ${(cause as Error).message}`, {
    operation: "doctor",
    identifier: folder,
    cause,
  });
}

/** Writes a file that does not compress, syncs it, removes it. */
async function measure(folder: string, signal: AbortSignal) {
  const scratch = await mkdtemp(join(folder, ".sluice-doctor-")).catch((cause: unknown) => {
    throw refusal(folder, cause);
  });
  try {
    const { bavail, bsize } = await statfs(folder);
    const chunk = randomBytes(CHUNK_BYTES);
    const file = await open(join(scratch, randomUUID()), "wx");
    const started = performance.now();
    try {
      for (let i = 0; i < CHUNKS; i++) {
        checkAborted(signal, { operation: "doctor" });
        await file.write(chunk);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    const writeSeconds = (performance.now() - started) / 1000;
    return { folder, freeBytes: bavail * bsize, byteLength: CHUNK_BYTES * CHUNKS, writeSeconds };
  } catch (cause) {
    throw refusal(folder, cause);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
