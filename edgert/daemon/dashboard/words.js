// Figures and times as people read them, and elements made of text (never of HTML).

/** Whether there is a figure. */
export const known = (value) => value !== null && value !== undefined && Number.isFinite(value);

export function ms(value_s) {
  if (!known(value_s)) return "–";
  const value = value_s * 1e3;
  return `${value.toFixed(value < 100 ? 1 : 0)} ms`;
}
export const watts = (value) => (known(value) ? `${value.toFixed(2)} W` : "–");
export const celsius = (value) => (known(value) ? `${value.toFixed(1)} °C` : "–");
export const percent = (ratio, digits = 1) =>
  (known(ratio) ? `${(ratio * 100).toFixed(digits)} %` : "–");
export const count = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f");

export function joules(value) {
  if (!known(value)) return "–";
  if (value < 1) return `${(value * 1e3).toFixed(0)} mJ`;
  if (value < 100) return `${value.toFixed(2)} J`;
  return value < 1e4 ? `${value.toFixed(0)} J` : `${(value / 1e3).toFixed(1)} kJ`;
}

export function duration(value_s) {
  if (!known(value_s)) return "–";
  const whole = Math.floor(value_s);
  const [m, h, d] = [60, 3600, 86400].map((unit) => Math.floor(whole / unit));
  if (d) return `${d} d ${h % 24} h`;
  if (h) return `${h} h ${m % 60} min`;
  return m ? `${m} min ${whole % 60} s` : `${whole} s`;
}

/** A moment of the wall clock, in seconds, as HH:MM:SS here. */
export const clock = (unix_s) => new Date(unix_s * 1e3).toTimeString().slice(0, 8);

export const byId = (id) => document.getElementById(id);

/** An element with attributes and children; strings become text. */
export function make(name, attributes = {}, ...children) {
  const kind = SVG_NAMES.has(name) ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml";
  const element = document.createElementNS(kind, name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}
const SVG_NAMES = new Set(["path", "circle", "text", "g", "polyline"]);

/** Set text only where it is another, so that screen readers are told once. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
