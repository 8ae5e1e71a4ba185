/**
 * Values on web servers, read by ranges. Light: the store is loaded when it is opened.
 *
 * @module sluice/backends/http
 */
import { storageCapabilities } from "../../src/core/capabilities.ts";
import { type BackendDescriptor, defineBackend } from "../../src/core/descriptor.ts";
import { StorageError } from "../../src/core/errors.ts";
import { field, optionsSchema } from "../../src/core/options-schema.ts";

/** Options of the HTTP backend. */
export interface HttpOptions {
  /**
   * Address that keys are appended to, for example `https://host/data/`. User and password in it become a header, a
   * query goes with each request; neither is ever shown.
   */
  readonly baseUrl?: string | undefined;
  /** Headers of every request, for example `authorization`. Their values are never shown, and stay with the origin. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /**
   * The index that the server makes of folders: `"html"` (Apache, nginx, Python), `"json"` (nginx,
   * `autoindex_format json`), or `"none"`, with which there is no listing. `"auto"` takes what comes, and a listing where
   * nothing comes is `UNSUPPORTED`; a URL stands for that. Default `"none"`.
   */
  readonly index?: "none" | "html" | "json" | "auto" | undefined;
  /** `false` asks for no ranges, for servers that answer them wrongly. Default `true`. */
  readonly ranges?: boolean | undefined;
  /** Redirects to other origins: refused, or followed without headers and password. Default `"same-origin"`. */
  readonly redirects?: "same-origin" | "any" | undefined;
}

const optionsOfHttp = optionsSchema<HttpOptions>({
  baseUrl: (value) => (typeof value === "string" ? undefined : "an address"),
  headers: (value) =>
    typeof value === "object" && value !== null && Object.values(value).every((each) => typeof each === "string")
      ? undefined
      : "texts by name",
  index: field.oneOf("none", "html", "json", "auto"),
  ranges: (value) => (typeof value === "boolean" ? undefined : "true or false"),
  redirects: field.oneOf("same-origin", "any"),
});

/** The HTTP backend, key `"http"`, schemes `http:` and `https:`. Read-only. */
export const http: BackendDescriptor<HttpOptions> = defineBackend<HttpOptions>({
  key: "http",
  aliases: ["https"],
  schemes: ["http", "https"],
  summary: "Values on web servers, read by ranges",
  capabilities: { ...storageCapabilities, write: false, directories: false, requiresFilesystemValidation: false },
  options: async () => optionsOfHttp,
  openStore: async ({ baseUrl, headers = {}, index = "none", ranges = true, redirects = "same-origin" }, context) => {
    const { instance } = context;
    checkHeaders(headers, instance);
    if (baseUrl === undefined) throw configError(instance, "baseUrl", "is missing, for example https://host/data/");
    const [{ HttpBase }, { HttpClient }, { HttpStore }] = await Promise.all([
      import("./base.ts"),
      import("./client.ts"),
      import("./store.ts"),
    ]);
    const base = new HttpBase(baseUrl, instance);
    const client = new HttpClient({ base, headers, redirects });
    return new HttpStore({ name: instance, base, client, index, ranges });
  },
});

export default http;

/** `fetch` repeats a bad value in its error, and a value may be a password. */
function checkHeaders(headers: Readonly<Record<string, string>>, instance: string): void {
  for (const [name, value] of Object.entries(headers)) {
    try {
      new Headers({ [name]: value });
    } catch {
      throw configError(instance, `headers.${name}`, "is no header that can be sent");
    }
  }
}

function configError(instance: string, option: string, problem: string): StorageError {
  return new StorageError("CONFIG_INVALID", `${instance}.${option} ${problem}`, {
    backend: instance,
    operation: "open",
    identifier: option,
  });
}
