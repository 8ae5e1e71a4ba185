/** Copies a tree between two folders, then compares both, and says by how many bytes the memory in use has grown at most. */
import { DiskStore } from "../../../backends/disk/store.ts";
import { FileBackend } from "../../../src/codecs/file-backend.ts";
import { copyTree, syncTree } from "../../../src/io/tree-transfer.ts";

const [from, to, warmUp] = process.argv.slice(2) as [string, string, string];
const backend = (root: string) => new FileBackend(new DiskStore({ root, durability: "none" }), { key: "disk" });
const ends = (source: string) => ({ source: backend(source), from: "", target: backend(to), to: "" });
/** The most memory that the process has had so far. */
const highWater = () => process.resourceUsage().maxRSS * 1024;

await copyTree(ends(warmUp));
const before = highWater();
const copied = await copyTree(ends(from));
const afterCopy = highWater() - before;
const compared = await syncTree(ends(from));
const grown = { afterCopy, afterSync: highWater() - before };
process.stdout.write(JSON.stringify({ ...grown, copied: copied.length, equal: compared.length, before }));
