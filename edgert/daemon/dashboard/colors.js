// One colour for each configuration, from the dearest (dark) to the cheapest (light): told apart
// by lightness, which every eye sees; names stand beside them anyway.

import { make } from "./words.js";

const STOPS = [[84, 84, 184], [36, 133, 176], [62, 176, 140], [158, 199, 78], [240, 214, 92]];
const order = new Map();

/** Take the names in, dearest first. */
export function setOrder(names) {
  order.clear();
  names.forEach((name, index) => order.set(name, index));
}

function parts(name) {
  if (!order.has(name)) return [128, 134, 145]; // of an engine set that was served before
  const place = order.size < 2 ? 0 : (order.get(name) / (order.size - 1)) * (STOPS.length - 1);
  const low = Math.min(Math.floor(place), STOPS.length - 2);
  const [from, to] = [STOPS[low], STOPS[low + 1]];
  return from.map((part, channel) => Math.round(part + (place - low) * (to[channel] - part)));
}

export const colorOf = (name) => `rgb(${parts(name).join(" ")})`;

/** Black or white, whichever can be read on that colour. */
export function inkOn(name) {
  const [r, g, b] = parts(name).map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#0b0e13" : "#ffffff";
}

/** A small square of that colour. */
export function swatch(name) {
  const square = make("span", { class: "swatch" });
  square.style.backgroundColor = colorOf(name);
  return square;
}
