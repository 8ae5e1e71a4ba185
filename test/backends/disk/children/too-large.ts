/** Overwrites a value by one that the limit of this process does not allow, and tells what happened. */
import { DiskStore } from "../../../../backends/disk/store.ts";

// Without a handler the signal would end the process before the system call could fail.
process.on("SIGXFSZ", () => {});
const [root, byteLength] = process.argv.slice(2) as [string, string];
const store = new DiskStore({ root });
const outcomes: string[] = [];
const attempt = async (run: () => Promise<unknown>) => {
  try {
    await run();
    outcomes.push("done");
  } catch (error) {
    outcomes.push((error as { code: string }).code);
  }
};
await attempt(() => store.write("value", new Uint8Array(Number(byteLength))));
await attempt(() => store.write("new/value", [new Uint8Array(Number(byteLength)), new Uint8Array(1)]));
await attempt(async () => {
  await using writer = await store.openWriter("value");
  await writer.write(new Uint8Array(Number(byteLength)));
  await writer.close();
});
process.stdout.write(JSON.stringify(outcomes));
