/** How full a server is. */
/**
 * What `INFO memory` says, without what an empty server and its connections take: of a full server `used` is `limit`, as
 * the server itself counts.
 */
export function memoryOf(info: string): {
  readonly used: number;
  readonly limit: number | undefined;
  readonly policy: string;
} {
  const value = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(info)?.[1] ?? "";
  const empty = Number(value("used_memory_startup")) + Number(value("mem_clients_normal"));
  const limit = Number(value("maxmemory"));
  return {
    used: Math.max(0, Number(value("used_memory")) - empty),
    limit: limit > 0 ? Math.max(1, limit - empty) : undefined,
    policy: value("maxmemory_policy"),
  };
}
