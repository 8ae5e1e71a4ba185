/** Checks a hierarchy against OME-NGFF, from plates down to the arrays. Reads metadata only, and changes nothing. */
import type { ByteStore, OperationOptions } from "../../../src/core/byte-store.ts";
import { isStorageError } from "../../../src/core/errors.ts";
import { joinKey, normalizeKey } from "../../../src/core/key.ts";
import { concurrently } from "../concurrently.ts";
import { type ArrayNode, findNode, type GroupNode, type ZarrNode } from "../nodes.ts";
import { type FoundContent, fromAttributes } from "./attributes.ts";
import { readOmeXml } from "./bioformats2raw.ts";
import { checkLayout, checkVersion } from "./check-attributes.ts";
import { type CheckedMultiscale, checkImageLabel, checkMultiscales, checkOmero } from "./check-image.ts";
import { checkPaths, checkPlate, checkWell } from "./check-plate.ts";
import { countOmeImages } from "./ome-xml-images.ts";
import { type NgffViolation, type Report, reporter } from "./rules.ts";

/** What was found, and what is wrong with it. */
export interface NgffReport {
  /** No rule that is a must is broken. */
  readonly isValid: boolean;
  /** As the first group says it. */
  readonly version: string | undefined;
  readonly plates: number;
  readonly wells: number;
  readonly images: number;
  readonly labels: number;
  /** In the order of their paths. */
  readonly violations: readonly NgffViolation[];
}

/** Groups that are looked at at the same time. */
const AT_ONCE = 8;

/** A group with its metadata. */
interface Place {
  readonly node: GroupNode;
  readonly found: FoundContent;
  readonly report: Report;
}

/** What a label image is compared with. */
interface Image {
  readonly levels: readonly ArrayNode[];
}

/**
 * Validates what is at a path: a plate, a well, an image, labels, or images as bioformats2raw lays them out.
 *
 * @param store - Needs no listing.
 * @throws A {@link StorageError} only if the store fails; what is wrong with the data is in the report.
 */
export async function validateHierarchy(
  store: ByteStore,
  path = "",
  options: OperationOptions = {},
): Promise<NgffReport> {
  const walk = new Walk(store, options);
  await walk.visitAny(normalizeKey(path));
  return walk.report();
}

class Walk {
  readonly #store: ByteStore;
  readonly #options: OperationOptions;
  readonly #violations: NgffViolation[] = [];
  readonly #counts = { plates: 0, wells: 0, images: 0, labels: 0 };
  #version: string | undefined;

  constructor(store: ByteStore, options: OperationOptions) {
    this.#store = store;
    this.#options = options;
  }

  report(): NgffReport {
    const violations = this.#violations.toSorted((a, b) => compare(a.path, b.path));
    const isValid = violations.every(({ level }) => level === "warning");
    return { isValid, version: this.#version, ...this.#counts, violations };
  }

  /** A group of which nothing is known but its path. */
  async visitAny(path: string): Promise<void> {
    const place = await this.#open(path, "");
    if (place === undefined) return;
    const { content } = place.found;
    const { plate, well, multiscales, labels, "image-label": label, series } = content;
    const layout = content["bioformats2raw.layout"];
    if (layout !== undefined) checkLayout(layout, place.report);
    if (plate !== undefined) await this.#visitPlate(place);
    else if (layout !== undefined) await this.#visitSeries(place);
    if (well !== undefined) await this.#visitWell(place, new Set());
    if (multiscales !== undefined || label !== undefined) await this.#visitImage(place);
    if (labels !== undefined) await this.#visitLabels(place, undefined);
    if (series !== undefined) checkPaths(series, "layout-series", "series", place.report);
    const isNothing = Object.keys(content).length === 0;
    if (isNothing) place.report("metadata-missing", "");
  }

  async #visitPlate({ node, found, report }: Place): Promise<void> {
    this.#counts.plates++;
    const { wells, acquisitions, fieldCount } = checkPlate(found.content.plate, report);
    let fields = 0;
    await concurrently(wells, AT_ONCE, async ({ path, at }) => {
      const place = await this.#open(joinKey(node.path, path), `${at}.path`, report);
      if (place !== undefined) fields = Math.max(fields, await this.#visitWell(place, acquisitions));
    });
    if (fieldCount !== undefined && fields > 0 && fieldCount !== fields) {
      report("plate-field-count-advised", "plate.field_count", `found ${fieldCount}, wells have up to ${fields}`);
    }
  }

  async #visitWell({ node, found, report }: Place, acquisitions: ReadonlySet<number>): Promise<number> {
    this.#counts.wells++;
    const { images } = checkWell(found.content.well, acquisitions, report);
    for (const { path, at } of images) {
      const place = await this.#open(joinKey(node.path, path), `${at}.path`, report);
      if (place !== undefined) await this.#visitImage(place);
    }
    return images.length;
  }

  async #visitImage(place: Place, source?: Image): Promise<void> {
    const { node, found, report } = place;
    const { multiscales, omero, "image-label": label } = found.content;
    const isLabel = source !== undefined || label !== undefined;
    this.#counts[isLabel ? "labels" : "images"]++;
    if (label !== undefined) checkImageLabel(label, report);
    if (multiscales === undefined) {
      report(label === undefined ? "metadata-missing" : "label-image", "multiscales");
      return;
    }
    const all = checkMultiscales(multiscales, report);
    const [first] = await Promise.all(all.map((multiscale) => this.#visitLevels(node, multiscale, isLabel, report)));
    const levels = first ?? [];
    const channels = omero === undefined ? undefined : checkOmero(omero, report);
    const axis = all[0]?.axes.findIndex(({ type }) => type === "channel") ?? -1;
    const length = axis < 0 ? 1 : levels[0]?.shape[axis];
    if (channels !== undefined && length !== undefined && channels !== length) {
      report("channel-count", "omero.channels", `found ${channels} for ${length}`);
    }
    if (source !== undefined) compareWithImage(levels, source.levels, report);
    if (isLabel) return;
    const below = await this.#find(joinKey(node.path, "labels"), report);
    if (below === undefined) return;
    const labels = await this.#open(joinKey(node.path, "labels"), "", report);
    if (labels !== undefined) await this.#visitLabels(labels, { levels });
  }

  async #visitLevels(
    { path, format }: GroupNode,
    { axes, datasets }: CheckedMultiscale,
    isLabel: boolean,
    report: Report,
  ): Promise<ArrayNode[]> {
    const found = await Promise.all(
      datasets.map(async (dataset) => {
        const key = joinKey(path, dataset.path);
        const node = await this.#find(key, report);
        if (node?.kind === "array") return { ...dataset, node, ofArray: reporter(key, this.#violations) };
        const code = node === undefined ? "node-missing" : "node-kind";
        report(code, `${dataset.at}.path`, `no array is at "${dataset.path}"`);
        return undefined;
      }),
    );
    const levels = found.filter((level) => level !== undefined);
    levels.forEach(({ node, ofArray, at }, index) => {
      const before = levels[index - 1]?.node;
      if (axes.length > 0 && node.shape.length !== axes.length) {
        ofArray("level-rank", "", `found ${node.shape.length} for ${axes.length} axes`);
      }
      if (before !== undefined && before.typeName !== node.typeName) {
        ofArray("level-dtype", "", `found ${node.typeName} after ${before.typeName}`);
      }
      if (before?.shape.some((length, axis) => length < (node.shape[axis] ?? 0))) {
        report("level-order", at, `found [${node.shape.join(", ")}] after [${before.shape.join(", ")}]`);
      }
      if (isLabel && !/^(u?int\d+|[<>|=][iu]\d)$/.test(node.typeName))
        ofArray("label-dtype", "", `found ${node.typeName}`);
      checkStorage(node, axes, format, ofArray);
    });
    return levels.map(({ node }) => node);
  }

  async #visitLabels({ node, found, report }: Place, source: Image | undefined): Promise<void> {
    const at = found.isBelowOme ? "ome.labels" : "labels";
    for (const path of checkPaths(found.content.labels, "labels-list", at, report)) {
      const place = await this.#open(joinKey(node.path, path), at, report);
      if (place === undefined) continue;
      if (place.found.content["image-label"] === undefined) place.report("label-advised", "");
      await this.#visitImage(place, source ?? { levels: [] });
    }
  }

  /** Images of one file: as the group `OME` lists them, or by number. */
  async #visitSeries({ node, report }: Place): Promise<void> {
    const key = joinKey(node.path, "OME");
    const ome = await this.#find(key, report);
    const series = ome?.kind === "group" ? fromAttributes(ome.attributes)?.content.series : undefined;
    const ofOme = reporter(key, this.#violations);
    let images = 0;
    if (series !== undefined) {
      for (const path of checkPaths(series, "layout-series", "series", ofOme)) {
        images++;
        const place = await this.#open(joinKey(node.path, path), "series", report);
        if (place !== undefined) await this.#visitImage(place);
      }
    } else {
      for (; ; images++) {
        const image = joinKey(node.path, String(images));
        if (images > 0 && (await this.#find(image, report)) === undefined) break;
        const place = await this.#open(image, "", images === 0 ? report : undefined);
        if (place === undefined) break;
        await this.#visitImage(place);
      }
    }
    const xml = await readOmeXml(this.#store, key, this.#options);
    if (xml !== undefined) checkOmeXml(xml, images, ofOme);
  }

  /** A group with its metadata, checked as far as all groups are alike. */
  async #open(path: string, at: string, above?: Report): Promise<Place | undefined> {
    const report = reporter(path, this.#violations);
    const complain = above ?? report;
    const node = await this.#find(path, report);
    if (node === undefined || node.kind === "claim") {
      complain("node-missing", at, `no group is at "${path}"`);
      return undefined;
    }
    if (node.kind !== "group") {
      complain("node-kind", at, `an array is at "${path}"`);
      return undefined;
    }
    const found = fromAttributes(node.attributes);
    if (found === undefined) {
      report("metadata-missing", "");
      return undefined;
    }
    checkVersion(found, report);
    if (node.format !== (found.isBelowOme ? 3 : 2)) {
      report("version-format", "", `found ${found.isBelowOme ? "0.5" : "0.4"} on Zarr v${node.format}`);
    }
    const version = typeof found.version === "string" ? found.version : undefined;
    this.#version ??= version;
    if (version !== undefined && version !== this.#version) {
      report("version-mixed", "", `found ${version} below ${this.#version}`);
    }
    return { node, found, report };
  }

  async #find(path: string, report: Report): Promise<ZarrNode | undefined> {
    try {
      return await findNode(this.#store, path, this.#options);
    } catch (error) {
      if (!isStorageError(error, "CORRUPT")) throw error;
      report("metadata-type", "", error.message);
      return undefined;
    }
  }
}

function checkOmeXml(xml: Uint8Array, images: number, report: Report): void {
  let described: number;
  try {
    described = countOmeImages(xml);
  } catch (error) {
    if (!isStorageError(error, "INVALID_DATA")) throw error;
    report("layout-metadata", "METADATA.ome.xml", error.message);
    return;
  }
  if (described !== images) report("layout-metadata", "METADATA.ome.xml", `found ${described} for ${images} images`);
}

function checkStorage(node: ArrayNode, axes: CheckedMultiscale["axes"], format: 2 | 3, report: Report): void {
  if (node.format !== format) report("version-format", "", `found an array of Zarr v${node.format}`);
  const { dimension_names: names, chunk_key_encoding: keys } = node.metadata ?? {};
  if (node.format === 3) {
    const isSame = names?.length === axes.length && axes.every(({ name }, axis) => names[axis] === name);
    if (!isSame) report("level-names", "", `found ${JSON.stringify(names ?? null)}`);
    return;
  }
  const separator = keys?.configuration?.separator ?? ".";
  // A version that has been read since 0.2; one axis has no separator.
  if (keys !== undefined && separator !== "/") report("level-separator", "", `found ${JSON.stringify(separator)}`);
}

function compareWithImage(labels: readonly ArrayNode[], image: readonly ArrayNode[], report: Report): void {
  if (image.length === 0) return;
  if (labels.length !== image.length) {
    report("label-levels", "multiscales", `found ${labels.length} for ${image.length}`);
  }
  labels.forEach(({ shape }, level) => {
    const of = image[level]?.shape;
    if (of === undefined) return;
    const fits = shape.length === of.length && shape.every((length, axis) => length === 1 || length === of[axis]);
    if (!fits) {
      const at = `multiscales[0].datasets[${level}]`;
      report("label-shape", at, `found [${shape.join(", ")}] for [${of.join(", ")}]`);
    }
  });
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
