import { mkdirSync, readdirSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { scratchFolder, sluice, start } from "./command.ts";

/** A folder with `from/0.txt` … and a session file in which `slow:` is `from`, at the pace of a bad network. */
function manyFiles(count: number): string {
  const layers = "layers: [{ use: latency, delayMs: 5 }]";
  const folder = scratchFolder({
    "s.yaml": `session: s\nbackends: { slow: { use: disk, root: from, ${layers} } }\n`,
  });
  mkdirSync(join(folder, "from"));
  for (let i = 0; i < count; i++) writeFileSync(join(folder, `from/${i}.txt`), `file ${i}`);
  return folder;
}

const itemsOf = (output: string) =>
  (JSON.parse(output) as { items: { path: string; status: string }[] }).items.map(
    ({ path, status }) => `${path} ${status}`,
  );

describe("sluice cp", () => {
  it("takes a directory only with -r, and says so", async () => {
    const folder = manyFiles(1);
    const { code, errors } = await sluice(["cp", "from", "to"], folder);
    expect(code).toBe(1);
    expect(errors).toBe('sluice: IS_A_DIRECTORY: "from" is a directory; try: sluice cp -r from to\n');
    expect(readdirSync(folder).sort()).toEqual(["from", "s.yaml"]);
  });

  it("does not write again what is equal; -T copies to the target itself", async () => {
    const folder = manyFiles(3);
    expect((await sluice(["cp", "-r", "from", "to"], folder)).output).toBe("3 files, 18 B → to\n");
    rmSync(join(folder, "to/1.txt"));
    const again = await sluice(["cp", "-r", "-T", "from", "to", "-c", "2"], folder);
    expect(again).toMatchObject({ code: 0, output: "1 file, 6 B, 2 equal already → to\n", errors: "" });
    expect(readdirSync(join(folder, "to")).sort()).toEqual(["0.txt", "1.txt", "2.txt"]);
  });

  it.each([
    ["continue", ["0.txt failed", "1.txt copied", "2.txt copied"], false],
    ["stop", ["0.txt failed", "1.txt failed", "2.txt failed"], true],
  ])("--on-error %s: names what failed, says how to go on, and answers 1", async (onError, items, stops) => {
    const folder = manyFiles(3);
    mkdirSync(join(folder, "to/0.txt"), { recursive: true });
    const args = ["cp", "-r", "-T", "from", "to", "--on-error", onError, "-c", "1"];
    const { code, output, errors } = await sluice([...args, "--json"], folder);
    expect(code).toBe(1);
    expect(itemsOf(output)).toEqual(items);
    expect(errors).toMatch(/^0\.txt: IS_A_DIRECTORY: /);
    expect(errors.includes("Stopped after 0 of 3 files, 0 B. No file is half there.")).toBe(stops);
    expect(errors).toMatch(new RegExp(`To go on: sluice ${args.join(" ")} --json\n$`));
    rmSync(join(folder, "to/0.txt"), { recursive: true });
    expect((await sluice(args, folder)).code).toBe(0);
    expect(readFileSync(join(folder, "to/2.txt"), "utf8")).toBe("file 2");
  });

  it("after Ctrl-C no file is half there, and the command that it names goes on", async () => {
    const folder = manyFiles(300);
    mkdirSync(join(folder, "out"));
    const args = ["-r", "slow:", "out/a copy", "--session", "s.yaml", "-c", "2", "--json"];
    const run = start(["cp", ...args], folder);
    await new Promise<void>((resolve) => {
      const watcher = watch(join(folder, "out"), { recursive: true }, (_event, name) => {
        if (!name?.endsWith(".txt")) return;
        watcher.close();
        resolve();
      });
    });
    run.child.kill("SIGINT");
    const { code, output, errors } = await run.finished;
    expect(code, errors).toBe(130);
    const copied = itemsOf(output).filter((item) => item.endsWith(" copied"));
    expect(readdirSync(join(folder, "out/a copy"))).toHaveLength(copied.length);
    expect(copied.length).toBeLessThan(300);
    expect(errors).toContain(`Stopped after ${copied.length} of 300 files`);
    expect(errors).toContain("To go on: sluice cp -r slow: 'out/a copy' --session s.yaml -c 2 --json\n");
    const rest = await sluice(["cp", ...args], folder);
    expect(rest.code, rest.errors).toBe(0);
    const equal = itemsOf(rest.output).filter((item) => item.endsWith(" equal"));
    expect(equal).toHaveLength(copied.length);
    expect(readdirSync(join(folder, "out/a copy"))).toHaveLength(300);
  }, 60_000);

  it("goes on with -T where the same command would put a second copy into the first", async () => {
    const folder = manyFiles(2);
    writeFileSync(join(folder, "from/é.npy"), "no array");
    const failed = await sluice(["cp", "-r", "--convert", "from", "to"], folder);
    expect(failed.code).toBe(1);
    expect(failed.errors).toMatch(/^é\.npy: CORRUPT: /);
    expect(failed.errors).toContain("To go on: sluice cp -T -r --convert from to\n");
    expect(readdirSync(join(folder, "to")).sort()).toEqual(["0.txt", "1.txt"]);
  });
});
