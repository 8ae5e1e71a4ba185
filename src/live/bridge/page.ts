/**
 * The page of a bridge: the newest values and images of the latest scan. It speaks the protocol by itself, in plain
 * JavaScript, so that it is an example of how little that takes.
 */

/** Its style. */
export const pageStyle = `
  body { font: 15px/1.4 system-ui, sans-serif; margin: 1.5rem; color: #222; background: #fff; }
  h1 { font-size: 1.2rem; margin: 0 0 .2rem; }
  #state, .note { color: #666; }
  #streams { display: flex; flex-wrap: wrap; gap: 1rem; margin-top: 1rem; }
  section { border: 1px solid #ccc; border-radius: .4rem; padding: .6rem .8rem; min-width: 12rem; }
  section h2 { font-size: 1rem; margin: 0; }
  section output { display: block; font: 1.5rem/1.4 ui-monospace, monospace; overflow-wrap: anywhere; max-width: 32rem; }
  canvas { display: block; max-width: 32rem; width: 100%; image-rendering: pixelated; background: #000; }
  canvas[hidden], form[hidden] { display: none; }
`;

/** Its script. */
export const pageScript = `
"use strict";
const arrays = {
  bool: Uint8Array, int8: Int8Array, uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array, int32: Int32Array,
  uint32: Uint32Array, int64: BigInt64Array, uint64: BigUint64Array, float32: Float32Array, float64: Float64Array,
};
const at = (id) => document.getElementById(id);
const say = (text) => { at("state").textContent = text; };
let token = sessionStorage.getItem("token") || undefined;
let socket, heard, delay = 500, nextId = 1, scans, resumeAt = "latest";
let shown = { key: undefined, ids: new Set(), panels: new Map() };
const subscriptions = new Map();

function connect() {
  const server = new URL("/v1/socket", location.href);
  server.protocol = server.protocol.replace("http", "ws");
  socket = new WebSocket(server);
  socket.binaryType = "arraybuffer";
  subscriptions.clear();
  socket.onopen = () => tell({ type: "hello", version: 1, token });
  socket.onmessage = ({ data }) => receive(data).catch((error) => say(String(error)));
  socket.onclose = ({ code }) => {
    clearTimeout(heard);
    if (code === 4401) { at("door").hidden = false; say("This bridge wants a token."); return; }
    say("The connection is broken; trying again.");
    setTimeout(connect, delay);
    delay = Math.min(delay * 2, 10000);
  };
}

const tell = (message) => { if (socket.readyState === 1) socket.send(JSON.stringify(message)); };

function subscribe(request, take) {
  const id = nextId++;
  subscriptions.set(id, { take, bytes: 0 });
  tell({ ...request, id });
  return id;
}

function unsubscribe(id) {
  if (subscriptions.delete(id)) tell({ type: "unsubscribe", id });
}

function listenFor(ms) {
  clearTimeout(heard);
  heard = setTimeout(() => socket.close(), ms * 3);
}

async function receive(data) {
  const view = new DataView(data);
  const length = view.getUint32(4, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 8, length)));
  const payload = new Uint8Array(data, 8 + length);
  if (header.type === "hello") {
    delay = 500;
    at("door").hidden = true;
    socket.heartbeatMs = header.heartbeatMs;
    say("Waiting for a scan.");
    const known = shown.key;
    scans = subscribe({ type: "scans", since: resumeAt }, onScan);
    if (known !== undefined) { shown.ids.clear(); follow(known); }
  }
  if (socket.heartbeatMs) listenFor(socket.heartbeatMs);
  if (header.type === "error" && header.id === undefined) say(header.error.message);
  const subscription = subscriptions.get(header.id);
  if (!subscription) return;
  subscription.bytes += data.byteLength;
  try {
    await subscription.take(header, payload, header.id);
  } finally {
    // Only now: while this page draws, the next value can wait, and be a newer one.
    if (subscriptions.has(header.id)) tell({ type: "ack", id: header.id, bytes: subscription.bytes });
  }
}

function onScan(header, payload) {
  if (header.type !== "scan") return;
  resumeAt = header.tag;
  const scan = JSON.parse(new TextDecoder().decode(payload));
  for (const id of shown.ids) unsubscribe(id);
  shown = { key: scan.key, ids: new Set(), panels: new Map() };
  at("streams").replaceChildren();
  follow(scan.key);
}

function follow(key) {
  shown.ids.add(subscribe({ type: "scan", key }, (header, payload) => {
    if (header.type === "end" && header.reason === "deleted") say("The scan was deleted.");
    if (header.type !== "scan") return;
    const scan = JSON.parse(new TextDecoder().decode(payload));
    const { name, number } = scan.identity;
    at("scan").textContent = [number, name].filter((part) => part !== undefined).join("  ") || scan.key;
    const when = new Date(scan.createdAt * 1000).toLocaleString();
    say(scan.state + (scan.endReason ? " (" + scan.endReason + ")" : "") + ", from " + when);
    for (const [stream, { encoding }] of Object.entries(scan.streams)) show(key, stream, encoding);
  }));
}

function show(key, stream, encoding) {
  const { panels, ids } = shown;
  const isKnown = panels.has(stream);
  if (isKnown && subscriptions.has(panels.get(stream).id)) return;
  const panel = isKnown ? panels.get(stream) : addPanel(stream);
  panels.set(stream, panel);
  const from = panel.next === undefined ? "latest" : panel.next;
  panel.id = subscribe({ type: "stream", scan: key, stream, from, mode: "latest" }, async (header, payload) => {
    if (header.next !== undefined) panel.next = header.next;
    if (header.type === "error") panel.note.textContent = header.error.message;
    if (header.type === "end") panel.note.textContent += ", " + header.reason;
    if (header.type !== "points") return;
    const newest = header.index + (header.count - 1) * header.step;
    panel.note.textContent = "#" + newest;
    if (header.value === "json") {
      panel.value.textContent = JSON.stringify(JSON.parse(new TextDecoder().decode(payload)).at(-1));
      return;
    }
    let { dtype, shape } = header, bytes = payload;
    if (header.value === "url") {
      const headers = token ? { authorization: "Bearer " + token } : {};
      const answer = await fetch(header.url + "/" + newest + "?format=raw", { headers });
      if (!answer.ok) { panel.note.textContent += ", " + answer.status; return; }
      dtype = answer.headers.get("x-sluice-dtype");
      shape = [1, ...answer.headers.get("x-sluice-shape").split(",").filter(Boolean).map(Number)];
      bytes = new Uint8Array(await answer.arrayBuffer());
    }
    draw(panel, dtype, shape.slice(1), bytes);
  });
  ids.add(panel.id);
}

function addPanel(stream) {
  const section = document.createElement("section");
  const add = (tag) => section.appendChild(document.createElement(tag));
  add("h2").textContent = stream;
  const value = add("output"), canvas = add("canvas"), note = add("span");
  canvas.hidden = true;
  note.className = "note";
  at("streams").append(section);
  return { value, canvas, note };
}

/** The last point of a message: a number as text, a row as a curve, anything larger as an image of its last two axes. */
function draw(panel, dtype, shape, bytes) {
  if (!arrays[dtype]) { panel.value.textContent = dtype; return; }
  const size = shape.reduce((product, length) => product * length, 1);
  const all = new arrays[dtype](bytes.buffer, bytes.byteOffset, bytes.byteLength / arrays[dtype].BYTES_PER_ELEMENT);
  const point = all.subarray(all.length - size);
  if (shape.length === 0) { panel.value.textContent = String(point[0]); return; }
  const width = shape.at(-1), height = shape.length > 1 ? shape.at(-2) : 120;
  let low = Infinity, high = -Infinity;
  for (const element of point) { const x = Number(element); if (x < low) low = x; if (x > high) high = x; }
  const scale = high > low ? 255 / (high - low) : 0;
  const { canvas } = panel;
  canvas.hidden = false;
  canvas.width = width;
  canvas.height = height;
  panel.value.textContent = low + " – " + high;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  new Uint32Array(image.data.buffer).fill(0xff000000);
  for (let i = 0; i < width * (shape.length > 1 ? height : 1); i++) {
    const grey = (Number(point[i]) - low) * scale;
    const pixel = shape.length > 1 ? i : i + width * Math.round((1 - grey / 255) * (height - 1));
    const light = shape.length > 1 ? grey : 255;
    image.data.fill(light, pixel * 4, pixel * 4 + 3);
  }
  context.putImageData(image, 0, 0);
}

at("door").onsubmit = (event) => {
  event.preventDefault();
  token = at("token").value;
  sessionStorage.setItem("token", token);
  connect();
};
connect();
`;

/** The whole page. */
export const pageHtml = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Live scans</title>
<style>${pageStyle}</style>
</head>
<body>
<h1 id="scan">Live scans</h1>
<div id="state">Connecting.</div>
<form id="door" hidden>
<label>Token <input id="token" type="password" autocomplete="off"></label> <button>Open</button>
</form>
<div id="streams"></div>
<script>${pageScript}</script>
</body>
</html>
`;
