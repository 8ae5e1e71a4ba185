/** Who may come in: programs and pages of this machine, those who know the token, and pages that were named. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { StorageError } from "../../core/errors.ts";

/** Options of a {@link Gate}. */
export interface GateOptions {
  /** Address that is listened at. */
  readonly host: string;
  readonly token?: string | undefined;
  /** Origins of pages that may come in beside the bridge's own. */
  readonly origins?: readonly string[] | undefined;
}

/** A status of HTTP with a word why. */
export interface Refusal {
  readonly status: 401 | 403;
  readonly reason: string;
}

/** Looks at who asks. */
export class Gate {
  readonly #tokenDigest: Buffer | undefined;
  readonly #origins: ReadonlySet<string>;

  /**
   * @throws A {@link StorageError} `CONFIG_INVALID` without a token for an address beyond this machine, or for a token
   * that no header can hold.
   */
  constructor({ host, token, origins = [] }: GateOptions) {
    if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
      throw new StorageError("CONFIG_INVALID", "A token is one word of ASCII signs, without spaces");
    }
    if (token === undefined && !isLoopback(host)) {
      const message = `Whoever reaches ${host} could read: listening beyond this machine needs a token`;
      throw new StorageError("CONFIG_INVALID", message);
    }
    this.#tokenDigest = token === undefined ? undefined : digest(token);
    this.#origins = new Set(origins);
  }

  /** True if a token is needed. */
  get needsToken(): boolean {
    return this.#tokenDigest !== undefined;
  }

  /** True for the token, and where none is needed. Takes a time that does not tell how much was right. */
  knows(token: string | undefined): boolean {
    if (this.#tokenDigest === undefined) return true;
    return timingSafeEqual(digest(token ?? ""), this.#tokenDigest);
  }

  /**
   * Why pages from elsewhere are refused; `undefined` for everybody else.
   *
   * Without a token the name that was asked for must be one of this machine: a page whose name was made to lead here
   * would otherwise be taken for our own.
   */
  refusalOfPlace(headers: IncomingHttpHeaders): Refusal | undefined {
    const { origin, host = "" } = headers;
    if (!this.needsToken && !isLoopback(hostnameOf(`http://${host}`) ?? "")) {
      return { status: 403, reason: "This name does not lead here; ask for 127.0.0.1" };
    }
    if (origin !== undefined) {
      const isOwn = URL.canParse(origin) && new URL(origin).host === host;
      return isOwn || this.#origins.has(origin)
        ? undefined
        : { status: 403, reason: "Pages of this origin are not let in" };
    }
    // Images and scripts of a page come without an origin, but not in secret.
    const isForeign = headers["sec-fetch-site"] === "cross-site" || headers["sec-fetch-site"] === "same-site";
    return isForeign ? { status: 403, reason: "Pages of other sites are not let in" } : undefined;
  }

  /** Why a header does not let in; without one, whether one is needed. */
  refusalOfToken({ authorization }: IncomingHttpHeaders): Refusal | undefined {
    const [, token] = /^Bearer +(\S+)$/i.exec(authorization ?? "") ?? [];
    return this.knows(token) ? undefined : { status: 401, reason: "The token is missing, or another one" };
  }

  /** The origin that an answer is for, if it is a page from elsewhere that was named. */
  crossOrigin({ origin }: IncomingHttpHeaders): string | undefined {
    return origin !== undefined && this.#origins.has(origin) ? origin : undefined;
  }
}

/** True for addresses and names that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return /^(localhost|::1|\[::1\]|127(\.\d{1,3}){3})$/.test(host);
}

function hostnameOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).hostname : undefined;
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
