// Reserves paths in a process of its own and prints them, one a line.
import { SessionPathProvider } from "../../src/acquire/session-path-provider.ts";

const [baseDir, count] = process.argv.slice(2) as [string, string];
const provider = new SessionPathProvider({ baseDir, session: "race", now: () => new Date(2026, 10, 21) });
for (let i = 0; i < Number(count); i++) console.log((await provider("scan")).storeUri);
