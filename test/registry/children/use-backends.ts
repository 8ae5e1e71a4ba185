/** Makes the backends of another thread or process again, uses them, and says what it saw. */
import { parentPort, workerData } from "node:worker_threads";
import { type BackendSetDescriptor, fromDescriptor } from "../../../registry/index.ts";
import { StorageError } from "../../../src/core/errors.ts";
import { FileManager } from "../../../src/io/file-manager.ts";

const text = (workerData as string | null) ?? (process.argv[2] as string);
const descriptor = JSON.parse(text) as BackendSetDescriptor;
await using backends = await fromDescriptor(descriptor);
const files = new FileManager(backends);
const answers: Record<string, unknown> = {};
for (const name of [...Object.keys(descriptor.instances), ...Object.keys(descriptor.unavailable)]) {
  try {
    const seen = await files.load("in/shared.json", name);
    await files.save({ seen }, `out-${name}.json`, name);
    answers[name] = seen;
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    answers[name] = { code: error.code, message: error.message };
  }
}
if (parentPort === null) console.log(JSON.stringify(answers));
else parentPort.postMessage(answers);
