/**
 * What the info of a scan says, in the words that other programs of beamlines expect. Members beside these are free.
 *
 * @see blissdata `schemas/scan_info.py`, `ScanInfoDict`
 */
import type { JsonObject, JsonValue } from "../json.ts";

/** What triggers what in a scan. */
export type AcquisitionChain = JsonObject & {
  /** Key of the device that is first. */
  readonly top_master: string;
  /** Keys of all devices, the top master first. */
  readonly devices: readonly string[];
  /** Names of channels of one value a point. */
  readonly scalars: readonly string[];
  /** Names of channels of one axis. */
  readonly spectra: readonly string[];
  /** Names of channels of two axes. */
  readonly images: readonly string[];
  /** Names of the channels of the masters, by `scalars`, `spectra` and `images`. */
  readonly master: Readonly<Record<string, readonly string[]>>;
};

/** What is said of a channel. */
export type ScanChannel = JsonObject & {
  /** Axes of a point: 0 a value, 1 a spectrum, 2 an image. */
  readonly dim: number;
  readonly display_name?: string;
  readonly unit?: string;
  /** Digits behind the point that are worth showing. */
  readonly decimals?: number;
  /** Where the axis begins. */
  readonly start?: number;
  /** Where the axis ends. */
  readonly stop?: number;
  /** The least that the channel can be. */
  readonly min?: number;
  /** The most that the channel can be. */
  readonly max?: number;
  /** Points that will come. */
  readonly points?: number;
  /** Points along the axis of a scatter. */
  readonly axis_points?: number;
  /** As `axis_points`, about. */
  readonly axis_points_hint?: number;
  /** Which axis of a scatter this is; 0 is the fastest. */
  readonly axis_id?: number;
  /** How the axis moves: from start to stop each time, to and fro, or from step to step. */
  readonly axis_kind?: "forth" | "backnforth" | "step";
  /** Channels of one group have as many points in the end. */
  readonly group?: string;
};

/** What is said of a device. */
export type ScanDevice = JsonObject & {
  /** As people call it; several devices may have one name, and a key each. */
  readonly name: string;
  /** Names of its channels. */
  readonly channels?: readonly string[];
  /** Keys of the devices that it triggers. */
  readonly triggered_devices?: readonly string[];
  /** `"lima"`, `"lima2"`, `"mca"`, `"mosca"`, or another. */
  readonly type?: string;
  /** Channel that is the x axis of its spectra. */
  readonly xaxis_channel?: string;
  /** Values that are the x axis of its spectra. */
  readonly xaxis_array?: readonly JsonValue[];
  readonly xaxis_array_label?: string;
  readonly xaxis_array_unit?: string;
  /** Settings. */
  readonly metadata?: JsonObject;
};

/** Points in a scatter plot. */
export type ScatterItem = JsonObject & {
  readonly kind: "scatter";
  readonly x?: string;
  readonly y?: string;
  readonly value?: string;
};

/** A line in a plot of curves, or of spectra, which have their x axis from the plot. */
export type CurveItem = JsonObject & {
  readonly kind: "curve";
  readonly x?: string;
  readonly y?: string;
  readonly y_axis?: "left" | "right";
};

/** A plot that a viewer is to show. Channels are named as in `channels`. */
export type ScanPlot = JsonObject &
  (
    | { readonly kind: "scatter-plot"; readonly name?: string; readonly items: readonly ScatterItem[] }
    | { readonly kind: "curve-plot"; readonly name?: string; readonly items: readonly CurveItem[] }
    | { readonly kind: "table-plot"; readonly name?: string }
    | { readonly kind: "1d-plot"; readonly name?: string; readonly x?: string; readonly items: readonly CurveItem[] }
  );

/** The info of a scan. */
export type ScanInfo = JsonObject & {
  readonly acquisition_chain: Readonly<Record<string, AcquisitionChain>>;
  readonly channels: Readonly<Record<string, ScanChannel>>;
  readonly devices: Readonly<Record<string, ScanDevice>>;
  /** Of a scan that is made of others. */
  readonly sequence_info?: JsonObject & { readonly scan_count?: number };
  /** Key of the scan that this one is a part of. */
  readonly group?: string;
  /** ISO 8601. */
  readonly start_time: string;
  /** Number of the scan in its file; not unique. */
  readonly scan_nb: number;
  /** Place in the scan that this one is a part of, from 0. */
  readonly index_in_sequence?: number;
  /** 1 for the first repetition. */
  readonly retry_nb?: number;
  /** The scan is made of others. */
  readonly is_scan_sequence?: true;
  /** `"ascan"`, `"timescan"`, … */
  readonly type: string;
  readonly title: string;
  /** Points of the scan; 0: without end. */
  readonly npoints?: number;
  /** Exposure, in seconds. */
  readonly count_time?: number;
  /** Pause between points, in seconds. */
  readonly sleep_time?: number;
  /** Time for motors to settle, in seconds. */
  readonly stab_time?: number;
  readonly data_policy: string;
  readonly data_writer: string;
  readonly writer_options?: JsonObject;
  /** Program that publishes the scan. */
  readonly publisher: string;
  readonly publisher_version: string;
  /** True if the data is written to a file. */
  readonly save: boolean;
  readonly session_name: string;
  readonly user_name: string;
  readonly plots?: readonly ScanPlot[];
  /** What viewers remember. */
  readonly display_extra?: JsonObject;
  /** ISO 8601. */
  readonly end_time?: string;
  readonly end_reason?: "SUCCESS" | "FAILURE" | "USER_ABORT" | "DELETION";
};
