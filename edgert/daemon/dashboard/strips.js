// The strips over the last five minutes: one time axis, and a cursor that reads all of them.

import { colorOf, inkOn } from "./colors.js";
import { SPAN_S } from "./history.js";
import { byId, celsius, clock, known, ms, say, watts } from "./words.js";

const LEFT = 38, RIGHT = 8, TOP = 7, AXIS = 18; // pixels
const AHEAD_S = 30; // room for the forecast
const STRIPS = {
  latency: { limit: "deadline", area: ["median", "p95"], text: ms, scale: 1e3, from: 0 },
  power: { limit: "budget", cap: "cap", text: watts, scale: 1 },
  temperature: { limit: "limit", forecast: "forecast", text: celsius, scale: 1 },
};
const canvasOf = (id) => byId(`strip-${id}`).querySelector("canvas");

/** Draws a history, and reads it at a cursor that mouse, finger or arrow keys move. */
export class Strips {
  now_s = Date.now() / 1e3;
  cursor_s = null; // seconds before now
  spoken_s = 0;

  constructor(history) {
    this.history = history;
    const strips = byId("strips");
    for (const name of ["pointermove", "pointerdown"]) {
      strips.addEventListener(name, (event) => this.point(secondsAt(event)));
    }
    for (const name of ["pointerleave", "focusout"]) {
      strips.addEventListener(name, () => this.point(null));
    }
    strips.addEventListener("keydown", (event) => this.key(event));
    const again = () => this.draw(this.now_s);
    new ResizeObserver(again).observe(strips);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  }

  key(event) {
    const step = { ArrowLeft: 2, ArrowRight: -2, PageUp: 30, PageDown: -30 }[event.key];
    if (event.key === "Escape") this.point(null);
    if (!step) return;
    event.preventDefault();
    this.point(clamp((this.cursor_s ?? 0) + step));
  }

  point(cursor_s) {
    if (cursor_s === this.cursor_s) return;
    this.cursor_s = cursor_s;
    this.draw(this.now_s);
  }

  /** Draw everything as of a moment of this machine's clock. */
  draw(now_s) {
    this.now_s = now_s;
    const style = getComputedStyle(document.documentElement);
    this.color = (name) => style.getPropertyValue(`--${name}`).trim();
    this.gaps = this.history.gaps(now_s);
    this.bands = this.history.bands(now_s);
    this.readHeads();
    this.drawBands();
    for (const [id, strip] of Object.entries(STRIPS)) this.drawStrip(id, strip);
    if (now_s - this.spoken_s > 10) this.speak();
  }

  readHeads() {
    const live = this.cursor_s === null;
    const at_s = this.now_s - this.cursor_s;
    const point = live ? this.history.points.at(-1) : this.history.nearest(at_s);
    const band = this.bands.find((each) => each.from <= at_s && at_s <= each.to);
    say(byId("when"), live ? "" : `at ${clock(at_s)}`);
    readHead("configuration", (live ? point?.configuration : band?.name) || "–", "", false);
    for (const [id, { limit, text }] of Object.entries(STRIPS)) {
      const [figure, bound] = [point?.[id], point?.[limit]];
      const over = known(figure) && known(bound) && figure > bound;
      const of = known(bound) ? `of ${text(bound)}` : `no ${limit}`;
      readHead(id, text(figure), point ? of : "nothing heard", over);
    }
  }

  /** What a screen reader is told in place of the pictures, renewed now and then. */
  speak() {
    this.spoken_s = this.now_s;
    const label = (id, text) => canvasOf(id).setAttribute("aria-label", text);
    const names = [...new Set(this.bands.map((band) => band.name))].join(", ");
    label("configuration", `Configurations of the last 5 minutes: ${names || "none"}`);
    for (const [id, { limit, text }] of Object.entries(STRIPS)) {
      const values = this.history.points.map((point) => point[id]).filter(known);
      const range = values.length
        ? `now ${text(values.at(-1))}, between ${text(Math.min(...values))} and ` +
          `${text(Math.max(...values))} in the last 5 minutes`
        : "not read so far";
      const bound = this.history.points.at(-1)?.[limit];
      label(id, `${id}: ${range}, ${limit} ${known(bound) ? text(bound) : "none"}. ` +
        "Arrow keys read it back.");
    }
  }

  /** Take a canvas: as sharp as the screen, cleared, the stretches hatched that are not known. */
  begin(canvas) {
    const [width, height, ratio] = [canvas.clientWidth, canvas.clientHeight, devicePixelRatio];
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
    this.axis = canvas.classList.contains("last");
    this.right = width - RIGHT;
    this.bottom = height - (this.axis ? AXIS : TOP);
    this.pen = canvas.getContext("2d");
    this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.pen.clearRect(0, 0, width, height);
    this.pen.font = "11px system-ui, sans-serif";
    this.pen.lineWidth = 1;
    for (const gap of this.gaps) this.hatch(...gap);
  }

  x(t) {
    return LEFT + ((t - this.now_s + SPAN_S) / (SPAN_S + AHEAD_S)) * (this.right - LEFT);
  }

  hatch(from_s, to_s) {
    const from = Math.max(this.x(from_s), LEFT), to = this.x(to_s), high = this.bottom - TOP;
    this.clip(from, TOP, to - from, high);
    for (let at = from - (from % 7) - high; at < to; at += 7) {
      this.line("gap", [[at, this.bottom], [at + high, TOP]]);
    }
    this.pen.restore();
  }

  clip(...area) {
    this.pen.save();
    this.pen.beginPath();
    this.pen.rect(...area);
    this.pen.clip();
  }

  line(color, points, dash = []) {
    this.pen.strokeStyle = this.color(color);
    this.pen.setLineDash(dash);
    this.pen.beginPath();
    for (const point of points) this.pen.lineTo(...point);
    this.pen.stroke();
  }

  write(text, x, y, align, baseline) {
    this.pen.textAlign = align;
    this.pen.textBaseline = baseline;
    this.pen.fillText(text, x, y);
  }

  drawTime() {
    const narrow = this.right - LEFT < 420;
    this.pen.fillStyle = this.color("quiet");
    for (let back_s = SPAN_S; back_s >= 0; back_s -= 60) {
      const at = Math.round(this.x(this.now_s - back_s)) + 0.5;
      this.line("grid", [[at, TOP], [at, this.bottom]]);
      if (!this.axis || (narrow && back_s % 120)) continue;
      const text = back_s ? `−${back_s / 60} min` : "now";
      this.write(text, Math.max(at, LEFT + 10), this.bottom + AXIS, "center", "bottom");
    }
    if (!this.axis || narrow) return;
    this.write(`+${AHEAD_S} s`, this.right, this.bottom + AXIS, "right", "bottom");
  }

  drawCursor() {
    if (this.cursor_s === null) return;
    const at = Math.round(this.x(this.now_s - this.cursor_s)) + 0.5;
    this.line("ink", [[at, TOP - 4], [at, this.bottom + 2]]);
  }

  drawBands() {
    this.begin(canvasOf("configuration"));
    const { pen, bottom } = this;
    for (const { from, to, name } of this.bands) {
      const left = Math.max(this.x(from), LEFT), right = this.x(to);
      if (right <= left) continue;
      pen.fillStyle = colorOf(name);
      pen.fillRect(left, TOP, right - left, bottom - TOP);
      pen.fillStyle = this.color("card");
      pen.fillRect(left - 0.5, TOP, 1, bottom - TOP); // an edge between two bands
      pen.fillStyle = inkOn(name);
      if (pen.measureText(name).width + 10 > right - left) continue;
      this.write(name, left + 6, (TOP + bottom) / 2, "left", "middle");
    }
    this.drawCursor();
  }

  drawStrip(id, { limit, cap, area, forecast, scale, from }) {
    this.begin(canvasOf(id));
    this.drawTime();
    this.drawScale([id, limit, forecast, ...(area ?? [])].filter(Boolean), cap, scale, from);
    this.clip(LEFT, TOP - 4, this.right - LEFT, this.bottom - TOP + 8);
    if (area) this.fill("area", area, (point) => point[area[1]]);
    this.drawLine(limit, "limit", [6, 4]);
    if (cap) this.drawLine(cap, "cap", [2, 3]);
    this.fill("over", [limit, id], (point) => Math.max(point[id], point[limit]));
    this.pen.lineWidth = 1.8;
    this.drawLine(id, "line");
    if (forecast) this.drawForecast(this.history.points.at(-1));
    this.pen.restore();
    this.drawCursor();
  }

  drawScale(keys, cap, scale, from) {
    const { points } = this.history;
    const values = points.flatMap((point) => keys.map((key) => point[key])).filter(known);
    const high = Math.max(...values);
    // a cap far above everything says only that it is far
    const caps = points.map((point) => point[cap]).filter(known);
    values.push(...caps.filter((value) => value < 1.5 * high));
    if (!values.length) values.push(0, 1 / scale);
    if (known(from)) values.push(from);
    const range = niceScale(scale * Math.min(...values), scale * Math.max(...values), 4);
    const [first, last] = range, high_px = this.bottom - TOP;
    this.y = (value) => this.bottom - ((value * scale - first) / (last - first)) * high_px;
    for (const tick of ticks(range)) {
      const at = Math.round(this.y(tick / scale)) + 0.5;
      this.line("grid", [[LEFT, at], [this.right, at]]);
      this.write(String(Number(tick.toFixed(6))), LEFT - 6, at, "right", "middle");
    }
  }

  /** Runs of neighbouring points that have all of `keys`. */
  runs(keys) {
    const runs = [];
    let open = null;
    this.history.points.forEach((point, index) => {
      if (!keys.every((key) => known(point[key]))) open = null;
      else if (open && this.history.joined(index)) open.push(point);
      else runs.push((open = [point]));
    });
    return runs;
  }

  /** A figure over time; what was set, and is drawn dashed, goes in steps. */
  drawLine(key, color, dash) {
    for (const run of this.runs([key])) {
      const at = run.flatMap((point, index) => {
        const before = dash && index ? [[this.x(point.t), this.y(run[index - 1][key])]] : [];
        return [...before, [this.x(point.t), this.y(point[key])]];
      });
      if (at.length === 1) at.push([at[0][0] + 1, at[0][1]]);
      this.line(color, at, dash);
    }
  }

  /** What lies between the first of two figures and `top`. */
  fill(color, keys, top) {
    const { pen } = this;
    pen.fillStyle = this.color(color);
    for (const run of this.runs(keys)) {
      pen.beginPath();
      for (const point of run) pen.lineTo(this.x(point.t), this.y(top(point)));
      for (const point of run.reverse()) pen.lineTo(this.x(point.t), this.y(point[keys[0]]));
      pen.fill();
    }
  }

  drawForecast(point) {
    if (!point || !known(point.forecast) || !point.forecast_s || !known(point.temperature)) return;
    const share = Math.min(1, AHEAD_S / point.forecast_s);
    const end_c = point.temperature + share * (point.forecast - point.temperature);
    const end = [this.x(point.t + point.forecast_s * share), this.y(end_c)];
    const { pen } = this;
    pen.lineWidth = 2.4;
    this.line("line", [[this.x(point.t), this.y(point.temperature)], end], [2, 3]);
    pen.fillStyle = this.color("line");
    pen.beginPath();
    pen.arc(...end, 3, 0, 7);
    pen.fill();
  }
}

const clamp = (back_s) => Math.min(Math.max(back_s, 0), SPAN_S);

/** How long before now that is where the pointer is; null beside the pictures. */
function secondsAt({ target, clientX }) {
  if (target.tagName !== "CANVAS") return null;
  const box = target.getBoundingClientRect();
  const share = (clientX - box.left - LEFT) / (box.width - LEFT - RIGHT);
  return clamp(SPAN_S - share * (SPAN_S + AHEAD_S));
}

function readHead(id, value, of, over) {
  const figure = byId(`strip-${id}`);
  say(figure.querySelector("output"), value);
  say(figure.querySelector(".of"), over ? `${of}: over` : of);
  figure.classList.toggle("over", over);
}

/** First and last value of a scale around [low, high], and the step of its ticks. */
export function niceScale(low, high, steps) {
  const span = Math.max(high - low, Math.abs(high) * 0.05, 1e-9) * 1.06;
  const power = 10 ** Math.floor(Math.log10(span / steps));
  const times = [1, 2, 2.5, 5, 10].find((each) => each * power * steps >= span);
  const step = times * power;
  const first = Math.floor(low / step + 1e-9) * step;
  return [first, (Math.ceil((4 * (low + span)) / step - 1e-9) * step) / 4, step];
}

/** The ticks of such a scale. */
export function ticks([first, last, step]) {
  const many = Math.floor((last - first) / step + 1e-9) + 1;
  return Array.from({ length: many }, (_, index) => first + index * step);
}
