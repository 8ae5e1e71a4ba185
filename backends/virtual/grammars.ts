/** The grammars of instruments that are known here. */
import { definePlateGrammar, type PlateGrammar } from "./plate-grammar.ts";

const GUID = "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}";

/** `<plate>_<well>_s<site>_w<wavelength>`, with a GUID behind, bare or in brackets. */
const IMAGE_XPRESS =
  "(?:(?<plate>[^/]+)_)?(?<well>[A-Z]{1,2}[0-9]{1,2})(?:_s(?<field>[0-9]+))?(?:_w(?<channel>[0-9]{1,2}?))?";

/**
 * Grammars by name:
 *
 * - `imagexpress`: `Plate1_A01_s1_w1.tif`, with or without plate, site, wavelength and GUID; time points and z steps
 *   in folders (`TimePoint_1/ZStep_2/…`) or z in the name (`_z2`). Previews (`*_thumb*`) and `.HTD` files are ignored.
 * - `opera_phenix`: `r01c02f03p01-ch1sk1fk1fl1.tiff`.
 * - `as_barcode`: `AS_09047_050428030001_O01f00d2.TIF`, fields and channels counted from 0.
 */
export const plateGrammars: Readonly<Record<string, PlateGrammar>> = Object.freeze({
  imagexpress: definePlateGrammar({
    name: "imagexpress",
    subject: "path",
    pattern: [
      `(?:.*?/)??(?:TimePoint_(?<t>[0-9]+)/)?ZStep_(?<z>[0-9]+)/${IMAGE_XPRESS}(?:_?\\[?${GUID}\\]?)?(?i:\\.tiff?)`,
      `(?:.*?/)??(?:TimePoint_(?<t>[0-9]+)/)?${IMAGE_XPRESS}(?:_z(?<z>[0-9]+))?(?:_?\\[?${GUID}\\]?)?(?i:\\.tiff?)`,
    ],
    ignore: ["*_thumb*", "*.HTD", "*.htd"],
  }),
  opera_phenix: definePlateGrammar({
    name: "opera_phenix",
    pattern:
      "r(?<row>[0-9]{1,2})c(?<column>[0-9]{1,2})f(?<field>[0-9]+)p(?<z>[0-9]+)-ch(?<channel>[0-9]+)" +
      "(?:sk(?<t>[0-9]+))?(?:fk[0-9]+)?(?:fl[0-9]+)?(?i:\\.tiff?)",
    ignore: ["Index.idx.xml", "Index.xml"],
  }),
  as_barcode: definePlateGrammar({
    name: "as_barcode",
    pattern: "AS_(?<plate>[0-9]+_[0-9]+)_(?<well>[A-Z]{1,2}[0-9]{2})f(?<field>[0-9]{2})d(?<channel>[0-9])(?i:\\.tiff?)",
    first: { field: 0, channel: 0 },
  }),
});
