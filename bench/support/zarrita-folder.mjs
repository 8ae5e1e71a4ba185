// A store for zarrita that writes as its own FileSystemStore does: make the folder, write the file in place.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

export class FolderMap {
  constructor(root) {
    this.root = root;
  }

  async get(key) {
    try {
      return await readFile(join(this.root, key));
    } catch (error) {
      if (error.code === "ENOENT") return undefined;
      throw error;
    }
  }

  async set(key, value) {
    const path = join(this.root, key);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, value);
  }
}
