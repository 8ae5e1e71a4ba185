/** Where the live scans of a session file are. */
import { locationOf } from "./catalog-location.ts";

/** The place of live scans: a URL, or an absolute path from the folder of the session file. */
export function liveLocationOf(location: string, baseDirectory: string): string {
  return /^(redis|rediss|file|memory):/i.test(location) ? location : locationOf(location, baseDirectory);
}

/**
 * The location with the password that the environment has for Redis, as `REDISCLI_AUTH`, unless it has one itself: a
 * session file has none.
 */
export function withRedisPassword(location: string, environment: NodeJS.ProcessEnv = process.env): string {
  const { REDISCLI_AUTH: password } = environment;
  // What is no URL is refused by who opens it.
  if (!/^rediss?:/i.test(location) || !password || !URL.canParse(location)) return location;
  const url = new URL(location);
  if (url.password === "") url.password = encodeURIComponent(password);
  return url.href;
}
