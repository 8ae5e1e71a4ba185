// Writes session.schema.json, the JSON Schema that editors check session files with. Run by `npm run schema`.
import { writeFile } from "node:fs/promises";
import { sessionJsonSchema } from "../dist/src/session/schema.js";

const text = `${JSON.stringify(sessionJsonSchema(), null, 2)}\n`;
await writeFile(new URL("../session.schema.json", import.meta.url), text);
