/**
 * Tokens of dependency injection. Registered symbols, so that a device compiled against another copy of this package
 * asks for the same things.
 *
 * @example A TypeScript device
 * ```ts
 * constructor(@inject(DEVICE_NAME) name: string, @inject(WRITER) writer: FrameWriter) { … }
 * ```
 * @example A plain JavaScript device
 * ```js
 * static inject = [DEVICE_NAME, WRITER];
 * ```
 */

/** The writer of the device's group: a `FrameWriter`. */
export const WRITER: symbol = Symbol.for("sluice.session.WRITER");
/** The name of the device in the session file: a string. */
export const DEVICE_NAME: symbol = Symbol.for("sluice.session.DEVICE_NAME");
/** The options of the device, validated where its class says how: a plain object. */
export const DEVICE_OPTIONS: symbol = Symbol.for("sluice.session.DEVICE_OPTIONS");
/** The session's `FileManager` over its named backends. */
export const FILES: symbol = Symbol.for("sluice.session.FILES");
/** The session's `BackendSet`. */
export const BACKENDS: symbol = Symbol.for("sluice.session.BACKENDS");
/** The `PathProvider` that names runs; there is one only with a `storage` section. */
export const PATH_PROVIDER: symbol = Symbol.for("sluice.session.PATH_PROVIDER");
/** The `SessionCatalog`: runs that were, and the one that is written; there is one only with a `catalog` section. */
export const CATALOG: symbol = Symbol.for("sluice.session.CATALOG");
/** The `DataStore` of live scans: those of this session and of others; there is one only with a `live` section. */
export const LIVE: symbol = Symbol.for("sluice.session.LIVE");

const WRITER_PREFIX = "sluice.session.WRITER:";

/** The writer of a named group, whatever group the device itself is in. */
export function writerToken(group: string): symbol {
  return Symbol.for(WRITER_PREFIX + group);
}

/** The group that a token of {@link writerToken} stands for; `undefined` for every other token. */
export function writerGroupOf(token: unknown): string | undefined {
  if (typeof token !== "symbol") return undefined;
  const key = Symbol.keyFor(token);
  return key?.startsWith(WRITER_PREFIX) ? key.slice(WRITER_PREFIX.length) : undefined;
}
