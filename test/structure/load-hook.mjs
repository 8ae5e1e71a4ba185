/** Runs in Node's loader thread: reports every module before it is loaded. */
let port;

export function initialize(data) {
  port = data.port;
}

export function load(url, context, nextLoad) {
  port.postMessage(url);
  return nextLoad(url, context);
}
