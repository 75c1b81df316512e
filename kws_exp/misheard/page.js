"use strict";
// Without this script the page is a list of clips with the browser's own players.
const clips = [...document.querySelectorAll(".clip")];
const [list, group, order, fold] = ["clips", "group", "order", "fold"].map((id) => document.getElementById(id));

const GROUPS = {
  pair: (clip) => `${clip.true} → ${clip.predicted}`,
  true: (clip) => clip.true,
  predicted: (clip) => clip.predicted,
  speaker: (clip) => clip.speaker,
  none: () => "all",
};
const ORDERS = {
  surest: (one, other) => other.score - one.score,
  unsure: (one, other) => one.score - other.score,
  path: (one, other) => (one.path < other.path ? -1 : 1),
};
let playing = null;

function arrange() {
  stop();
  const members = new Map();
  for (const clip of [...clips].sort((one, other) => ORDERS[order.value](one.dataset, other.dataset))) {
    const name = GROUPS[group.value](clip.dataset);
    members.set(name, [...(members.get(name) ?? []), clip]);
  }
  list.className = "";
  const largest = [...members].sort(([one, few], [other, more]) => more.length - few.length || one.localeCompare(other));
  list.replaceChildren(...largest.map(([name, found]) => section(name, found)));
  fold.textContent = "close all";
}

function section(name, found) {
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  const count = document.createElement("span");
  const grid = document.createElement("div");
  details.open = true;
  count.textContent = ` ${found.length} clip${found.length === 1 ? "" : "s"}`;
  summary.append(name, count);
  grid.className = "grid";
  grid.append(...found);
  details.append(summary, grid);
  return details;
}

function play(clip) {
  stop();
  const audio = clip.querySelector("audio");
  const seconds = audio.duration || 1; // not known before the first time
  const moving = clip.querySelector(".cursor").animate([{ left: 0 }, { left: "100%" }], seconds * 1000);
  playing = { clip, audio, moving };
  clip.classList.add("playing");
  audio.currentTime = 0;
  audio.play().catch(() => {}); // interrupted by the next clip
}

function stop() {
  if (!playing) return;
  playing.audio.pause();
  playing.moving.cancel();
  playing.clip.classList.remove("playing");
  playing = null;
}

function step(by) {
  const visible = [...list.querySelectorAll("details[open] .clip")];
  const here = visible.indexOf(document.activeElement.closest(".clip"));
  const next = visible[here < 0 ? 0 : here + by];
  if (!next) return;
  next.querySelector("button").focus();
  play(next);
}

for (const clip of clips) {
  const audio = clip.querySelector("audio");
  audio.controls = false;
  audio.addEventListener("ended", stop);
  clip.querySelector("button").addEventListener("click", () => play(clip));
}
document.addEventListener("keydown", (event) => {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by || event.ctrlKey || event.altKey || event.metaKey || event.target.tagName === "SELECT") return;
  event.preventDefault();
  step(by);
});
fold.addEventListener("click", () => {
  const open = fold.textContent === "open all";
  for (const details of list.querySelectorAll("details")) details.open = open;
  fold.textContent = open ? "close all" : "open all";
});
group.addEventListener("change", arrange);
order.addEventListener("change", arrange);
arrange();
