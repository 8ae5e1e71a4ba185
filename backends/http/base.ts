/** Where a store is: the address that keys are appended to, and what may be shown of it. */
import { StorageError } from "../../src/core/errors.ts";
import { encodeKey } from "../../src/core/key.ts";

/** An address in two forms: the one that is sent, and one without secrets for messages. */
export class HttpBase {
  /** Origin of every request. */
  readonly origin: string;
  /** Value of the `authorization` header that the address stands for; `undefined` if it names nobody. */
  readonly authorization: string | undefined;
  readonly #path: string;
  readonly #query: string;

  /** @throws A {@link StorageError} `CONFIG_INVALID` for what is no http address; it does not repeat the address. */
  constructor(baseUrl: string, instance: string) {
    const fail = (problem: string) =>
      new StorageError("CONFIG_INVALID", `${instance}.baseUrl ${problem}`, {
        backend: instance,
        operation: "open",
        identifier: "baseUrl",
      });
    if (!URL.canParse(baseUrl)) throw fail("is no URL; it begins with https:// or http://");
    const url = new URL(baseUrl);
    if (url.protocol !== "https:" && url.protocol !== "http:") throw fail("must begin with https:// or http://");
    if (url.hash !== "") throw fail('must have no "#": in names it is written %23');
    this.origin = url.origin;
    this.#path = url.pathname.endsWith("/") ? url.pathname : `${url.pathname}/`;
    // Some services sign a whole folder by the query, which then goes with each request.
    this.#query = url.search;
    this.authorization = authorizationOf(url, fail);
  }

  /** The address that is requested. A directory ends in `/`. */
  url(key: string, isDirectory = false): URL {
    const slash = isDirectory && key !== "" ? "/" : "";
    return new URL(`${this.origin}${this.#path}${encodeKey(key)}${slash}${this.#query}`);
  }

  /** The address for messages and other programs: without user, password and query. */
  shown(key: string): string {
    return `${this.origin}${this.#path}${encodeKey(key)}`;
  }
}

/** `fetch` refuses addresses with a user; the header says the same. */
function authorizationOf(url: URL, fail: (problem: string) => StorageError): string | undefined {
  if (url.username === "" && url.password === "") return undefined;
  try {
    const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    return `Basic ${Buffer.from(user).toString("base64")}`;
  } catch {
    throw fail("has a user or password that is not percent-encoded UTF-8");
  }
}
