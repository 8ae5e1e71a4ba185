/** Processes of their own that save wells of one plate. */
import { type ChildProcess, spawn } from "node:child_process";
import { repository } from "../../../structure/source-files.ts";
import { requireBuild } from "../../../support/built.ts";

/** Saves one field of the well Z/1, and then wells of rows `rows`, columns 1 to `columns`. */
export function startSaver(
  store: { readonly use: string; readonly options: object },
  rows: string,
  columns: number,
  field: string,
): ChildProcess {
  requireBuild();
  const code = `
    import { zeros } from "sluice";
    import { createRegistry } from "sluice/registry";
    import { saveBatch } from "sluice/backends/zarr/ngff";
    const store = await createRegistry().openStore("${store.use}", ${JSON.stringify(store.options)});
    const save = (row, column, field) => {
      const coordinates = ["w1", "w2"].map((c) => ({ c, field }));
      const layout = { axes: [{ name: "field" }, { name: "c" }], image: "field", coordinates, row, column };
      const paths = coordinates.map(({ c }) => "plate/" + row + column + "_s" + field + "_" + c + ".tif");
      return saveBatch(store, paths.map(() => zeros([8, 8], "uint8")), paths, { layout });
    };
    await save("Z", 1, "${field}");
    for (const row of "${rows}") for (let column = 1; column <= ${columns}; column++) await save(row, column, "1");
    await store.close();
  `;
  const stdio = ["ignore", "ignore", "inherit"] as const;
  return spawn(process.execPath, ["--no-warnings", "--input-type=module", "-e", code], {
    cwd: repository,
    stdio: [...stdio],
  });
}

/** The code that a process ends with. */
export function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve(code));
  });
}
