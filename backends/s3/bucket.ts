/** One bucket (or a folder of it) through the SDK: names, requests, and errors that are typed. */
import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import { checkAborted } from "../../src/core/checks.ts";
import { type ErrorContext, StorageError } from "../../src/core/errors.ts";
import { encodeKey, normalizeKey } from "../../src/core/key.ts";
import type { S3Options } from "./index.ts";
import { quietAgents } from "./quiet-agents.ts";
import { translateS3 } from "./s3-errors.ts";
import { PAYLOAD_SHA256 } from "./upload-check.ts";

/** What `import("@aws-sdk/client-s3")` gives. */
export type Sdk = typeof import("@aws-sdk/client-s3");

/** What the SDK hands to the connection. */
type HttpRequest = Parameters<S3Client["config"]["requestHandler"]["handle"]>[0];

/** A request, as the SDK has it: `resolveMiddleware` gives what sends all requests of its kind. */
type Command = Parameters<S3Client["send"]>[0];
type Send = (command: { readonly input: object }) => Promise<{ readonly output: unknown }>;

/** Names the signal that calls a request off, in its input. */
const SIGNAL = Symbol("signal");

/** Loads the SDK; replaced in tests of its absence. */
export type SdkLoader = () => Promise<Sdk>;

/** Loads the SDK on first use. */
export const importSdk: SdkLoader = () => import("@aws-sdk/client-s3");

/** Where a store is, from `bucket` and `prefix` or from `uri`. */
export function placeOf(options: S3Options, name: string): { bucket: string; root: string } {
  const fail = (problem: string) =>
    new StorageError("CONFIG_INVALID", `"${name}": ${problem}`, { backend: name, operation: "open" });
  let { bucket, prefix = "" } = options;
  if (options.uri !== undefined) {
    if (bucket !== undefined || options.prefix !== undefined)
      throw fail("uri stands for bucket and prefix; leave those out");
    const match = /^s3:\/\/([^/?#@:]+)(?:\/([^?#]*))?$/i.exec(options.uri);
    if (match === null) throw fail("uri must be s3://bucket/prefix, special characters percent-encoded");
    bucket = match[1] as string;
    prefix = decodeURIComponent(match[2] ?? "");
  }
  if (bucket === undefined || bucket === "") throw fail("bucket is missing: the name of an existing bucket");
  if (options.endpoint !== undefined) {
    const isPlain = URL.canParse(options.endpoint) && /^https?:$/.test(new URL(options.endpoint).protocol);
    if (!isPlain) throw fail("endpoint must be a URL of http or https");
    const { username, password } = new URL(options.endpoint);
    if (username !== "" || password !== "") throw fail("endpoint must hold no credentials; the SDK's chain has them");
  }
  const folder = normalizeKey(prefix);
  return { bucket, root: folder === "" ? "" : `${folder}/` };
}

/** A bucket with the client that reaches it. */
export class Bucket {
  readonly sdk: Sdk;
  readonly name: string;
  /** What every key begins with: empty, or ending in a slash. */
  readonly root: string;
  readonly #client: S3Client;
  /** What sends requests of one kind. The SDK would put it together for each: a quarter of the work of a short one. */
  readonly #senders = new Map<unknown, Send>();

  constructor(sdk: Sdk, options: S3Options, place: { bucket: string; root: string }) {
    this.sdk = sdk;
    this.name = place.bucket;
    this.root = place.root;
    this.#client = new sdk.S3Client(clientConfig(options));
    this.#client.middlewareStack.remove("loggerMiddleware");
    // The signature then covers the body, although it is a stream: the SDK hashes only what it has in one buffer.
    this.#client.middlewareStack.add(
      (next) => async (call) => {
        const sha256 = (call.input as { [PAYLOAD_SHA256]?: string })[PAYLOAD_SHA256];
        const { headers } = call.request as { headers: Record<string, string> };
        if (sha256 !== undefined) headers["x-amz-content-sha256"] = sha256;
        return next(call);
      },
      { step: "build", name: "signPayload" },
    );
    // The last step of all, in place of the SDK's own, which knows one signal only: that of the first request.
    const { requestHandler } = this.#client.config;
    this.#client.middlewareStack.add(
      () => async (call) => {
        const abortSignal = (call.input as { [SIGNAL]?: AbortSignal })[SIGNAL];
        const { response } = await requestHandler.handle(call.request as HttpRequest, abortSignal && { abortSignal });
        return { response } as never;
      },
      { step: "deserialize", priority: "low", name: "sendWithSignal" },
    );
  }

  /** The client, for presigning. */
  get client(): S3Client {
    return this.#client;
  }

  /** Bucket and name of a key, as requests take them. */
  at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.name, Key: this.root + key };
  }

  /** The key as the source of a copy. */
  copySource(key: string): string {
    return `${this.name}/${encodeKey(this.root + key)}`;
  }

  /**
   * Sends one request.
   *
   * @throws A {@link StorageError} of what went wrong.
   */
  async send<Result>(command: object, context: ErrorContext, signal?: AbortSignal | undefined): Promise<Result> {
    checkAborted(signal, context);
    try {
      return await this.sendRaw<Result>(command, signal);
    } catch (error) {
      throw translateS3(error, context, signal);
    }
  }

  /** Sends one request and throws what the SDK throws. */
  async sendRaw<Result>(command: object, signal?: AbortSignal | undefined): Promise<Result> {
    const { input } = command as Command;
    const { output } = await this.#senderOf(command as Command)({ input: { ...input, [SIGNAL]: signal } });
    // Each command has its own output; a caller here names it.
    return output as Result;
  }

  #senderOf(command: Command): Send {
    const kind = command.constructor as new (input: object) => Command;
    const known = this.#senders.get(kind);
    if (known !== undefined) return known;
    // Of a command without input: what sends keeps the command that it was made of, and with it a value of any length.
    const blank = new kind({});
    const { middlewareStack, config } = this.#client;
    const send = blank.resolveMiddleware(middlewareStack as never, config as never, undefined) as unknown as Send;
    this.#senders.set(kind, send);
    return send;
  }

  close(): void {
    this.#client.destroy();
  }
}

/** A digest or an etag without its quotes. */
export function bareEtag(etag: string | undefined): string | undefined {
  return etag?.replace(/^W\//, "").replace(/^"|"$/g, "");
}

const nothing = () => {};
const silent = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };

function clientConfig(options: S3Options): S3ClientConfig {
  const { endpoint, profile, maxSockets = 64, maxAttempts = 1, requestTimeoutMs = 30_000 } = options;
  const checksums = options.checksums === "supported" ? "WHEN_SUPPORTED" : "WHEN_REQUIRED";
  // The SDK takes an address of another service from the environment, too.
  const { AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3 } = process.env;
  const isElsewhere = Boolean(endpoint ?? AWS_ENDPOINT_URL_S3 ?? AWS_ENDPOINT_URL);
  const region = options.region ?? (isElsewhere && !process.env.AWS_REGION ? "us-east-1" : undefined);
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(profile === undefined ? {} : { profile }),
    forcePathStyle: options.forcePathStyle ?? isElsewhere,
    maxAttempts,
    requestChecksumCalculation: checksums,
    responseChecksumValidation: checksums,
    // Failures are thrown; without a logger the SDK writes some of them to the console too.
    logger: silent,
    requestHandler: {
      ...quietAgents(maxSockets),
      connectionTimeout: requestTimeoutMs,
      socketTimeout: requestTimeoutMs,
      // The agent's queue is the limit that was asked for, and not worth a warning on the console.
      socketAcquisitionWarningTimeout: 2 ** 31 - 1,
    },
  };
}
