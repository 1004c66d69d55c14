// Limits as controls. A field shows what is in force until somebody types; Apply sends the fields
// that were changed, and the daemon's own line is shown where it refuses.

import { Refused, ask } from "./link.js";
import { byId, duration, make, say } from "./words.js";

const wattHours = (value_j) => `${(value_j / 3600).toFixed(1)} Wh`;
const FIELDS = [
  { key: "deadline_s", label: "Deadline", unit: "ms", scale: 1e3, step: 1 },
  { key: "power_w", label: "Power", unit: "W", scale: 1, step: 0.1 },
  { key: "temp_c", label: "Temperature", unit: "°C", scale: 1, step: 0.5 },
  { key: "energy_j", label: "Energy", unit: "J", scale: 1, step: 100, hint: wattHours },
  { key: "mission_s", label: "for a mission of", unit: "s", scale: 1, step: 60, hint: duration },
];
const rounded = (value) => Number(value.toPrecision(9)); // 0.033 s is 33 ms, not 33.0000000001

/** The form; `changed` is called after the daemon took something. */
export class LimitsForm {
  constructor(changed) {
    this.changed = changed;
    this.wanted = null;
    this.inputs = new Map(FIELDS.map((field) => [field.key, this.addField(field)]));
    this.pin = byId("pin");
    byId("limits-form").addEventListener("input", () => this.refresh());
    byId("limits-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.apply();
    });
    byId("undo").addEventListener("click", () => {
      for (const input of this.inputs.values()) input.dirty = false;
      this.pin.dirty = false;
      this.show(this.wanted);
      this.answer("", "");
    });
    byId("pause").addEventListener("click", () => this.send({ paused: !this.wanted?.paused }));
  }

  addField({ key, label, unit, step }) {
    const id = `limit-${key}`;
    const input = make("input", {
      id, type: "number", step, inputmode: "decimal", placeholder: "no limit", autocomplete: "off",
      "aria-describedby": `${id}-now`,
    });
    byId("limits-form").querySelector(".fields").append(make("div", { class: "field" },
      make("label", { for: id }, `${label}, ${unit}`), input, make("small", { id: `${id}-now` })));
    input.addEventListener("input", () => { input.dirty = true; });
    return input;
  }

  /** Which configurations can be pinned. */
  offer(names) {
    const offered = [...this.pin.options].slice(1).map((option) => option.value);
    if (names.join("\n") === offered.join("\n")) return;
    const chosen = this.pin.value;
    const options = names.map((name) => make("option", { value: name }, `always ${name}`));
    this.pin.replaceChildren(this.pin.options[0], ...options);
    this.pin.value = names.includes(chosen) ? chosen : this.wanted?.pinned ?? "";
  }

  /** Show what is in force, but keep what somebody is typing. */
  show(wanted) {
    if (!wanted) return;
    this.wanted = wanted;
    for (const { key, unit, scale, hint } of FIELDS) {
      const input = this.inputs.get(key);
      const value = wanted.limits[key];
      const text = value === null ? "" : String(rounded(value * scale));
      if (!input.dirty && input.value !== text) input.value = text;
      const now = [`now ${text} ${unit}`, hint && value !== null && hint(value)];
      say(byId(`limit-${key}-now`), value === null ? "no limit now" : now.filter(Boolean).join(", "));
    }
    if (!this.pin.dirty) this.pin.value = wanted.pinned ?? "";
    const pinned = `now pinned to ${wanted.pinned}, whatever the limits say`;
    say(byId("pin-now"), wanted.pinned ? pinned : "now chosen before each frame");
    byId("pause").setAttribute("aria-pressed", String(wanted.paused));
    say(byId("pause"), wanted.paused ? "Resume" : "Pause");
    this.refresh();
  }

  /** What differs from what is in force, as the daemon wants it; NaN where no number was typed. */
  change() {
    const change = {};
    for (const { key, scale } of FIELDS) {
      const input = this.inputs.get(key);
      if (!input.dirty || !this.wanted) continue;
      const empty = input.value === "" && !input.validity.badInput;
      const value = empty ? null : rounded(input.value === "" ? NaN : Number(input.value) / scale);
      if (value !== this.wanted.limits[key]) change[key] = value;
      else if (document.activeElement !== input) input.dirty = false;
    }
    this.pin.dirty = this.wanted && this.pin.value !== (this.wanted.pinned ?? "");
    if (this.pin.dirty) change.pinned = this.pin.value || null;
    return change;
  }

  refresh() {
    const keys = Object.keys(this.change());
    byId("apply").disabled = byId("undo").disabled = keys.length === 0;
    for (const [key, input] of this.inputs) input.classList.toggle("dirty", keys.includes(key));
    this.pin.classList.toggle("dirty", keys.includes("pinned"));
  }

  async apply() {
    const change = this.change();
    const wrong = FIELDS.find(({ key }) => Number.isNaN(change[key]));
    const expected = "expected a number, or nothing for no limit";
    if (wrong) this.answer("refused", `${wrong.label}: ${expected}.`);
    else if (Object.keys(change).length) await this.send(change);
  }

  /** PATCH /v1/limits, and say what came of it. */
  async send(change) {
    this.answer("", "Asking …");
    try {
      const wanted = await ask("v1/limits", { method: "PATCH", body: change, answerMs: 5000 });
      for (const key of Object.keys(change)) {
        const input = this.inputs.get(key);
        if (input) input.dirty = false;
      }
      if ("pinned" in change) this.pin.dirty = false;
      this.show(wanted);
      this.answer("applied", `Applied: ${words(change)}.`);
      this.changed();
    } catch (error) {
      this.answer("refused", error instanceof Refused
        ? `Refused: ${error.line}`
        : "The daemon did not answer: look at what is in force before trying again.");
    }
    this.refresh();
  }

  answer(kind, text) {
    byId("answer").className = `answer ${kind}`;
    say(byId("answer"), text);
  }
}

function words(change) {
  const fields = FIELDS.filter(({ key }) => key in change).map(({ key, label, unit, scale }) => {
    const name = label.toLowerCase();
    return change[key] === null ? `no ${name}` : `${name} ${rounded(change[key] * scale)} ${unit}`;
  });
  if (change.pinned) fields.push(`${change.pinned} is pinned`);
  if (change.pinned === null) fields.push("the controller chooses");
  if (change.paused) fields.push("paused, frames are thrown away");
  if (change.paused === false) fields.push("resumed");
  return fields.join(", ");
}
