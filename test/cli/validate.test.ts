import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Documents, plateDocuments } from "../backends/zarr/ngff/documents.ts";
import { scratchFolder, sluice } from "./command.ts";

function folderOf(documents: Documents): string {
  const root = scratchFolder();
  for (const [key, document] of Object.entries(documents)) {
    mkdirSync(dirname(join(root, key)), { recursive: true });
    writeFileSync(join(root, key), JSON.stringify(document));
  }
  return root;
}

describe("sluice validate", () => {
  it("says that a plate is valid, and what it has", async () => {
    const root = folderOf(plateDocuments("0.4"));
    const { code, output, errors } = await sluice(["validate", join(root, "p")]);
    expect({ code, output, errors }).toEqual({
      code: 0,
      output: "OME-NGFF 0.4, 1 plate, 2 wells, 3 images, 1 label image, valid\n",
      errors: "",
    });
  });

  it("prints a line for every rule that is broken, and answers 1 if one is a must", async () => {
    const documents = plateDocuments("0.5");
    const { ome } = documents["p/A/01/0/zarr.json"].attributes;
    ome.omero.channels[1].color = "green";
    delete documents["p/zarr.json"].attributes.ome.plate.name;
    const root = folderOf(documents);
    const { code, output } = await sluice(["validate", join(root, "p")]);
    expect(output.split("\n")).toEqual([
      "warning  . plate: A plate should have a name [plate-name]",
      'error    A/01/0 omero.channels[1].color: Each channel must have a color of six hexadecimal digits; found "green" [channel-color]',
      "OME-NGFF 0.5, 1 plate, 2 wells, 3 images, 1 label image, 1 error, 1 warning",
      "",
    ]);
    expect(code).toBe(1);
    ome.omero.channels[1].color = "00FF00";
    const mended = folderOf(documents);
    const second = await sluice(["validate", join(mended, "p"), "--json"]);
    expect(second.code).toBe(0);
    expect(JSON.parse(second.output)).toMatchObject({ isValid: true, violations: [{ code: "plate-name" }] });
  });
});
