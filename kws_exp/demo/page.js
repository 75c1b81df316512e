// Records and draws; what is heard is told by the server, an object a line (server.py).
import { LEVELS, LIVE_SECONDS, colour, paint } from "./chart.js";

const MOST_POINTS = 4096; // of a file, in which neighbours are merged, the higher one kept
const MOST_WORDS = 200;
const MOST_BEHIND = 10; // seconds of sound that wait to be sent
const PIECES_AT_ONCE = 10; // a second of sound
const [listen, file, status, error, chart, legend, player, words, none, level] = [
  "listen", "file", "status", "error", "chart", "legend", "player", "words", "none", "level",
].map((id) => document.getElementById(id));
const dark = matchMedia("(prefers-color-scheme: dark)");
const state = { model: null, points: [], gap: 1, merged: 0, fired: [], count: 0, length: 0, live: true, stop: null };

async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (held + value).split("\n");
    held = parts.pop();
    for (const part of parts) yield told(JSON.parse(part));
  }
}

function told(answer) {
  if (answer.error) throw new Error(answer.error);
  return answer;
}

async function post(path, body, signal) {
  const response = await fetch(path, { method: "POST", body, signal });
  if (!response.ok) told(await response.json());
  return response;
}

// ---- microphone

async function startMicrophone() {
  const closing = new AbortController();
  let microphone, context, sender;
  state.stop = () => closing.abort();
  try {
    // as the device hears: nothing cleaned up
    const wanted = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    microphone = await navigator.mediaDevices.getUserMedia({ audio: wanted });
    context = new AudioContext();
    context.resume().catch(() => {}); // where the browser wants to be asked; closed before it answers
    await context.audioWorklet.addModule("recorder.js");
    const response = await post(`microphone/${context.sampleRate}`, null, closing.signal);
    const recorder = new AudioWorkletNode(context, "recorder", { channelCount: 1, channelCountMode: "explicit" });
    context.createMediaStreamSource(microphone).connect(recorder).connect(context.destination); // which stays silent
    microphone.getTracks()[0].addEventListener("ended", () => fail(new Error("The microphone was taken away.")));
    for await (const answer of lines(response)) {
      if (answer.session) {
        sender = makeSender(answer.session, context.sampleRate, closing);
        recorder.port.onmessage = ({ data }) => sender(data);
        state.stop = () => sender(new Int16Array());
        status.textContent = "Listening. The network needs a second of sound first.";
      } else {
        if (!state.points.length) status.textContent = "Listening.";
        add(answer);
      }
    }
  } catch (reason) {
    const why = closing.signal.reason ?? reason;
    if (why.name !== "AbortError") fail(why);
  } finally {
    microphone?.getTracks().forEach((track) => track.stop());
    context?.close();
    level.value = 0;
  }
}

// Return what takes the next piece, or, with an empty one, ends the session.
function makeSender(session, rate, closing) {
  const waiting = [];
  let number = 0, sending = false, ended = false;
  const send = (pieces) => post(`sound/${session}/${number++}`, new Blob(pieces), closing.signal);
  return async (piece) => {
    if (ended) return;
    if (piece.length) waiting.push(piece);
    else ended = true;
    level.value = piece.reduce((peak, value) => Math.max(peak, Math.abs(value)), 0) / 32768;
    if (waiting.length * piece.length > MOST_BEHIND * rate) closing.abort(new Error("This computer is too busy."));
    if (sending) return;
    sending = true; // one request at a time keeps the order
    try {
      while (waiting.length) await send(waiting.splice(0, PIECES_AT_ONCE));
      if (ended) await send([]);
    } catch (reason) {
      closing.abort(reason);
    }
    sending = false;
  };
}

// ---- recording

async function openFile(given) {
  const closing = new AbortController();
  state.stop = () => closing.abort();
  player.src = URL.createObjectURL(given);
  player.hidden = false;
  try {
    if (given.size > state.model.file_bytes) {
      throw new Error(`A recording may have ${state.model.file_bytes / 2 ** 20} MiB; this one is longer.`);
    }
    status.textContent = `Hearing ${given.name} ...`;
    for await (const answer of lines(await post("file", given, closing.signal))) {
      if (answer.length) state.length = answer.length;
      else add(answer);
    }
    const rest = state.count > MOST_WORDS ? `, of which the first ${MOST_WORDS} are listed` : "";
    const fired = `${state.count} word${state.count === 1 ? "" : "s"}${rest}`;
    status.textContent = `${given.name}, ${state.length.toFixed(1)} s: ${fired}.`;
  } catch (reason) {
    if (!closing.signal.aborted) fail(reason);
  }
}

// ---- what both show

function begin(live) {
  Object.assign(state, { points: [], gap: 1, merged: 0, fired: [], count: 0, length: 0, live });
  words.replaceChildren();
  words.setAttribute("aria-live", live ? "polite" : "off");
  none.hidden = false;
  error.hidden = true;
  player.hidden = true;
  if (player.src) URL.revokeObjectURL(player.src);
  player.removeAttribute("src");
  draw();
}

let current = Promise.resolve(), newest = 0;
function run(live, task) {
  const mine = ++newest;
  state.stop?.();
  // the one before has to have ended, or it would draw into the next
  current = current.then(async () => {
    if (mine !== newest) return;
    begin(live);
    if (live) setListening(true);
    await task();
    if (live) setListening(false);
    state.stop = null;
  });
}

function setListening(on) {
  listen.textContent = on ? "Stop" : "Listen";
  listen.setAttribute("aria-pressed", on);
  if (!on && error.hidden) status.textContent = "Stopped.";
}

function fail(reason) {
  const denied = { NotAllowedError: "The browser may not use the microphone: allow it for this page.",
    NotFoundError: "There is no microphone: plug one in, or open a recording.",
    TypeError: "The program that serves this page does not answer: start it again." };
  error.textContent = denied[reason.name] ?? reason.message;
  error.hidden = false;
  status.textContent = "";
  state.stop?.();
}

function add({ seconds, averages, word, score }) {
  keep(seconds, averages);
  for (const [index, average] of averages.entries()) showScore(index, average);
  if (word) fire(word, seconds, score);
  draw();
}

function fire(word, seconds, score) {
  state.count += 1;
  none.hidden = true;
  if (!state.live && state.count > MOST_WORDS) return;
  state.fired.push({ word, seconds, score });
  if (state.live) words.prepend(chip(word, seconds, score));
  else words.append(chip(word, seconds, score));
  if (state.fired.length <= MOST_WORDS) return;
  state.fired.shift();
  words.lastChild.remove();
}

function keep(seconds, averages) {
  const last = state.points.at(-1);
  if (last && state.merged < state.gap) {
    last.averages = last.averages.map((value, index) => Math.max(value, averages[index]));
    last.seconds = seconds;
    state.merged += 1;
  } else {
    state.points.push({ seconds, averages });
    state.merged = 1;
  }
  if (state.live) {
    while (state.points[0].seconds < seconds - LIVE_SECONDS - 1) state.points.shift();
  } else if (state.points.length > MOST_POINTS) {
    state.points = state.points.filter((_, index) => index % 2).map((point, index) => ({
      seconds: point.seconds,
      averages: point.averages.map((value, label) => Math.max(value, state.points[2 * index].averages[label])),
    }));
    state.gap *= 2;
  }
}

function chip(word, seconds, score) {
  const item = document.createElement("li");
  const inside = document.createElement(state.live ? "span" : "button");
  const [name, when] = [document.createElement("b"), document.createElement("span")];
  name.textContent = word;
  when.textContent = `${seconds.toFixed(2)} s, ${(score / LEVELS).toFixed(2)}`;
  inside.className = "chip";
  inside.style.setProperty("--label", `var(--label-${state.model.labels.indexOf(word)})`);
  inside.append(name, " ", when);
  if (!state.live) {
    inside.type = "button";
    inside.title = "play from a second before";
    inside.addEventListener("click", () => {
      player.currentTime = Math.max(0, seconds - 1);
      player.play().catch(() => {}); // of a format that the server reads and the browser does not
    });
  }
  item.append(inside);
  return item;
}

// ---- chart and legend

function setColours() {
  for (const index of state.model.labels.keys()) {
    document.body.style.setProperty(`--label-${index}`, colour(state.model, index));
  }
}

function makeLegend() {
  legend.replaceChildren(...state.model.labels.map((label, index) => {
    const [row, name, bar, value] = ["div", "span", "span", "output"].map((kind) => document.createElement(kind));
    row.className = "label";
    bar.className = "bar";
    name.textContent = label;
    value.textContent = "0.00";
    row.style.setProperty("--label", `var(--label-${index})`);
    row.style.setProperty("--threshold", state.model.thresholds[index] / LEVELS);
    row.append(name, bar, value);
    return row;
  }));
}

function showScore(index, average) {
  const row = legend.children[index];
  row.style.setProperty("--score", average / LEVELS);
  row.lastChild.textContent = (average / LEVELS).toFixed(2);
}

let drawing = 0;
function draw() {
  cancelAnimationFrame(drawing);
  drawing = requestAnimationFrame(() => state.model && paint(chart, state, player.hidden ? null : player.currentTime));
}

// ---- the page

async function start() {
  const model = (state.model = told(await (await fetch("model")).json()));
  const title = `${model.name}: ${model.keywords.join(", ")}`;
  const again = model.repeat ? "" : "A word fires again only after another label has.";
  document.title = title;
  document.getElementById("name").textContent = title;
  document.getElementById("about").textContent =
    `${model.folder}, int8 model ${model.sha256.slice(0, 12)}, ${model.front_end} front end, ` +
    `in the device's arithmetic: a run every ${model.hop_ms} ms, averaged over ${model.average_window_ms} ms. ${again}`;
  setColours();
  makeLegend();
  draw();
}

listen.addEventListener("click", () => {
  if (listen.getAttribute("aria-pressed") === "true") state.stop?.();
  else run(true, startMicrophone);
});
file.addEventListener("change", () => {
  const given = file.files[0];
  file.value = ""; // so that the same one can be opened again
  if (given) run(false, () => openFile(given));
});
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  const given = event.dataTransfer.files[0];
  if (given) run(false, () => openFile(given));
});
for (const change of ["timeupdate", "seeked"]) player.addEventListener(change, draw);
dark.addEventListener("change", () => {
  if (state.model) setColours();
  draw();
});
addEventListener("resize", draw);
start().catch(fail);
