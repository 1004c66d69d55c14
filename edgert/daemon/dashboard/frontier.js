// What each configuration costs and how good it is: a plot that marks the active one, and a table.

import { colorOf, swatch } from "./colors.js";
import { niceScale, ticks } from "./strips.js";
import { byId, count, joules, known, make, ms, percent, say, watts } from "./words.js";

const heard = (each) => (each.agreement?.frames ? each.agreement : null); // else nobody measured it
const AXES = {
  "axis-y": {
    accuracy: { name: "accuracy", of: (each) => each.accuracy },
    agreement: { name: "agreement with the full one", of: (each) => heard(each)?.mean },
  },
  "axis-x": {
    latency: { name: "latency, ms", of: (each) => (known(each.latency_s) ? each.latency_s * 1e3 : null) },
    energy: { name: "energy per frame, J", of: (each) => each.energy_j, sensed: true },
    power: { name: "power, W", of: (each) => each.power_w, sensed: true },
  },
};

/** Shows configurations, with where their profile has its power and energy from. */
export class Frontier {
  configurations = [];
  active = "";
  shown = "";

  constructor() {
    for (const [id, axes] of Object.entries(AXES)) {
      byId(id).append(...Object.keys(axes).map((key) => make("option", { value: key }, key)));
      byId(id).addEventListener("change", () => this.draw());
    }
    new ResizeObserver(() => this.draw()).observe(byId("frontier"));
  }

  /** Take in what is listed, dearest first. */
  show(configurations) {
    this.configurations = configurations;
    for (const [id, axes] of Object.entries(AXES)) {
      const options = [...byId(id).options];
      for (const option of options) {
        option.disabled = !configurations.some((each) => known(axes[option.value].of(each)));
      }
      const first = options.find((option) => !option.disabled);
      if (first && byId(id).selectedOptions[0]?.disabled) byId(id).value = first.value;
    }
    this.refresh();
  }

  /** Mark another one as active. */
  mark(active) {
    this.active = active;
    this.refresh();
  }

  /** Of power and energy in the profile: "emulated", "measured"; "" not stated. */
  get source() {
    const stated = this.configurations.map((each) => each.provenance).filter(Boolean);
    return [...new Set(stated)].join(", ");
  }

  refresh() {
    const state = JSON.stringify([this.configurations, this.active]);
    if (state === this.shown) return;
    this.shown = state;
    this.draw();
    this.fillTable();
  }

  draw() {
    const plot = byId("plot");
    const [width, height] = [plot.clientWidth, plot.clientHeight];
    const [up, right] = ["axis-y", "axis-x"].map((id) => AXES[id][byId(id).value]);
    const points = this.configurations
      .map((each) => ({ each, name: each.name, x: right.of(each), y: up.of(each) }))
      .filter(({ x, y }) => known(x) && known(y));
    if (!width || !points.length) return plot.replaceChildren();
    const whiskers = up === AXES["axis-y"].agreement;
    const ys = points.flatMap(({ each, y }) => (whiskers ? [heard(each).low, heard(each).high] : y));
    const area = { left: 46, right: width - 14, top: 14, bottom: height - 36 };
    const xs = niceScale(0, Math.max(...points.map(({ x }) => x)), width < 420 ? 4 : 6);
    const yScale = niceScale(Math.min(...ys), Math.max(...ys), 4);
    const x = (value) => area.left + ((value - xs[0]) / (xs[1] - xs[0])) * (area.right - area.left);
    const y = (value) =>
      area.bottom - ((value - yScale[0]) / (yScale[1] - yScale[0])) * (area.bottom - area.top);
    const name = right.sensed && this.source ? `${right.name} (${this.source})` : right.name;
    const text = (left, top, kind, words) => make("text", { x: left, y: top, class: kind }, words);
    plot.replaceChildren(
      ...ticks(xs).flatMap((tick) => [
        make("path", { d: `M${x(tick)} ${area.top}V${area.bottom}`, class: "grid" }),
        text(x(tick), area.bottom + 15, "tick middle", short(tick))]),
      ...ticks(yScale).flatMap((tick) => [
        make("path", { d: `M${area.left} ${y(tick)}H${area.right}`, class: "grid" }),
        text(area.left - 6, y(tick) + 4, "tick end", short(tick))]),
      text((area.left + area.right) / 2, height - 4, "tick middle", name),
      make("polyline", { points: best(points).map((one) => [x(one.x), y(one.y)]), class: "front" }),
      ...this.marks(points.map((one) => ({ ...one, x: x(one.x), y: y(one.y) })), area,
        (each) => whiskers && [heard(each).low, heard(each).high].map(y)),
    );
    const words = points.map((one) => `${one.name}: ${short(one.y)} at ${short(one.x)}`);
    plot.setAttribute("aria-label",
      `${up.name} over ${name}. Active: ${this.active || "none"}. ${words.join("; ")}`);
  }

  /** Dots with names where there is room; the active one has its name first and lies on top. */
  marks(points, area, ends) {
    const isActive = (point) => point.name === this.active;
    const taken = points.map((point) => {
      const radius = isActive(point) ? 11 : 6;
      return [point.x - radius, point.y - radius, point.x + radius, point.y + radius];
    });
    points.sort((a, b) => isActive(b) - isActive(a));
    return points.map((point) => {
      const { each, name, x: cx, y: cy } = point;
      const active = isActive(point), whisker = ends(each), parts = [];
      if (whisker) parts.push(make("path", { d: `M${cx} ${whisker.join("V")}`, class: "whisker" }));
      if (active) parts.push(make("circle", { cx, cy, r: 10, class: "ring" }));
      const kind = each.resident ? "dot" : "dot absent";
      parts.push(make("circle", { cx, cy, r: active ? 6 : 4.5, fill: colorOf(name), class: kind }));
      const at = place(taken, name.length * 7.4, point, area, active ? 13 : 8);
      if (at) parts.push(make("text", { ...at, class: active ? "strong" : "" }, name));
      return make("g", {}, ...parts);
    }).reverse();
  }

  fillTable() {
    const cell = (text, kind = null) => make("td", { class: kind }, ...[text].flat());
    const rows = this.configurations.map((each) => {
      const agreement = heard(each), active = each.name === this.active;
      const range = agreement && `${(agreement.low * 100).toFixed(1)}–${percent(agreement.high)}`;
      const name = make("th", { scope: "row" }, swatch(each.name), each.name);
      if (active) name.append(make("span", { class: "chip good" }, "active"));
      if (!each.resident) name.append(make("small", {}, each.absence || "not loaded"));
      return make("tr", { class: active ? "runs" : null }, name,
        cell(known(each.accuracy) ? each.accuracy.toFixed(3) : "–"),
        cell(agreement
          ? [percent(agreement.mean), make("small", {}, `${range}, ${count(agreement.frames)}`)]
          : "–"),
        cell(ms(each.latency_s)), cell(ms(each.expected_latency_s), "wide-only"),
        cell(watts(each.power_w), "wide-only"), cell(joules(each.energy_j), "wide-only"),
        cell(count(each.frames), "wide-only"));
    });
    say(byId("metric"), this.configurations[0]?.metric ?? "");
    for (const head of document.querySelectorAll("#configurations .source")) {
      say(head, this.source);
    }
    byId("configurations").tBodies[0].replaceChildren(...rows);
  }

  /** What shadow runs took; null: switched off. `sensed` says where the board's power is from. */
  showShadow(shadow, sensed) {
    if (!shadow) return say(byId("shadow"), "Shadow runs are off: no agreement is measured.");
    const from = shadow.energy_from === "profile" ? this.source : sensed;
    const source = from ? ` (${from})` : "";
    const energy = known(shadow.energy_j) ? ` and ${joules(shadow.energy_j)}${source}` : "";
    const refused = Object.entries(shadow.refused).map(([why, runs]) => `${count(runs)} ${why}`);
    say(byId("shadow"), "Agreement is with the full configuration, on frames that both ran. " +
      `${count(shadow.runs)} shadow runs took ${shadow.busy_s.toFixed(1)} s${energy}; ` +
      `${count(shadow.delayed_frames)} frames waited ${ms(shadow.delay_s)} together` +
      `${refused.length ? `; not run: ${refused.join(", ")}` : ""}.`);
  }
}

const short = (value) => String(Number(value.toPrecision(3)));

/** Those that nothing else beats in both, from left to right. */
function best(points) {
  let most = -Infinity;
  const sorted = points.toSorted((a, b) => a.x - b.x || b.y - a.y);
  return sorted.filter(({ y }) => y > most && ((most = y), true));
}

/** Where a name of that width covers nothing else; null if there is no room. */
function place(taken, wide, { x, y }, area, away) {
  const right = x + away, left = x - away - wide, middle = x - wide / 2;
  const tries = [[right, y + 4], [left, y + 4], [middle, y - away - 2], [middle, y + away + 10],
    [right, y + 16], [right, y - 8]];
  for (const [from, base] of tries) {
    const [to, top, bottom] = [from + wide, base - 10, base + 3];
    if (from < area.left || to > area.right + 12 || top < 0 || bottom > area.bottom) continue;
    if (taken.some(([l, t, r, b]) => from < r && l < to && top < b && t < bottom)) continue;
    taken.push([from, top, to, bottom]);
    return { x: from, y: base };
  }
  return null;
}
