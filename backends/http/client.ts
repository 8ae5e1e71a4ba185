/** Requests: headers, redirects, and answers as typed errors. */
import type { OperationOptions } from "../../src/core/byte-store.ts";
import { type ErrorContext, isStorageError, StorageError, type StorageErrorCode } from "../../src/core/errors.ts";
import type { HttpBase } from "./base.ts";

/** What a client needs to know. */
export interface ClientOptions {
  readonly base: HttpBase;
  /** Go with every request to the origin of the store, and to no other. Their values are never shown. */
  readonly headers: Readonly<Record<string, string>>;
  /** Redirects to other origins: refused, or followed without the headers above. */
  readonly redirects: "same-origin" | "any";
}

/** One request. */
export interface HttpRequest extends OperationOptions {
  readonly method: "GET" | "HEAD";
  readonly key: string;
  /** Asks for the directory of the key: the address ends in `/`. */
  readonly isDirectory?: boolean | undefined;
  /** Headers of this request alone. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

const MAX_REDIRECTS = 5;

/** Statuses with a code of their own. All others below 500 are `UNEXPECTED` and final. */
const codes: Readonly<Record<number, readonly [code: StorageErrorCode, isRetryable: boolean]>> = {
  401: ["UNAUTHENTICATED", false],
  403: ["PERMISSION_DENIED", false],
  404: ["NOT_FOUND", false],
  408: ["TIMED_OUT", true],
  410: ["NOT_FOUND", false],
  412: ["PRECONDITION_FAILED", false],
  416: ["OUT_OF_RANGE", false],
  425: ["UNEXPECTED", true],
  429: ["RATE_LIMITED", true],
  501: ["UNSUPPORTED", false],
  504: ["TIMED_OUT", true],
  505: ["UNSUPPORTED", false],
};

/** Sends requests of one store. Idle connections are those of `fetch`, which drops them by itself. */
export class HttpClient {
  readonly #options: ClientOptions;
  /** Fires when the store closes. */
  readonly #closing = new AbortController();

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /**
   * Sends a request and follows redirects.
   *
   * @returns The answer, whatever its status; its body is the caller's to read or cancel.
   * @throws A {@link StorageError}: `ABORTED`; `IS_A_DIRECTORY` where the server sends on from a key to its directory;
   * `PERMISSION_DENIED` for a redirect to another origin; a retryable one for what happens on the way.
   */
  async send(request: HttpRequest, context: ErrorContext): Promise<Response> {
    const { base } = this.#options;
    let url = base.url(request.key, request.isDirectory);
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const response = await this.#fetch(url, request, context);
      const target = redirectOf(response, url);
      if (target === undefined) return response;
      await response.body?.cancel();
      if (!request.isDirectory && target.pathname === `${url.pathname}/`) {
        throw new StorageError(
          "IS_A_DIRECTORY",
          `"${context.identifier}" in "${context.backend}" is a directory`,
          context,
        );
      }
      this.#checkRedirect(url, target, context);
      url = target;
    }
    throw new StorageError("UNEXPECTED", `${this.#shown(request)} redirects more than ${MAX_REDIRECTS} times`, context);
  }

  /** Ends every request that is under way, bodies that are still being read included: they fail with `NOT_OPEN`. */
  close(): void {
    this.#closing.abort();
  }

  /** The error that a status stands for. Cancels the body, which may hold anything. */
  async failure(response: Response, request: Pick<HttpRequest, "key">, context: ErrorContext): Promise<StorageError> {
    await response.body?.cancel();
    const { status } = response;
    const retryAfterMs = retryAfterOf(response.headers.get("retry-after"));
    const isUnavailable = status === 503 && retryAfterMs !== undefined;
    const [code, retryable] = isUnavailable
      ? (["RATE_LIMITED", true] as const)
      : (codes[status] ?? (["UNEXPECTED", status >= 500] as const));
    return new StorageError(code, `${this.#shown(request)} answered ${status}`, {
      ...context,
      retryable,
      retryAfterMs,
    });
  }

  /** What happened on the way, as a typed error. For reading bodies, too. */
  wayError(error: unknown, request: Pick<HttpRequest, "key" | "signal">, context: ErrorContext): StorageError {
    if (isStorageError(error)) return error;
    if (request.signal?.aborted) {
      return new StorageError("ABORTED", `${context.operation} was aborted`, {
        ...context,
        cause: request.signal.reason,
      });
    }
    if (this.#closing.signal.aborted) {
      const message = `"${context.backend}" was closed during ${context.operation} of "${request.key}"`;
      return new StorageError("NOT_OPEN", message, { ...context, cause: error });
    }
    const reason = causeOf(error);
    const isLate = /TIMEOUT|TIMEDOUT/.test(reason);
    const isFinal = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS|ERR_INVALID|HPE_/.test(reason);
    return new StorageError(isLate ? "TIMED_OUT" : "UNEXPECTED", `${this.#shown(request)} failed: ${reason}`, {
      ...context,
      retryable: !isFinal,
      // Neither the error of fetch nor what is beneath it holds headers or the query.
      cause: error,
    });
  }

  async #fetch(url: URL, request: HttpRequest, context: ErrorContext): Promise<Response> {
    const { base, headers } = this.#options;
    const isHome = url.origin === base.origin;
    const authorization = base.authorization;
    const closing = this.#closing.signal;
    try {
      return await fetch(url, {
        method: request.method,
        redirect: "manual",
        headers: {
          // A compressed body would have another length, and other ranges, than the value.
          "accept-encoding": "identity",
          ...(isHome && authorization !== undefined ? { authorization } : {}),
          ...(isHome ? headers : {}),
          ...request.headers,
        },
        signal: request.signal === undefined ? closing : AbortSignal.any([request.signal, closing]),
      });
    } catch (error) {
      throw this.wayError(error, request, context);
    }
  }

  #checkRedirect(from: URL, target: URL, context: ErrorContext): void {
    const isWeb = target.protocol === "https:" || (target.protocol === "http:" && from.protocol === "http:");
    const isUpgrade = from.hostname === target.hostname && target.protocol === "https:";
    if (target.origin === this.#options.base.origin) return;
    if (isWeb && this.#options.redirects === "any") return;
    throw new StorageError(
      "PERMISSION_DENIED",
      `"${context.backend}" is sent on from ${from.origin} to ${target.origin}; ` +
        (isWeb
          ? `${isUpgrade ? "baseUrl may begin with https://, or " : ""}redirects: "any" allows it`
          : "no redirect may leave https"),
      context,
    );
  }

  #shown({ key }: Pick<HttpRequest, "key">): string {
    return this.#options.base.shown(key);
  }
}

function redirectOf({ status, headers }: Response, from: URL): URL | undefined {
  const location = headers.get("location");
  if (![301, 302, 303, 307, 308].includes(status) || location === null) return undefined;
  if (!URL.canParse(location, from.href)) return undefined;
  const target = new URL(location, from.href);
  target.username = "";
  target.password = "";
  return target;
}

/** Seconds or a date, as milliseconds from now. */
function retryAfterOf(value: string | null): number | undefined {
  if (value === null) return undefined;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000;
  const moment = Date.parse(value);
  return Number.isNaN(moment) ? undefined : Math.max(moment - Date.now(), 0);
}

/** The code of what is beneath, or its message: `fetch` itself only says that it failed. */
function causeOf(error: unknown): string {
  let innermost = error;
  while (innermost instanceof Error && innermost.cause !== undefined) innermost = innermost.cause;
  if (!(innermost instanceof Error)) return String(innermost);
  const { code } = innermost as NodeJS.ErrnoException;
  return typeof code === "string" ? code : innermost.message;
}
