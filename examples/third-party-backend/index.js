/** A backend by a third party: arrays in a drawer of this process, and a writer that makes a raw file of each frame. */
import { mkdir, writeFile } from "node:fs/promises";
import * as sluice from "sluice";
import { Writer } from "sluice/acquire";

const memory = { ...sluice.storageCapabilities, directories: false, persistent: false };
export const capabilities = { ...memory, requiresFilesystemValidation: false, values: "arrays", frames: true };

/** Keeps copies of arrays by key. A directory is whatever keys have above them. */
export class DrawerBackend extends sluice.StorageBackend {
  key = "drawer";
  capabilities = capabilities;
  arrays = new Map();
  kindOf(key) {
    if (this.arrays.has(key)) return "file";
    return key === "" || [...this.arrays.keys()].some((path) => sluice.isInside(path, key)) ? "directory" : "missing";
  }
  async doStat(key) {
    return { kind: this.kindOf(key), exists: this.kindOf(key) !== "missing" };
  }
  async *doList(key) {
    const paths = [...this.arrays.keys()].filter((path) => sluice.isInside(path, key));
    const names = new Set(paths.map((path) => path.slice(key && key.length + 1).split("/")[0]));
    for (const name of names) yield { name, kind: this.kindOf(sluice.joinKey(key, name)) };
  }
  async doLoad(key) {
    if (!this.arrays.has(key))
      throw error(this.kindOf(key) === "missing" ? "NOT_FOUND" : "IS_A_DIRECTORY", `No array "${key}"`);
    return sluice.copyArray(this.arrays.get(key));
  }
  async doSave(data, key, { ifExists }) {
    const kind = this.kindOf(key); // no await from here on: of two savers of one key, one comes first
    if (kind === "file" && ifExists === "skip") return { status: "skipped" };
    if (kind === "directory" || (kind === "file" && ifExists === "error"))
      throw error("ALREADY_EXISTS", `"${key}" is a ${kind}`);
    this.arrays.set(key, sluice.copyArray(sluice.checkNdArray(data)));
    return { status: kind === "file" ? "replaced" : "created" };
  }
  async doDelete(key) {
    this.arrays.delete(key);
  }
}

/** Writes `<source>-<index>.bin`, and at the end `store.json` with the metadata and what the frames are. */
export class RawWriter extends Writer {
  mimetype = "application/x-raw-frames";
  extension = ".raw";
  async kickoff(options) {
    this.folder = new URL(`${await this.locate(options)}/`);
    await super.kickoff(options);
    if (!(await mkdir(this.folder, { recursive: true }))) throw error("ALREADY_EXISTS", `${this.folder} holds a store`);
    await this.finalize(); // the metadata is there as soon as the store is
  }
  async doWriteFrame(name, frame, index) {
    await writeFile(new URL(`${name}-${index}.bin`, this.folder), sluice.arrayToBytes(frame));
  }
  async finalize() {
    const content = { metadata: this.metadata, sources: [...this.sources.values()] };
    await writeFile(new URL("store.json", this.folder), JSON.stringify(content));
  }
}

const error = (code, message) => new sluice.StorageError(code, message);

const open = async (_options, { instance }) => new DrawerBackend({ instance });
const openWriter = async (_options, { instance }) => new RawWriter(instance);
export default sluice.defineBackend({ key: "drawer", capabilities, open, openWriter });
