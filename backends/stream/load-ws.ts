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
    const message = "WebSockets need the package ws: npm install ws@^8.23";
    throw new StorageError("MISSING_DEPENDENCY", message, { cause });
  }
}
