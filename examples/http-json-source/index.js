/** A third party's virtual backend: images of a web service that lists them as JSON, by templates of its addresses. */
import * as sluice from "sluice";

const base = { ...sluice.storageCapabilities, write: false, directories: false, requiresFilesystemValidation: false };
export const capabilities = { ...base, values: "arrays" };

/** `{name}` in a template; what is filled in is percent-encoded. */
const holes = (template) => [...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
const fill = (template, values) => template.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(values[name]));

/**
 * `list` answers `[{ path, id, dtype, shape }, …]`, `pixels` the elements of one image in C order, little-endian. What the
 * templates need beside the image's own fields comes from `variables`, or with each call: a call that lacks it is refused.
 */
export class HttpJsonBackend extends sluice.VirtualBackend {
  key = "http_json";
  capabilities = capabilities;
  constructor({ baseUrl, list, pixels, variables = {}, headers = {}, ...options }) {
    super(options);
    Object.assign(this, { baseUrl, list, pixels, variables, headers });
    this.requiredContext = holes(list).filter((name) => !(name in variables));
  }
  async fetch(template, values, { signal, ...context }) {
    const url = new URL(fill(template, { ...this.variables, ...context, ...values }), this.baseUrl);
    const response = await fetch(url, { headers: this.headers, signal });
    if (response.ok) return response;
    const code = { 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RATE_LIMITED" };
    const message = `${url.origin}${url.pathname} answered ${response.status}`;
    const retryable = response.status === 429 || response.status >= 500;
    throw new sluice.StorageError(code[response.status] ?? "UNEXPECTED", message, { retryable });
  }
  /** The images by path. Nothing is remembered: the service knows best. */
  async images(options) {
    const list = await (await this.fetch(this.list, {}, options)).json();
    return new Map(list.map((image) => [sluice.normalizeKey(image.path), image]));
  }
  async doStat(key, options) {
    const images = await this.images(options);
    const { dtype, shape } = images.get(key) ?? {};
    if (dtype !== undefined) return { kind: "file", exists: true, dtype, shape };
    const exists = key === "" || [...images.keys()].some((path) => sluice.isInside(path, key));
    return { kind: exists ? "directory" : "missing", exists };
  }
  async *doList(key, options) {
    const below = [...(await this.images(options)).keys()].filter((path) => sluice.isInside(path, key));
    const tails = below.map((path) => path.slice(key && key.length + 1).split("/"));
    const kinds = new Map(tails.map(([name, ...rest]) => [name, rest.length > 0 ? "directory" : "file"]));
    for (const [name, kind] of kinds) yield { name, kind };
  }
  async doLoad(key, options) {
    const image = (await this.images(options)).get(key);
    if (image === undefined) {
      const { kind } = await this.doStat(key, options);
      throw new sluice.StorageError(kind === "missing" ? "NOT_FOUND" : "IS_A_DIRECTORY", `No image "${key}"`);
    }
    const bytes = await (await this.fetch(this.pixels, image, options)).arrayBuffer();
    return sluice.arrayFromBytes(new Uint8Array(bytes), image.dtype, image.shape);
  }
}

export default sluice.defineBackend({
  key: "http_json",
  summary: "Images of a web service, listed as JSON",
  capabilities,
  open: async (options, { instance }) => new HttpJsonBackend({ ...options, instance }),
});
