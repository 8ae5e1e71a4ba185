/** Certificate and key of commands that listen. */
import { readFile } from "node:fs/promises";
import { StorageError } from "../core/errors.ts";

/** Options of commands that listen over TLS. */
export interface TlsOptions {
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/**
 * What the files hold; `undefined` where none are named.
 *
 * @throws A {@link StorageError} `CONFIG_INVALID` for one without the other, or that cannot be read.
 */
export async function readTls({ cert, key }: TlsOptions): Promise<{ cert: string; key: string } | undefined> {
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    throw new StorageError("CONFIG_INVALID", "A certificate and its private key go together: --cert FILE --key FILE");
  }
  const read = async (path: string) => {
    try {
      return await readFile(path, "utf8");
    } catch (error) {
      throw new StorageError("CONFIG_INVALID", `"${path}" cannot be read`, { cause: error });
    }
  };
  return { cert: await read(cert), key: await read(key) };
}
