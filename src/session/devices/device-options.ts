/** Checks the options of a device that is made in code; those of a session file are checked before. */
import type { z } from "zod";
import { configError, mistakesOf } from "../mistakes.ts";

/**
 * The options with defaults filled in.
 *
 * @param name - Name of the device, for messages.
 * @throws A `StorageError` `CONFIG_INVALID` with every mistake and its path.
 */
export function deviceOptions<Schema extends z.ZodType>(
  schema: Schema,
  name: string,
  given: unknown,
): z.output<Schema> {
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  throw configError(`Device "${name}"`, mistakesOf(result.error.issues, given));
}
