/** A group of a file, while it is written and afterwards. */
import type { WaitOptions } from "../engine.ts";
import { type Attributes, attributesOf } from "./attributes.ts";
import type { LiveDataset } from "./live-dataset.ts";
import type { LiveFile } from "./live-file.ts";
import type { TreeGroup } from "./tree.ts";

/** A group of a {@link LiveFile}. What it holds is looked up when it is asked for: groups may get children. */
export class LiveGroup {
  readonly kind = "group";
  readonly file: LiveFile;
  /** Its path, after links. */
  readonly name: string;
  readonly attributes: Attributes;

  /** @internal */
  constructor(file: LiveFile, name: string, item: TreeGroup) {
    this.file = file;
    this.name = name;
    this.attributes = attributesOf(item.attributes);
  }

  /** What it is in NeXus: `"NXentry"`, `"NXdetector"`, … */
  get nxClass(): string | undefined {
    const { NX_class } = this.attributes;
    return typeof NX_class === "string" ? NX_class : undefined;
  }

  /** Names of its children now, links among them. */
  async keys(options: WaitOptions = {}): Promise<readonly string[]> {
    return await this.file.keys({ ...options, path: this.name });
  }

  /** Number of its children now. */
  async length(options: WaitOptions = {}): Promise<number> {
    return (await this.keys(options)).length;
  }

  /** What is at a path below it, or, if the path begins with `/`, of the file. */
  async get(path: string, options: WaitOptions = {}): Promise<LiveGroup | LiveDataset> {
    return await this.file.get(this.#from(path), options);
  }

  /** The group at a path; see {@link LiveFile.group}. */
  async group(path: string, options: WaitOptions = {}): Promise<LiveGroup> {
    return await this.file.group(this.#from(path), options);
  }

  /** The dataset at a path; see {@link LiveFile.dataset}. */
  async dataset(path: string, options: WaitOptions = {}): Promise<LiveDataset> {
    return await this.file.dataset(this.#from(path), options);
  }

  /** The group that has it; the root has itself. */
  async parent(options: WaitOptions = {}): Promise<LiveGroup> {
    return await this.file.group(this.name.slice(0, this.name.lastIndexOf("/")) || "/", options);
  }

  /** Groups of a class of NeXus right below it, links followed; those that lead nowhere are passed over. */
  async byClass(nxClass: string, options: WaitOptions = {}): Promise<readonly LiveGroup[]> {
    const found: LiveGroup[] = [];
    for (const name of await this.keys(options)) {
      const item = (await this.file.has(this.#from(name), options)) ? await this.get(name, options) : undefined;
      if (item?.kind === "group" && item.nxClass === nxClass) found.push(item);
    }
    return found;
  }

  /** Names of its children now. The root of a file with a store goes on with the scans to come. */
  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    if (this.name === "/") yield* this.file;
    else yield* await this.keys();
  }

  #from(path: string): string {
    return path.startsWith("/") ? path : `${this.name}/${path}`;
  }
}
