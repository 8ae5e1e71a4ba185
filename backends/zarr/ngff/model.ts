/** The metadata of OME-NGFF, as it stands in the attributes of groups. Types only; names are those of the documents. */

/** Versions that are written and read: 0.4 on Zarr v2, 0.5 on Zarr v3. */
export type NgffVersion = "0.4" | "0.5";

/** One axis of an image. */
export interface NgffAxis {
  /** Different for each axis of an image. */
  readonly name: string;
  /** `space`, `time`, `channel`, or a word of one's own. */
  readonly type?: string | null | undefined;
  /** UDUNITS-2 name: `micrometer`, `second`. */
  readonly unit?: string | undefined;
}

/** From the elements of an array to physical coordinates: one number for each axis. */
export type NgffTransformation =
  | { readonly type: "scale"; readonly scale: readonly number[] }
  | { readonly type: "translation"; readonly translation: readonly number[] };

/** One resolution of an image. */
export interface NgffDataset {
  /** Where its array is, relative to the group of the image. */
  readonly path: string;
  readonly coordinateTransformations: readonly NgffTransformation[];
}

/** An image in several resolutions. */
export interface NgffMultiscale {
  readonly version?: string | undefined;
  readonly name?: string | undefined;
  readonly axes: readonly NgffAxis[];
  /** Full resolution first. */
  readonly datasets: readonly NgffDataset[];
  /** Applied after those of each dataset. */
  readonly coordinateTransformations?: readonly NgffTransformation[] | undefined;
  /** How the lower resolutions were made. */
  readonly type?: string | undefined;
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
}

/** How one channel is shown. */
export interface NgffChannel {
  readonly label?: string | undefined;
  /** Six hexadecimal digits, red first. */
  readonly color: string;
  /** Intensities: those that can occur, and those that are shown as black and as full colour. */
  readonly window: NgffWindow;
  readonly active?: boolean | undefined;
  readonly coefficient?: number | undefined;
  readonly family?: string | undefined;
  readonly inverted?: boolean | undefined;
}

/** Intensities of a channel. */
export interface NgffWindow {
  readonly min: number;
  readonly max: number;
  readonly start: number;
  readonly end: number;
}

/** How an image is shown. */
export interface NgffOmero {
  readonly id?: number | undefined;
  readonly name?: string | undefined;
  readonly version?: string | undefined;
  /** One for each element of the channel axis. */
  readonly channels: readonly NgffChannel[];
  readonly rdefs?: Readonly<Record<string, unknown>> | undefined;
}

/** What the values of a label image mean. */
export interface NgffImageLabel {
  readonly version?: string | undefined;
  readonly colors?: readonly NgffLabelColor[] | undefined;
  readonly properties?: readonly NgffLabelProperties[] | undefined;
  readonly source?: { readonly image?: string | undefined } | undefined;
}

/** How one label is shown. */
export interface NgffLabelColor {
  readonly "label-value": number;
  /** Red, green, blue, opacity: 0 to 255. */
  readonly rgba?: readonly number[] | undefined;
}

/** What is known of one label: any members beside its value. */
export interface NgffLabelProperties {
  readonly "label-value": number;
  readonly [name: string]: unknown;
}

/** One measurement of a plate. */
export interface NgffAcquisition {
  readonly id: number;
  readonly name?: string | undefined;
  readonly maximumfieldcount?: number | undefined;
  readonly description?: string | undefined;
  /** Seconds since 1970-01-01 UTC. */
  readonly starttime?: number | undefined;
  readonly endtime?: number | undefined;
}

/** One well in the list of a plate. */
export interface NgffPlateWell {
  /** `row/column`, by their names. */
  readonly path: string;
  readonly rowIndex: number;
  readonly columnIndex: number;
}

/** A plate. */
export interface NgffPlate {
  readonly version?: string | undefined;
  readonly name?: string | undefined;
  readonly rows: readonly { readonly name: string }[];
  readonly columns: readonly { readonly name: string }[];
  readonly wells: readonly NgffPlateWell[];
  readonly acquisitions?: readonly NgffAcquisition[] | undefined;
  /** The largest number of fields of any well. */
  readonly field_count?: number | undefined;
}

/** A well: its fields of view. */
export interface NgffWell {
  readonly version?: string | undefined;
  readonly images: readonly { readonly path: string; readonly acquisition?: number | undefined }[];
}

/** What a group can say of itself. */
export interface NgffContent {
  readonly multiscales?: readonly NgffMultiscale[] | undefined;
  readonly omero?: NgffOmero | undefined;
  /** Paths of label images below this group. */
  readonly labels?: readonly string[] | undefined;
  readonly "image-label"?: NgffImageLabel | undefined;
  readonly plate?: NgffPlate | undefined;
  readonly well?: NgffWell | undefined;
  /** 3: images of one file of a microscope, by number or as `OME` lists them. */
  readonly "bioformats2raw.layout"?: number | undefined;
  /** Of the group `OME`: paths of the images, in the order of the OME-XML. */
  readonly series?: readonly string[] | undefined;
}
