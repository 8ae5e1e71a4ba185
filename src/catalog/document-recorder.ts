/** From the documents of a run to its rows in a beamtime file. */
import type { Document, RunStop } from "../core/documents.ts";
import { StorageError } from "../core/errors.ts";
import type { RunWriter } from "./run-writer.ts";
import type { ExitStatus } from "./run-writer-types.ts";

/** How a stop document says what the file says. */
const exitStatuses: Readonly<Record<RunStop["exit_status"], ExitStatus>> = {
  success: "success",
  abort: "aborted",
  fail: "failed",
};

/**
 * Takes the documents of runs, one run after another, and writes them as a {@link RunWriter} does: start, descriptors,
 * events, stream resources and stream data, stop. Uids, times and sequence numbers stay those of the documents; frames
 * stay where the documents say that they are.
 *
 * @example
 * ```ts
 * import { RunDocuments } from "sluice/acquire";
 * import { DocumentRecorder, RunWriter } from "sluice/catalog";
 * await using writer = new RunWriter("beamtime.db", { name: "PS" });
 * await writer.open();
 * const recorder = new DocumentRecorder(writer);
 * const run = new RunDocuments((document) => recorder.record(document));
 * await run.start({ plan_name: "count" });
 * await run.stop("success");
 * ```
 * @see event-model 1.24
 */
export class DocumentRecorder {
  readonly #writer: RunWriter;

  /** @param writer - Open; stays its owner's, who closes it. No run may be open in it that others write. */
  constructor(writer: RunWriter) {
    this.#writer = writer;
  }

  /**
   * Writes one document. Documents come in the order of the event model, one after another.
   *
   * @throws A {@link StorageError}: `CONFLICT` for a document of another run than the open one; otherwise as the method
   * of {@link RunWriter} for it: `ALREADY_OPEN` for a start inside of a run, `NOT_OPEN` before the start, `NOT_FOUND` for a
   * descriptor that never came.
   */
  async record([name, document]: Document): Promise<void> {
    switch (name) {
      case "start": {
        const { uid, time, plan_name: planName = "", ...metadata } = document;
        const { operator } = metadata as { operator?: unknown };
        await this.#writer.openRun(planName, {
          uid,
          time,
          metadata,
          operator: typeof operator === "string" ? operator : undefined,
        });
        return;
      }
      case "descriptor": {
        const { uid, time, run_start: run, name: stream, data_keys: dataKeys, ...extra } = document;
        this.#checkRun(name, run);
        await this.#writer.openStream(stream, dataKeys, { uid, time, extra });
        return;
      }
      case "event": {
        const { uid, time, descriptor: stream, seq_num: seqNum, data, timestamps } = document;
        await this.#writer.writeEvent(data, timestamps, { uid, time, stream, seqNum });
        return;
      }
      case "stream_resource":
        this.#checkRun(name, document.run_start);
        return this.#writer.writeStreamResource(document);
      case "stream_datum":
        return this.#writer.writeStreamDatum(document);
      case "stop": {
        const { time, run_start: run, exit_status: status, ...extra } = document;
        this.#checkRun(name, run);
        return this.#writer.closeRun({ exitStatus: exitStatuses[status], time, extra });
      }
    }
  }

  #checkRun(name: string, run: string): void {
    const { runUid } = this.#writer;
    if (runUid === undefined || run === runUid) return;
    const message = `A ${name} document is of run ${run}, and run ${runUid} is open`;
    throw new StorageError("CONFLICT", message, { operation: "record", identifier: run });
  }
}
