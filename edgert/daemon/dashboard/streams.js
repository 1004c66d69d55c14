// One card for each stream: state, figures, drops by cause, a live picture while it is in sight.

import { byId, count, duration, make, ms, say } from "./words.js";

const AT_ONCE = 2; // live pictures: of a browser's six connections events and polls need some
const STILL_MS = 2000; // between two single pictures, of all streams together

/** Keeps the cards of the streams that there are. */
export class Streams {
  constructor() {
    this.cards = new Map();
    this.seen = new Set();
    this.lost = true;
    this.turn = 0;
    this.watcher = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const name = target.dataset.stream;
        if (isIntersecting) this.seen.add(name);
        else this.seen.delete(name);
      }
      this.watch();
    }, { rootMargin: "50px" });
    byId("live").addEventListener("change", () => this.watch());
    document.addEventListener("visibilitychange", () => this.watch());
    setInterval(() => this.still(), STILL_MS);
  }

  show(streams, paused) {
    this.setLost(false);
    const names = streams.map((stream) => stream.name);
    if (names.join("\n") !== [...this.cards.keys()].join("\n")) this.rebuild(names);
    for (const stream of streams) this.cards.get(stream.name).show(stream, paused);
    this.watch();
  }

  rebuild(names) {
    for (const card of this.cards.values()) {
      card.stop();
      this.watcher.unobserve(card.image.parentElement);
    }
    this.seen.clear();
    this.cards = new Map(names.map((name) => [name, new Card(name)]));
    byId("stream-list").replaceChildren(...[...this.cards.values()].map((card) => card.element));
    if (!names.length) byId("stream-list").append("No streams: pictures are run on request only.");
    for (const card of this.cards.values()) this.watcher.observe(card.image.parentElement);
  }

  /** While nobody answers there is nothing to show, and nothing is asked for. */
  setLost(lost) {
    if (lost === this.lost) return;
    this.lost = lost;
    if (lost) this.watch();
  }

  /** Which pictures are live now. */
  watch() {
    const wanted = byId("live").checked && !document.hidden && !this.lost;
    let room = AT_ONCE;
    for (const [name, card] of this.cards) {
      const live = wanted && this.seen.has(name) && card.running && !card.still && room > 0;
      if (live) room -= 1;
      card.setLive(live);
    }
  }

  /** One single picture of the next stream that is in sight and not live. */
  still() {
    if (!byId("live").checked || document.hidden || this.lost) return;
    const cards = [...this.cards.values()].filter((card) => (
      this.seen.has(card.name) && card.running && !card.live));
    if (cards.length) cards[this.turn++ % cards.length].fetchStill();
  }
}

const KINDS = { running: "good", ended: "", connecting: "warn" };
const joined = (by, ...parts) => parts.filter(Boolean).join(by);

class Card {
  constructor(name) {
    this.name = name;
    this.path = `v1/streams/${encodeURIComponent(name)}`;
    this.live = this.running = this.still = false;
    this.image = make("img", { alt: `picture of stream ${name}`, hidden: true });
    this.image.addEventListener("load", () => { this.image.hidden = false; });
    this.image.addEventListener("error", () => this.failed());
    this.state = make("span", { class: "chip" });
    this.reason = make("p", { class: "note" });
    this.figures = make("dl", { class: "facts" });
    this.none = make("span", {}, "no picture");
    this.element = make("article", { class: "stream", "aria-label": `stream ${name}` },
      make("div", { class: "picture", "data-stream": name }, this.none, this.image),
      make("div", {}, make("h3", {}, name, " ", this.state), this.reason, this.figures));
  }

  show(stream, paused) {
    const { source } = stream;
    this.running = source.state === "running" && !paused;
    if (!this.running) this.still = false; // a new picture gets a new try
    say(this.state, paused && source.state === "running" ? "paused" : source.state);
    this.state.className = `chip ${KINDS[source.state] ?? "bad"}`;
    const problem = stream.sink_problem && `pictures are not written: ${stream.sink_problem}`;
    say(this.reason, joined("; ", source.reason, problem));
    say(this.none, this.running ? "no picture" : source.state);
    if (!this.running) this.image.hidden = true;
    const drops = Object.entries(source.dropped).filter(([, frames]) => frames > 0);
    const age_s = source.last_frame_age_s;
    const age = age_s === null ? "none yet" : age_s < 2 ? "just now" : `${duration(age_s)} ago`;
    fillFacts(this.figures, [
      ["frame rate", joined(" of ", stream.served_fps.toFixed(1), source.fps && Number(source.fps.toFixed(2)))],
      ["latency", `${ms(stream.latency_median_s)}, p95 ${ms(stream.latency_p95_s)}`],
      ["waits", `${ms(stream.wait_median_s)}, p95 ${ms(stream.wait_p95_s)}`],
      ["served", joined(", ", count(stream.served), `late ${count(stream.misses)}`,
        `skipped ${count(stream.skipped)}`)],
      ["dropped", joined(", ", ...drops.map(([why, frames]) => `${why} ${count(frames)}`)) || "none"],
      ["reconnects", joined(", ", count(source.reconnects),
        source.damaged && `damaged ${count(source.damaged)}`,
        source.resized && `resized ${count(source.resized)}`)],
      ["source", joined(", ", source.uri, source.width && `${source.width}×${source.height}`)],
      ["decoder", joined(": ", source.decoder || "–", source.decoder_reason)],
      ["goes to", stream.sinks.join(", ") || "nowhere"],
      ["last frame", age],
    ]);
  }

  setLive(live) {
    if (live === this.live) return;
    this.live = live;
    if (live) this.image.src = `${this.path}/video.mjpeg`;
    else this.stop();
  }

  /** No live picture comes: single ones do, if any. */
  failed() {
    this.image.hidden = true;
    if (this.live) {
      this.still = true;
      this.stop();
    }
  }

  fetchStill() {
    this.image.src = `${this.path}/picture.jpg?${Date.now()}`;
  }

  /** Hang up: an image that is only hidden goes on streaming. */
  stop() {
    this.live = false;
    this.image.removeAttribute("src");
    this.image.hidden = true;
  }
}

/** Rows of name and value; the elements stay, so that nothing jumps and selections hold. */
export function fillFacts(list, rows) {
  while (list.children.length < rows.length) list.append(make("div", {}, make("dt"), make("dd")));
  while (list.children.length > rows.length) list.lastChild.remove();
  rows.forEach(([name, value], index) => {
    say(list.children[index].firstChild, name);
    say(list.children[index].lastChild, value);
  });
}
