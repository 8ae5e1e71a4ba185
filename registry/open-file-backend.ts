/** The value backend of everything that is only a byte store. */
import type { CodecSet } from "../src/codecs/codec-set.ts";
import type { BackendBase } from "../src/core/backend.ts";
import type { ByteStore } from "../src/core/byte-store.ts";
import { describe } from "../src/core/checks.ts";
import { StorageError } from "../src/core/errors.ts";

const policies = ["error", "replace", "skip"] as const;

/**
 * The shared codecs above a byte store.
 *
 * @param options - Options of the instance; `ifExists` among them becomes its overwrite policy.
 * @param codecs - Default: the codecs that come with Sluice.
 * @throws A {@link StorageError} `CONFIG_INVALID` for an `ifExists` that is none.
 */
export async function openFileBackend(
  store: ByteStore,
  key: string,
  instance: string,
  options: object,
  codecs?: CodecSet,
): Promise<BackendBase> {
  const { ifExists } = options as { readonly ifExists?: unknown };
  const policy = policies.find((name) => name === ifExists);
  if (ifExists !== undefined && policy === undefined) {
    throw new StorageError(
      "CONFIG_INVALID",
      `ifExists of "${instance}" must be one of ${policies.join(", ")}; got ${describe(ifExists)}`,
      { backend: instance, operation: "open", identifier: "ifExists" },
    );
  }
  const { FileBackend } = await import("../src/codecs/file-backend.ts");
  return new FileBackend(store, {
    key,
    instance,
    ...(policy === undefined ? {} : { ifExists: policy }),
    ...(codecs === undefined ? {} : { codecs }),
  });
}
