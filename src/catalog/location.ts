/** Where catalogues lie: paths of files, and URLs of databases, whose passwords nobody should see. */
import { basename, extname } from "node:path";
import { StorageError } from "../core/errors.ts";

/** The scheme of a URL, in lower case; `undefined` for a path. */
export function schemeOf(location: string): string | undefined {
  return /^([a-z][a-z0-9+.-]+):\/\//i.exec(location)?.[1]?.toLowerCase();
}

/** A URL of PostgreSQL, in its parts. What is not given comes from the variables `PGHOST`, `PGUSER` and so on. */
export interface PostgresLocation {
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string | undefined;
  /** The namespace with the tables. */
  readonly schema: string;
  readonly sslMode: string | undefined;
}

/** The namespace of URLs that name none. */
const DEFAULT_SCHEMA = "sluice";

const sslModes = ["disable", "allow", "prefer", "require", "verify-full"];

/**
 * Takes a URL apart: `postgres://user:password@host:port/database?schema=…&sslmode=…`. With `?host=/folder` it is the
 * socket in that folder.
 *
 * @throws A {@link StorageError} `CONFIG_INVALID`, without the URL, which may hold a password.
 */
export function parsePostgresUrl(location: string): PostgresLocation {
  const url = urlOf(location);
  if (url === undefined) {
    const message =
      "The URL of the catalogue's database cannot be read. It is postgres://user:password@host:port/database?schema=name, " +
      "with / ? # @ : and % in a password written as %2F %3F %23 %40 %3A %25";
    throw invalid(message, "location");
  }
  const { searchParams } = url;
  for (const name of searchParams.keys()) {
    if (["schema", "sslmode", "host"].includes(name)) continue;
    throw invalid(`The URL of a catalogue takes schema, sslmode and host behind the "?", not "${name}"`, name);
  }
  const schema = searchParams.get("schema") ?? DEFAULT_SCHEMA;
  if (schema === "" || schema.includes("\0") || Buffer.byteLength(schema) > 63 || schema.startsWith("pg_")) {
    throw invalid(`"${schema}" cannot be the name of a schema in PostgreSQL: 1 to 63 bytes, not "pg_…"`, "schema");
  }
  const sslMode = searchParams.get("sslmode") ?? undefined;
  if (sslMode !== undefined && !sslModes.includes(sslMode)) {
    throw invalid(`"${sslMode}" is no sslmode; known: ${sslModes.join(", ")}`, "sslmode");
  }
  const part = (text: string) => (text === "" ? undefined : decodeURIComponent(text));
  return {
    host: searchParams.get("host") ?? part(url.hostname.replace(/^\[(.*)\]$/, "$1")),
    port: url.port === "" ? undefined : Number(url.port),
    user: part(url.username),
    password: part(url.password),
    database: part(url.pathname.slice(1)),
    schema,
    sslMode,
  };
}

/** The location as it may be shown and written down: the URL of a database without its password; a path as it is. */
export function publicLocation(location: string): string {
  const scheme = schemeOf(location);
  if (scheme === undefined) return location;
  const url = urlOf(location);
  // What cannot be taken apart may be a password anywhere.
  if (url === undefined) return `${scheme}://…`;
  url.password = "";
  for (const name of [...url.searchParams.keys()])
    if (/pass|secret|token|key/i.test(name)) url.searchParams.delete(name);
  return url.href.replace(/^postgresql:/, "postgres:");
}

/** What a beamtime is called unless somebody says otherwise: its file without the ending, or its schema. */
export function labelOf(location: string): string {
  return schemeOf(location) === undefined ? basename(location, extname(location)) : parsePostgresUrl(location).schema;
}

/** The URL; `undefined` for what is none, or is cut in the wrong place by a sign in its password. */
function urlOf(location: string): URL | undefined {
  if (!URL.canParse(location)) return undefined;
  const url = new URL(location);
  if (url.hash !== "" || url.pathname.includes("@") || url.search.includes("@")) return undefined;
  try {
    for (const part of [url.username, url.password, url.pathname, url.hostname]) decodeURIComponent(part);
    return url;
  } catch {
    return undefined;
  }
}

function invalid(message: string, identifier: string): StorageError {
  return new StorageError("CONFIG_INVALID", message, { operation: "openDatabase", identifier });
}
