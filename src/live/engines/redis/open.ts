/** Makes an engine of its parts. Loaded by `import()` only. */
import { StorageError } from "../../../core/errors.ts";
import { openDialect } from "./blissdata-dialect.ts";
import { BlockingReader } from "./blocking-reader.ts";
import { hostOf, RedisConnection } from "./connection.ts";
import { RedisFunctions } from "./functions.ts";
import type { RedisEngineOptions } from "./index.ts";
import { memoryOf } from "./memory-info.ts";
import { RedisEngine } from "./redis-engine.ts";

/** The largest info of a scan. */
const MAX_INFO_BYTES = 1_000_000;

/** Connects, looks at the server, and makes an engine. */
export async function open(options: RedisEngineOptions): Promise<RedisEngine> {
  const { url = "redis://127.0.0.1:6379", prefix = "sluice:", historyLimit } = options;
  const { patienceMs = 30_000, retryDelayMs = 50, heartbeatMs = 5_000, scripts = "functions", dialect } = options;
  const { certificateAuthority } = options;
  const common = { url, patienceMs, retryDelayMs, heartbeatMs, certificateAuthority };
  const connection = await RedisConnection.open({ ...common, pings: true });
  try {
    const memory = memoryOf(String(await connection.call(["INFO", "memory"], { operation: "open" })));
    if (memory.limit !== undefined && memory.policy.startsWith("allkeys-")) {
      const message = `Redis at ${hostOf(url)} has maxmemory-policy ${memory.policy} and would remove scans unseen; set noeviction`;
      throw new StorageError("CONFIG_INVALID", message, { backend: "redis", operation: "open" });
    }
    if (dialect !== undefined) await openDialect(connection, hostOf(url));
    const functions = new RedisFunctions(connection, scripts);
    await functions.load({ operation: "open" });
    const reader = new BlockingReader(
      { calls: connection, open: () => RedisConnection.openLater({ ...common, pings: false }) },
      heartbeatMs,
    );
    return new RedisEngine({
      connection,
      functions,
      reader,
      prefix,
      isMirrored: dialect === "blissdata",
      capabilities: {
        processes: "network",
        isPersistent: true,
        limitsMemory: memory.limit !== undefined,
        trimsExactly: true,
        ...(historyLimit === undefined ? {} : { historyLimit }),
        maxInfoBytes: MAX_INFO_BYTES,
      },
    });
  } catch (error) {
    connection.close();
    throw error;
  }
}
