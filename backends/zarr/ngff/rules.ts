/** What OME-NGFF demands, a sentence for each demand, and what is said where one is not met. */

/** Every rule: whether it is a must, and its sentence. */
export const ngffRules = {
  "node-missing": [true, "What metadata names must be there"],
  "node-kind": [true, "Images, wells, plates and labels must be groups, and levels must be arrays"],
  "metadata-missing": [true, "A group of OME-NGFF must have its metadata"],
  "metadata-type": [true, "Metadata must be of the type that the specification gives it"],
  "version-missing": [true, "From 0.5 on, ome.version must be there"],
  "version-advised": [false, "The version should be written"],
  "version-unknown": [true, "The version must be one that is known: 0.4 or 0.5"],
  "version-mixed": [true, "All groups of a hierarchy must be of one version"],
  "version-format": [true, "Version 0.4 must be on Zarr v2, and 0.5 on Zarr v3"],
  "axes-missing": [true, "Each multiscale must have axes"],
  "axes-count": [true, "An image must have 2 to 5 axes"],
  "axis-name": [true, "Each axis must have a name, and no two the same"],
  "axis-type": [false, 'The type of an axis should be "space", "time" or "channel"'],
  "axis-unit": [false, "Axes of space and time should have a unit, one of UDUNITS-2"],
  "axes-space": [true, "An image must have 2 or 3 axes of space"],
  "axes-time": [true, "An image must have at most one axis of time"],
  "axes-channel": [true, "An image must have at most one axis that is of channels or of a type of one's own"],
  "axes-order": [true, "Axes must be ordered: time, then channel or a type of one's own, then space"],
  "multiscales-empty": [true, "multiscales must list at least one image"],
  "multiscale-name": [false, "A multiscale should have a name"],
  "multiscale-type": [false, "A multiscale of several levels should say in type and metadata how they were made"],
  "datasets-missing": [true, "Each multiscale must have datasets, full resolution first"],
  "dataset-path": [true, "Each dataset must have a path to an array, relative to its group, and no two the same"],
  "transformations-missing": [true, "Each dataset must have coordinateTransformations"],
  "transformation-type": [true, "Transformations must be of type scale or translation"],
  "transformation-scale": [true, "There must be exactly one scale"],
  "transformation-order": [true, "There must be at most one translation, and it must come after the scale"],
  "transformation-length": [true, "A transformation must have one number for each axis"],
  "scale-positive": [true, "The numbers of a scale must be larger than 0"],
  "level-order": [true, "Levels must be ordered from the largest to the smallest"],
  "level-rank": [true, "Arrays must have as many dimensions as the image has axes"],
  "level-dtype": [true, "All levels of an image must be of the same type"],
  "level-names": [true, "From 0.5 on, dimension_names must be there and equal the names of the axes"],
  "level-separator": [true, 'Chunks must be stored in nested folders: dimension_separator must be "/"'],
  "omero-channels": [true, "omero must have a list of channels"],
  "channel-color": [true, "Each channel must have a color of six hexadecimal digits"],
  "channel-window": [true, "Each channel must have a window with the numbers min, max, start and end"],
  "channel-count": [false, "There should be as many channels as the channel axis has elements"],
  "labels-list": [true, "The group labels must list the paths of its label images"],
  "label-advised": [false, "A label image should have image-label"],
  "label-image": [true, "A group with image-label must have multiscales"],
  "label-value": [true, "Each entry of colors and properties must have a whole number label-value, in each list once"],
  "label-rgba": [true, "rgba must be four whole numbers from 0 to 255"],
  "label-dtype": [true, "Labels must be whole numbers"],
  "label-levels": [true, "A label image must have as many levels as its image"],
  "label-shape": [true, "Each axis of a label image must be as long as that of its image, or 1"],
  "label-source": [true, "source.image must be a relative path"],
  "plate-rows": [true, "A plate must have rows, each with an alphanumeric name, and no two the same"],
  "plate-columns": [true, "A plate must have columns, each with an alphanumeric name, and no two the same"],
  "plate-wells": [true, "A plate must list its wells, each path once"],
  "well-path": [true, "The path of a well must be the name of its row, a slash, and the name of its column"],
  "well-index": [true, "rowIndex and columnIndex must be the places of the names in rows and columns"],
  "plate-name": [false, "A plate should have a name"],
  "plate-field-count": [true, "field_count must be a whole number of at least 1"],
  "plate-field-count-advised": [false, "field_count should be there, and be the largest number of fields of any well"],
  "acquisition-id": [true, "Each acquisition must have an id, a whole number of at least 0, and no two the same"],
  "acquisition-fields": [true, "maximumfieldcount must be a whole number of at least 1"],
  "acquisition-time": [true, "starttime and endtime must be whole numbers, and the end not before the start"],
  "well-images": [true, "A well must list its images"],
  "image-path": [true, "Paths of images in a well must be alphanumeric, and no two the same"],
  "image-acquisition": [true, "With several acquisitions, each image of a well must name that of its plate"],
  "layout-version": [true, "bioformats2raw.layout must be 3"],
  "layout-metadata": [true, "OME/METADATA.ome.xml must be OME-XML and have an Image for each image, in the same order"],
  "layout-series": [true, "series must list the paths of images; without it they must be numbered from 0"],
} as const satisfies Record<string, readonly [isMust: boolean, demand: string]>;

/** Name of a rule. */
export type NgffRule = keyof typeof ngffRules;

/** A rule that is not met. */
export interface NgffViolation {
  readonly code: NgffRule;
  /** `error`: the specification says must. `warning`: it says should. */
  readonly level: "error" | "warning";
  /** Path of the group or the array in the store; `""` is its root. */
  readonly path: string;
  /** Where in the metadata: `multiscales[0].axes[1].type`. `""` is the node itself. */
  readonly at: string;
  /** What the specification demands, and what is there. */
  readonly message: string;
}

/** Takes down a rule that is not met: where, and what is there instead. */
export type Report = (code: NgffRule, at: string, found?: string) => void;

/** A list of violations of one node, and what fills it. */
export function reporter(path: string, violations: NgffViolation[]): Report {
  return (code, at, found) => {
    const [isMust, demand] = ngffRules[code];
    const message = found === undefined ? demand : `${demand}; ${found}`;
    violations.push({ code, level: isMust ? "error" : "warning", path, at, message });
  };
}

/** What is there, short enough for a line. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return `found ${text.length > 60 ? `${text.slice(0, 59)}…` : text}`;
}
