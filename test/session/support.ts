/** What the tests of sessions share. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach } from "vitest";
import { type OpenSessionOptions, openSession, type Session, type SessionInput } from "../../src/session/index.ts";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** An empty folder that goes away after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-session-"));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Folder of the fixtures, which is where relative modules in `use` are looked for. */
export const fixtures = fileURLToPath(new URL("./fixtures", import.meta.url));

/** A device of the fixtures. */
export const fixture = (name: string): string => `./devices.ts#${name}`;

/** Opens a session over the fixtures; closed after the test if the test did not. */
export async function open(config: Partial<SessionInput>, options: OpenSessionOptions = {}): Promise<Session> {
  const session = await openSession({ session: "test", ...config }, { baseDirectory: fixtures, ...options });
  cleanups.push(() => session.close().catch(() => {}));
  return session;
}

/** The device of a name, as whatever the test knows it to be. */
export function deviceOf<T>(session: Session, name: string): T {
  return session.devices.get(name) as T;
}
