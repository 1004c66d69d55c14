// What runs now and why, what is wrong, and the newest events in words.

import { colorOf, swatch } from "./colors.js";
import { fillFacts } from "./streams.js";
import { byId, clock, count, duration, joules, make, percent, say } from "./words.js";

const KEPT = 60;
const STATES = { ready: "good", paused: "warn", starting: "warn", draining: "warn" };

/** Where power and heat come from: "emulated", "modelled", "measured"; "" unknown. */
export function sourceOf(status) {
  return status.telemetry?.provenance ?? (status.board ? "emulated" : "");
}

/** Fill head and card of the active configuration from a status. */
export function showStatus(status) {
  const source = sourceOf(status);
  const state = status.state === "ready" && !status.ready ? "not ready" : status.state;
  chip(byId("state"), state, STATES[state] ?? "bad");
  byId("board").hidden = !status.board;
  const board = status.board.replace(/^.*\//, "").replace(/\.ya?ml$/, ""); // it may be a path
  chip(byId("board"), `emulated board: ${board}`, "made-up");
  say(byId("family"), [status.family || "no engines", status.device].filter(Boolean).join(" on "));
  document.title = `${status.configuration || state} · edgert`;
  say(byId("active"), status.configuration || "none");
  byId("active-swatch").style.backgroundColor = colorOf(status.configuration);
  say(byId("reason"), status.reason);
  for (const each of document.querySelectorAll("#strips .source")) {
    each.hidden = !source;
    chip(each, source, source === "measured" ? "" : "made-up");
  }
  fillFacts(byId("facts"), [
    ["frames", count(status.frames)],
    ["late", share(status.misses, status.frames - status.skipped)],
    ["skipped", share(status.skipped, status.frames)],
    ["switches", count(status.switches)],
    [`energy${source ? ` (${source})` : ""}`, joules(status.energy_j)],
    ["up for", duration(status.uptime_s)],
  ]);
  showNotices(notices(status));
  say(byId("about"), [`edgert ${status.version}`,
    status.controller && `controller ${status.controller}`,
    status.engine_set && `engines ${status.engine_set.slice(0, 8)}`,
    status.pictures && `${count(status.pictures)} pictures on request`].filter(Boolean).join(", "));
}

const share = (part, all) => (all ? `${count(part)}, ${percent(part / all, 2)}` : count(part));

function notices(status) {
  const { telemetry } = status;
  const notes = [...status.reasons, ...status.stale.map((each) => `stale: ${each}`)];
  if (status.log_problem) notes.push(`decisions are not logged: ${status.log_problem}`);
  if (!telemetry) notes.push("no telemetry: power and heat are not known");
  else if (telemetry.age_s >= 5) notes.push(`telemetry is ${duration(telemetry.age_s)} old`);
  if (telemetry?.throttled) {
    notes.push(["the board throttles", telemetry.throttle_reason].filter(Boolean).join(": "));
  }
  return notes;
}

function showNotices(notes) {
  const list = byId("notices");
  if ([...list.children].map((each) => each.textContent).join("\n") === notes.join("\n")) return;
  list.replaceChildren(...notes.map((note) => make("li", {}, note)));
}

function chip(element, text, kind) {
  say(element, text);
  element.className = `${element.classList.contains("source") ? "source " : ""}chip ${kind}`;
}

/** The newest events, switches apart from the others, newest first. */
export class Log {
  constructor() {
    for (const id of ["switches", "others"]) this.empty(id);
  }

  empty(id) {
    byId(id).replaceChildren(make("li", { class: "quiet" }, "none so far"));
  }

  clear() {
    for (const id of ["switches", "others"]) this.empty(id);
  }

  add(event) {
    const list = byId(event.kind === "switch" ? "switches" : "others");
    if (list.firstChild?.className === "quiet") list.replaceChildren();
    const datetime = new Date(event.unix_s * 1e3).toISOString();
    const time = make("time", { datetime }, clock(event.unix_s));
    const kind = ["over-current", "throttle"].includes(event.kind) ? "bad" : "";
    const what = event.kind === "switch"
      ? this.change(event.facts)
      : [make("span", { class: `chip ${kind}` }, event.kind)];
    const said = `${event.facts.from} → ${event.facts.to}: `; // is beside it already
    const why = event.text.startsWith(said) ? event.text.slice(said.length) : event.text;
    list.prepend(make("li", {}, time, make("span", { class: "what" }, ...what),
      make("span", { class: "why" }, why)));
    while (list.children.length > KEPT) list.lastChild.remove();
  }

  change({ from, to }) {
    const named = (name) => make("span", { class: "named" }, swatch(name), String(name));
    return [...(from ? [named(from), " → "] : []), ...(to ? [named(to)] : [])];
  }
}
