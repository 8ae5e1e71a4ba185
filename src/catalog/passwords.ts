/** Passwords of servers, in memory only. */
import { parsePostgresUrl, schemeOf } from "./location.ts";

/**
 * What URLs have said of passwords. It holds for all databases of the same server and user, and for nobody else: what is
 * written down of a beamtime has no password, and is opened all the same by who has named it with one.
 */
export class Passwords {
  readonly #known = new Map<string, string>();

  /** Remembers the password of a location, if it has one. */
  note(location: string): void {
    const { server, password } = partsOf(location);
    if (server !== undefined && password !== undefined) this.#known.set(server, password);
  }

  /** The password for a location; `undefined` if nobody has said one. */
  of(location: string): string | undefined {
    const { server } = partsOf(location);
    return server === undefined ? undefined : this.#known.get(server);
  }
}

function partsOf(location: string): { readonly server?: string; readonly password?: string | undefined } {
  const scheme = schemeOf(location);
  if (scheme !== "postgres" && scheme !== "postgresql") return {};
  const { user, host, port, password } = parsePostgresUrl(location);
  return { server: JSON.stringify([user, host, port]), password };
}
