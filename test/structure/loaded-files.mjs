/**
 * Preloaded by `node --import`: prints the URL of every file that was loaded, one a line, when the process ends.
 * ES modules are seen by a loader hook, CommonJS ones also in `require.cache`.
 */
import { createRequire, register } from "node:module";
import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";

const { port1, port2 } = new MessageChannel();
register("./load-hook.mjs", import.meta.url, { data: { port: port2 }, transferList: [port2] });
port1.unref();

process.on("exit", () => {
  const urls = new Set(Object.keys(createRequire(import.meta.url).cache));
  for (let message = receiveMessageOnPort(port1); message; message = receiveMessageOnPort(port1)) {
    urls.add(message.message);
  }
  for (const url of urls) console.log(url);
});
