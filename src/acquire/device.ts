/**
 * Devices, and the protocols that a plan knows them by. A device implements those that fit; a plan asks with the guards.
 *
 * @see bluesky `protocols.py`; sunflare and redsun `device`
 */
import type { DataKey, StreamAsset } from "../core/documents.ts";
import type { StorageError } from "../core/errors.ts";
import type { PrepareInfo } from "../core/frame-writer.ts";
import { checkSourceName } from "./source.ts";
import type { Status } from "./status.ts";

/** A value, or its promise: simulated devices answer at once, real ones ask their hardware. */
export type Awaitable<T> = T | Promise<T>;

/**
 * The base of devices: a name, and nothing of storage. A device that needs storage takes a writer in its constructor or
 * declares a slot with `storageSlot`.
 */
export abstract class Device {
  /** Unique within a session; without dots and slashes, because it becomes a data key. */
  readonly name: string;

  /** @throws A {@link StorageError} `INVALID_KEY` for a name that cannot be a data key. */
  constructor(name: string) {
    checkSourceName(name, { operation: "device", identifier: name });
    this.name = name;
  }
}

/** One reading. */
export interface Reading {
  readonly value: unknown;
  /** Seconds since 1970-01-01 UTC. */
  readonly timestamp: number;
}

/** Has scalar values to put into events. */
export interface Readable {
  /** The values, by data key. */
  read(): Awaitable<Readonly<Record<string, Reading>>>;
  /** What they are, by the same keys. */
  describe(): Awaitable<Readonly<Record<string, DataKey>>>;
}

/** Has settings that hold for a whole stream. */
export interface Configurable {
  /** The settings, by data key. */
  readConfiguration(): Awaitable<Readonly<Record<string, Reading>>>;
  /** What they are, by the same keys. */
  describeConfiguration(): Awaitable<Readonly<Record<string, DataKey>>>;
}

/** Takes a single step when told to: exposes a frame, measures. */
export interface Triggerable {
  /** Starts one step. Done when it has been taken. */
  trigger(): Status;
}

/** Can be moved. */
export interface Movable<T = unknown> {
  /** Starts moving. Done when it is there. */
  set(value: T): Status;
}

/** Is told what is coming before it starts. */
export interface Preparable {
  /** Gets ready for as many frames as it is told. Done when `kickoff` may follow. */
  prepare(info: PrepareInfo): Status;
}

/** Runs by itself between kickoff and complete. */
export interface Flyable {
  /** Starts. Done when it has started. */
  kickoff(): Status;
  /** Ends. Done when all that was asked for has been taken. */
  complete(): Status;
}

/** Writes frames to a store and announces them. */
export interface WritesStreamAssets {
  /** What its frames are; each key has `external: "STREAM:"`. */
  describeCollect(): Awaitable<Readonly<Record<string, DataKey>>>;
  /** The documents of what was written and not announced, at most up to an index. */
  collectAssetDocs(index?: number): Iterable<StreamAsset> | AsyncIterable<StreamAsset>;
  /** Number of events that are completely written. */
  getIndex(): Awaitable<number>;
}

/** Wants to know when a run begins and ends. */
export interface Stageable {
  /** Before the first document of a run. */
  stage(): Awaitable<void>;
  /** After the last one, also of a run that failed. */
  unstage(): Awaitable<void>;
}

/** Has things to release when its session ends. */
export interface Closable {
  /** Releases everything; called once. */
  close(): Awaitable<void>;
}

const has = (value: unknown, ...methods: readonly string[]): boolean =>
  typeof value === "object" &&
  value !== null &&
  methods.every((method) => typeof (value as Record<string, unknown>)[method] === "function");

/** True if the device is {@link Readable}. */
export const isReadable = (device: unknown): device is Readable => has(device, "read", "describe");
/** True if the device is {@link Configurable}. */
export const isConfigurable = (device: unknown): device is Configurable =>
  has(device, "readConfiguration", "describeConfiguration");
/** True if the device is {@link Triggerable}. */
export const isTriggerable = (device: unknown): device is Triggerable => has(device, "trigger");
/** True if the device is {@link Movable}. */
export const isMovable = (device: unknown): device is Movable => has(device, "set");
/** True if the device is {@link Preparable}. */
export const isPreparable = (device: unknown): device is Preparable => has(device, "prepare");
/** True if the device is {@link Flyable}. */
export const isFlyable = (device: unknown): device is Flyable => has(device, "kickoff", "complete");
/** True if the device {@link WritesStreamAssets}. */
export const writesStreamAssets = (device: unknown): device is WritesStreamAssets =>
  has(device, "describeCollect", "collectAssetDocs", "getIndex");
/** True if the device is {@link Stageable}. */
export const isStageable = (device: unknown): device is Stageable => has(device, "stage", "unstage");
/** True if the device is {@link Closable}. */
export const isClosable = (device: unknown): device is Closable => has(device, "close");
