/**
 * Headers of scans as blissdata keeps them, beside the engine's own, so that its Python clients find and follow scans that
 * are written here. Needs RedisJSON and RediSearch in the server.
 *
 * @see blissdata 2.4, `redis_engine/store.py` and `redis_engine/scan.py`
 */
import { StorageError } from "../../../core/errors.ts";
import type { NewScan } from "../../engine.ts";
import type { NumericEncoding, StreamHeader } from "../../header.ts";
import type { RedisConnection } from "./connection.ts";
import { listOf } from "./wire.ts";

const PROTOCOL = "1";

/** Fields of the identity that blissdata has an index of; those after the third may be left out. */
const identityFields = ["name", "number", "data_policy", "session", "proposal", "collection", "dataset", "path"];

/** The index that blissdata searches scans by. */
function createIndex(): string[] {
  const tag = (path: string, name: string) => [`$.${path}`, "AS", name, "TAG", "SEPARATOR", "|"];
  const fields = ["pk", ...identityFields].flatMap((name) =>
    name === "number" ? ["$.id.number", "AS", "id_number", "NUMERIC"] : tag(`id.${name}`, `id_${name}`),
  );
  const schema = [...tag("pk", "pk"), ...fields, ...tag("state_stream.pk", "state_stream_pk")];
  return ["FT.CREATE", "esrf:scan:index", "ON", "JSON", "PREFIX", "1", "esrf:scan:", "SCHEMA", ...schema];
}

/** The function that blissdata's writers end their streams with. */
const sealFunction = `#!lua name=mylib
redis.register_function('seal_stream', function(keys)
  local last = redis.call('XREVRANGE', keys[1], '+', '-', 'COUNT', 1)[1]
  local length = 0
  if last then
    local index, sequence = string.match(last[1], '^(%d+)%-(%d+)$')
    if sequence ~= '1' then return redis.error_reply('ERR ' .. keys[1] .. ' is already sealed.') end
    local points = 1
    for i = 1, #last[2], 2 do
      if last[2][i] == 'len' then points = tonumber(last[2][i + 1]) end
    end
    length = tonumber(index) + points
  end
  redis.call('XADD', keys[1], '18446744073709551615-18446744073709551615', 'id', string.format('%.0f', length))
  return length
end)`;

/**
 * Makes a database one of blissdata's, unless it is one already.
 *
 * @throws A {@link StorageError} `CONFIG_INVALID` if the server lacks a module, the database is not the first one, or it
 * is one of another version of blissdata.
 */
export async function openDialect(connection: RedisConnection, host: string): Promise<void> {
  const about = { operation: "open" };
  const invalid = (message: string) => new StorageError("CONFIG_INVALID", message, { backend: "redis", ...about });
  const modules = listOf(await connection.call(["MODULE", "LIST"], about)).flatMap((module) =>
    listOf(module).map(String),
  );
  const missing = ["ReJSON", "search"].filter((name) => !modules.includes(name));
  if (missing.length > 0) {
    const message = `The dialect "blissdata" needs RedisJSON and RediSearch; Redis at ${host} has no module ${missing.join(" and no ")}`;
    throw invalid(`${message}. Use redis-stack-server or Redis 8, or leave the option out`);
  }
  const found = await connection.call(["GET", "_PROTOCOL_VERSION_"], about);
  if (found !== null && String(found) !== PROTOCOL) {
    throw invalid(`Redis at ${host} has blissdata's protocol ${String(found)}; only ${PROTOCOL} is known here`);
  }
  if (found !== null) return;
  try {
    await connection.call(createIndex(), about);
  } catch (error) {
    const said = String(((error as Error).cause as Error | undefined)?.message);
    if (/db != 0/.test(said)) throw invalid('The dialect "blissdata" needs database 0: RediSearch knows no other');
    if (!/already exists/i.test(said)) throw error;
  }
  try {
    await connection.call(["FUNCTION", "LOAD", sealFunction], about);
  } catch (error) {
    if (!/already exists/.test(String(((error as Error).cause as Error | undefined)?.message))) throw error;
  }
  await connection.call(["SET", "_PROTOCOL_VERSION_", PROTOCOL], about);
}

/**
 * The document of a new scan. Its state stream has the ULID of the scan.
 *
 * @throws A {@link StorageError} `INVALID_DATA` for an identity with which blissdata's client could not load the scan.
 */
export function scanDocument({ key, identity, info }: NewScan): string {
  if (typeof identity.name !== "string" || !Number.isSafeInteger(identity.number)) {
    const message = `blissdata wants a name and a whole number in the identity of a scan, got ${JSON.stringify(identity)}`;
    throw new StorageError("INVALID_DATA", message, { operation: "createScan", identifier: key });
  }
  const pk = key.slice(key.lastIndexOf(":") + 1);
  const absent = Object.fromEntries(identityFields.slice(3).map((name) => [name, null]));
  return JSON.stringify({
    pk,
    id: { pk, ...absent, data_policy: "none", ...identity },
    info,
    state_stream: { pk, encoding: null, info: null },
    data_streams: {},
  });
}

/** The streams of a scan, as they stand in its document. */
export function streamDocuments(streams: Readonly<Record<string, StreamHeader>>): string {
  const documents = Object.entries(streams).map(([name, { key, encoding, info }]) => [
    name,
    { pk: key.slice(key.lastIndexOf(":") + 1), ...described(encoding, info) },
  ]);
  return JSON.stringify(Object.fromEntries(documents));
}

/**
 * The encoding in blissdata's words. One that blissdata has no decoder for would make the whole scan unreadable there: it
 * is said to be JSON of a plugin that is missing, which costs that stream only.
 */
function described(encoding: StreamHeader["encoding"], info: StreamHeader["info"]): object {
  if (encoding.type === "numeric") {
    const { dtype, shape } = encoding as NumericEncoding;
    return { encoding: { type: "numeric", dtype_str: dtype, shape }, info };
  }
  if (encoding.type === "json") return { encoding: { type: "json" }, info };
  return { encoding: { type: "json" }, info: { ...info, plugin: `sluice_${encoding.type}`, encoding } };
}
