/** The package `ws`, loaded when the first WebSocket is needed. */
import { StorageError } from "../../src/core/errors.ts";

/**
 * The package, which is there unless optional packages were left out.
 *
 * @throws A {@link StorageError} `MISSING_DEPENDENCY` with the command that installs it.
 */
export async function loadWs(): Promise<typeof import("ws")> {
  try {
    return await import("ws");
  } catch (cause) {
    throw new StorageError("MISSING_DEPENDENCY", "WebSockets need the package ws: npm install ws", { cause });
  }
}
