/** Copies a tree between two folders and kills itself once so many bytes are copied. */
import { DiskStore } from "../../../backends/disk/store.ts";
import { FileBackend } from "../../../src/codecs/file-backend.ts";
import { copyTree } from "../../../src/io/tree-transfer.ts";

const [from, to, byteLength] = process.argv.slice(2) as [string, string, string];
const backend = (root: string) => new FileBackend(new DiskStore({ root, durability: "none" }), { key: "disk" });
await copyTree(
  { source: backend(from), from: "", target: backend(to), to: "" },
  {
    onProgress: (progress) => {
      if (progress.byteLength >= Number(byteLength)) process.kill(process.pid, "SIGKILL");
    },
  },
);
