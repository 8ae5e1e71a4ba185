/** `sluice live serve` */
import type { Server } from "node:https";
import { StorageError } from "../../../core/errors.ts";
import { LiveBridge, Retention, type RetentionEvent } from "../../../live/index.ts";
import type { CommandContext } from "../../command-line.ts";
import { shortKey } from "../../live-format.ts";
import { type LiveOptions, OpenLive } from "../../open-live.ts";
import { policyOf, type RetentionCommandOptions, reportRecord } from "../../retention-options.ts";
import { describeError } from "../../terminal.ts";
import { readTls, type TlsOptions } from "../../tls-files.ts";

/** Options of `sluice live serve`. */
export interface ServeLiveOptions extends LiveOptions, RetentionCommandOptions, TlsOptions {
  readonly host: string;
  readonly port: number;
  readonly token?: string | undefined;
  readonly origin?: readonly string[] | undefined;
  /** Folders that frames may be read from, beside those that the live scans and the session file name. */
  readonly framesIn?: readonly string[] | undefined;
  /** False: only the bridge. */
  readonly retention: boolean;
  readonly interval?: number | undefined;
}

/** Serves live scans to browsers, and lets old ones leave, until Ctrl-C. */
export async function serveLive(options: ServeLiveOptions, { terminal, signal }: CommandContext): Promise<undefined> {
  const { host, port, token, origin: origins, framesIn = [], retention: isCleaning } = options;
  const server = await secureServer(options);
  await using open = await OpenLive.open(options, terminal, { creates: true, sharesFrames: true, framesIn });
  const { store } = open;
  const retention = new Retention(store.engine, policyOf(options, open.retention), {
    intervalMs: options.interval ?? open.retention?.intervalMs,
    onEvent: (event) => terminal.say(eventLine(event)),
  });
  await using bridge = await LiveBridge.listen(store, { host, port, token, origins, server });
  const rules = isCleaning ? "" : " Nothing is removed.";
  terminal.say(`Serving ${open.shown} at ${bridge.url}${rules} Ctrl-C ends.`);
  if (terminal.json) terminal.printLine({ event: "serving", live: open.shown, url: bridge.url }, "");
  const stopped = new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
    if (signal.aborted) resolve();
  });
  const cleaning = isCleaning
    ? retention.run({
        signal,
        onReport: (report) => {
          const { points, closed, leaving, failed } = report;
          const isNews = points + closed.length + leaving.length + failed.length > 0;
          if (terminal.json && isNews) terminal.printLine({ event: "pass", ...reportRecord(report) }, "");
        },
      })
    : stopped;
  await Promise.race([cleaning, stopped]);
  await cleaning;
  return undefined;
}

async function secureServer(options: TlsOptions): Promise<Server | undefined> {
  const tls = await readTls(options);
  if (tls === undefined) return undefined;
  const { createServer } = await import("node:https");
  try {
    return createServer({ ...tls, minVersion: "TLSv1.2" });
  } catch (error) {
    // What OpenSSL says names the mistake, not the key.
    throw new StorageError("CONFIG_INVALID", `Certificate and key do not make a TLS server: ${describeError(error)}`, {
      cause: error,
    });
  }
}

function eventLine(event: RetentionEvent): string {
  switch (event.type) {
    case "critical":
      return `Critical: the store has ${event.usage.bytes} bytes, more than ${event.targetBytes}, and nothing may leave`;
    case "closed":
      return `${shortKey(event.scan)} was closed: its writer is gone`;
    case "failed":
      return `${event.scan === undefined ? "The pass" : shortKey(event.scan)} failed: ${describeError(event.error)}`;
  }
}
