// The averaged scores over time, thresholds dashed, a dot where a word fires.
export const LIVE_SECONDS = 20; // that are shown of a microphone
export const LEVELS = 256; // of a score
const dark = matchMedia("(prefers-color-scheme: dark)");

export function colour(model, index) {
  const word = model.keywords.indexOf(model.labels[index]);
  if (word < 0) return `hsl(215 10% ${dark.matches ? 62 : 52}% / ${index ? 1 : 0.55})`;
  return `hsl(${(210 + 137.5 * word) % 360} 75% ${dark.matches ? 65 : 40}%)`; // neighbours a golden angle apart
}

export function paint(chart, state, played) {
  const ratio = devicePixelRatio || 1, { width, height } = chart.getBoundingClientRect();
  chart.width = width * ratio;
  chart.height = height * ratio;
  const pen = chart.getContext("2d"), ink = getComputedStyle(chart);
  const newest = state.points.at(-1)?.seconds ?? 0;
  const end = state.live ? Math.max(newest, LIVE_SECONDS) : Math.max(state.length, 1);
  const start = state.live ? end - LIVE_SECONDS : 0;
  const inner = { left: 30, top: 6, width: width - 36, height: height - 26 };
  const x = (seconds) => inner.left + ((seconds - start) / (end - start)) * inner.width;
  const y = (score) => inner.top + (1 - score / LEVELS) * inner.height;
  pen.scale(ratio, ratio);
  pen.font = `12px ${ink.fontFamily}`;
  paintGrid(pen, ink, inner, start, end, x, y);
  pen.save();
  pen.beginPath();
  pen.rect(inner.left, 0, inner.width, height);
  pen.clip();
  paintThresholds(pen, state, ink, inner, y);
  for (const index of state.model.labels.keys()) paintLine(pen, state, index, x, y);
  for (const { word, seconds, score } of state.fired) {
    pen.fillStyle = colour(state.model, state.model.labels.indexOf(word));
    pen.beginPath();
    pen.arc(x(seconds), y(score), 5, 0, 2 * Math.PI);
    pen.fill();
  }
  if (played !== null) {
    pen.fillStyle = ink.color;
    pen.fillRect(x(played), inner.top, 1.5, inner.height);
  }
  pen.restore();
}

function paintGrid(pen, ink, inner, start, end, x, y) {
  pen.strokeStyle = ink.borderTopColor;
  pen.fillStyle = ink.getPropertyValue("--pale");
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const part of [0, 0.5, 1]) {
    pen.fillText(part.toFixed(1), inner.left - 5, y(part * LEVELS));
    pen.beginPath();
    pen.moveTo(inner.left, y(part * LEVELS));
    pen.lineTo(inner.left + inner.width, y(part * LEVELS));
    pen.stroke();
  }
  pen.textAlign = "center";
  pen.textBaseline = "alphabetic";
  const step = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600].find(
    (one) => ((end - start) / one) * 56 < inner.width) ?? 7200;
  for (let tick = Math.ceil(start / step) * step; tick <= end; tick += step) {
    pen.fillText(`${tick} s`, Math.min(x(tick), inner.left + inner.width - 12), inner.top + inner.height + 16);
  }
}

function paintThresholds(pen, state, ink, inner, y) {
  const { labels, keywords, thresholds } = state.model;
  const indices = keywords.map((word) => labels.indexOf(word));
  const same = new Set(indices.map((index) => thresholds[index])).size === 1;
  pen.setLineDash([4, 4]);
  for (const index of same ? indices.slice(0, 1) : indices) {
    pen.strokeStyle = same ? ink.color : colour(state.model, index);
    pen.beginPath();
    pen.moveTo(inner.left, y(thresholds[index]));
    pen.lineTo(inner.left + inner.width, y(thresholds[index]));
    if (thresholds[index] < LEVELS - 1) pen.stroke(); // at 255 a label never fires
  }
  pen.setLineDash([]);
}

function paintLine(pen, state, index, x, y) {
  pen.strokeStyle = colour(state.model, index);
  pen.lineWidth = state.model.keywords.includes(state.model.labels[index]) ? 2 : 1;
  pen.beginPath();
  for (const { seconds, averages } of state.points) pen.lineTo(x(seconds), y(averages[index]));
  pen.stroke();
  pen.lineWidth = 1;
}
