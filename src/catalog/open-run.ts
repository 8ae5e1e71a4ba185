/** The run that a {@link RunWriter} has open: its streams, its events, its images. */
import { randomUUID } from "node:crypto";
import type { OperationOptions } from "../core/byte-store.ts";
import { checkAborted, checkNdArray } from "../core/checks.ts";
import type { StreamDatum, StreamResource } from "../core/documents.ts";
import { StorageError } from "../core/errors.ts";
import type { NdArray } from "../core/nd-array.ts";
import { checkNumber, checkText, checkWhole } from "./column-values.ts";
import type { CatalogDatabase } from "./database.ts";
import type { GroupCommit } from "./group-commit.ts";
import type { ImageStacks } from "./image-stacks.ts";
import { toJsonText } from "./json-text.ts";
import type { ExitStatus, WriteEventOptions } from "./run-writer-types.ts";
import { countEvents } from "./writer-lease.ts";

/** Events that are remembered, so that their images need no look into the database. */
const REMEMBERED = 1024;

const insertEvent = "INSERT INTO events (uid, stream_uid, seq_num, time, data, timestamps) VALUES (?, ?, ?, ?, ?, ?)";
const insertImage =
  "INSERT INTO image_refs (event_uid, field_name, zarr_group, index_in_stack, shape_x, shape_y, dtype, " +
  "compression_codec, uri) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
const insertResource =
  "INSERT INTO stream_resources (uid, run_uid, data_key, mimetype, uri, parameters) VALUES (?, ?, ?, ?, ?, ?)";
const insertDatum =
  "INSERT INTO stream_data (uid, resource_uid, stream_uid, index_start, index_stop, seq_start, seq_stop) " +
  "VALUES (?, ?, ?, ?, ?, ?, ?)";

/** A stream of the open run. */
interface OpenStream {
  readonly uid: string;
  readonly name: string;
  /** Number of the last event. */
  seqNum: number;
}

/** What an {@link OpenRun} writes with. */
export interface OpenRunParts {
  readonly database: CatalogDatabase;
  readonly group: GroupCommit;
  readonly images: ImageStacks;
  /** True if readers find the store of the images without being told where. */
  readonly isBesideFile: boolean;
  /** Seconds since 1970. */
  readonly time: () => number;
}

/** The open run. Its methods are those of `RunWriter`, which says what they do. */
export class OpenRun {
  readonly uid: string;
  readonly images: ImageStacks;
  #ending: Promise<void> | undefined;
  readonly #parts: OpenRunParts;
  readonly #recent = new Set<string>();
  readonly #streams = new Map<string, OpenStream>();
  #latest: OpenStream | undefined;

  constructor(uid: string, parts: OpenRunParts) {
    this.uid = uid;
    this.images = parts.images;
    this.#parts = parts;
  }

  addStream(uid: string, name: string): void {
    this.#latest = { uid, name, seqNum: 0 };
    this.#streams.set(uid, this.#latest);
  }

  /** True while it is being ended, and after: it takes nothing more. */
  get isClosing(): boolean {
    return this.#ending !== undefined;
  }

  /**
   * Commits what was accepted, and the end of the run. From here on it takes nothing more, unless it turns out that it
   * cannot be ended.
   */
  async end(exitStatus: ExitStatus, time: number, extra: string | null): Promise<void> {
    this.#ending = this.#end(exitStatus, time, extra);
    try {
      await this.#ending;
    } catch (error) {
      this.#ending = undefined;
      throw error;
    }
  }

  /** Resolves when {@link OpenRun.end}, if it was called, has ended the run or has failed. */
  async ended(): Promise<void> {
    await this.#ending?.catch(() => {});
  }

  async writeEvent(
    data: Readonly<Record<string, unknown>>,
    timestamps: Readonly<Record<string, number>>,
    options: WriteEventOptions,
  ): Promise<string> {
    const { group, time: now } = this.#parts;
    const stream = this.#stream(options.stream, "writeEvent");
    const values = toJsonText(data, "data");
    const times = toJsonText(timestamps, "timestamps");
    if (group.failure !== undefined) await this.#retry("writeEvent");
    const { uid = newUid(), time = now(), seqNum = stream.seqNum + 1 } = options;
    const row = [checkText(uid, "uid"), stream.uid, checkWhole(seqNum, "seqNum"), checkNumber(time, "time")];
    stream.seqNum = Math.max(stream.seqNum, seqNum);
    this.#remember(uid);
    group.add(insertEvent, [...row, values, times]);
    if (group.isFull) await group.room();
    return uid;
  }

  async writeImage(eventUid: string, field: string, image: NdArray, options: OperationOptions): Promise<number> {
    const { group, isBesideFile } = this.#parts;
    this.#stream(undefined, "writeImage");
    const context = { operation: "writeImage", identifier: field };
    const { shape, dtype } = checkNdArray(image, context);
    const [height, width] = shape;
    if (shape.length !== 2 || height === undefined || width === undefined) {
      const message = `An image has two axes, [y, x]; "${field}" got [${shape.join(", ")}]`;
      throw new StorageError("SHAPE_MISMATCH", message, context);
    }
    checkAborted(options.signal, context);
    if (group.failure !== undefined) await this.#retry("writeImage");
    if (!this.#recent.has(eventUid)) await this.#checkEvent(eventUid);
    return this.images.append(field, image, options, ({ stack, index }) => {
      const uri = isBesideFile ? null : stack.storeUri;
      // resonance calls the first axis x, though it is the height. Its readers take these columns in this order.
      group.add(insertImage, [eventUid, field, stack.path, index, height, width, dtype, stack.codec, uri]);
      return index;
    });
  }

  async writeStreamResource(resource: Omit<StreamResource, "run_start">): Promise<void> {
    const { group } = this.#parts;
    const { uid, data_key: key, mimetype, uri } = resource;
    const parameters = toJsonText(resource.parameters, "parameters");
    const place = [checkText(key, "data_key"), checkText(mimetype, "mimetype"), checkText(uri, "uri")];
    const row = [checkText(uid, "uid"), this.uid, ...place, parameters];
    if (group.failure !== undefined) await this.#retry("writeStreamResource");
    group.add(insertResource, row);
  }

  async writeStreamDatum({ uid, descriptor, stream_resource, indices, seq_nums }: StreamDatum): Promise<void> {
    const { group } = this.#parts;
    const stream = this.#stream(descriptor, "writeStreamDatum");
    const ranges = [indices.start, indices.stop].map((index) => checkWhole(index, "indices"));
    const numbers = [seq_nums.start, seq_nums.stop].map((number) => checkWhole(number, "seq_nums"));
    const names = [checkText(uid, "uid"), checkText(stream_resource, "stream_resource"), stream.uid];
    if (group.failure !== undefined) await this.#retry("writeStreamDatum");
    group.add(insertDatum, [...names, ...ranges, ...numbers]);
    if (group.isFull) await group.room();
  }

  #stream(uid: string | undefined, operation: string): OpenStream {
    if (this.#latest === undefined) throw new StorageError("NOT_OPEN", "No open stream", { operation });
    const stream = uid === undefined ? this.#latest : this.#streams.get(uid);
    if (stream !== undefined) return stream;
    const known = [...this.#streams.values()].map((open) => `${open.uid} (${open.name})`).join(", ");
    const message = `Run ${this.uid} has no open stream "${uid}". Open: ${known}`;
    throw new StorageError("NOT_FOUND", message, { operation, identifier: uid });
  }

  #remember(event: string): void {
    this.#recent.add(event);
    const [oldest] = this.#recent;
    if (this.#recent.size > REMEMBERED && oldest !== undefined) this.#recent.delete(oldest);
  }

  async #end(exitStatus: ExitStatus, time: number, extra: string | null): Promise<void> {
    const { database, group } = this.#parts;
    await this.images.settled();
    await group.flush();
    await database.transaction(async (transaction) => {
      const events = await countEvents(transaction, this.uid);
      await transaction.run("UPDATE runs SET time_stop = ?, exit_status = ?, num_events = ?, extra = ? WHERE uid = ?", [
        time,
        exitStatus,
        events,
        extra,
        this.uid,
      ]);
    });
  }

  /** Commits what could not be committed. The run may have been ended meanwhile. */
  async #retry(operation: string): Promise<void> {
    await this.#parts.group.flush();
    this.#checkOpen(operation);
  }

  #checkOpen(operation: string): void {
    if (this.isClosing) throw new StorageError("NOT_OPEN", "No open run", { operation, identifier: this.uid });
  }

  /** Looks for an event that may be an old one. The run may be ended meanwhile. */
  async #checkEvent(event: string): Promise<void> {
    const { database, group } = this.#parts;
    await group.flush();
    const found = await database.all(
      "SELECT 1 AS found FROM events e JOIN streams s ON e.stream_uid = s.uid WHERE e.uid = ? AND s.run_uid = ?",
      [event, this.uid],
    );
    this.#checkOpen("writeImage");
    if (found.length > 0) return;
    const message = `Run ${this.uid} has no event "${event}"`;
    throw new StorageError("NOT_FOUND", message, { operation: "writeImage", identifier: event });
  }
}

/** A name that nobody has had before: a UUID as 32 hexadecimal digits. */
export function newUid(): string {
  return randomUUID().replaceAll("-", "");
}
