// What is asked of the daemon, how often, and whether it answers. One poll a second of the status,
// one every five seconds of the configurations, one long-lived request for events; none while the
// page is hidden.

const POLL_MS = 1000;
const ANSWER_MS = 1700; // with one poll a second, a lost daemon is told of within 3 s
const CONFIGURATIONS_MS = 5000;
const KINDS = ["switch", "throttle", "over-current", "stream", "telemetry", "limits", "engines",
  "service"];

/** The daemon answered, but not with what was asked for; `line` is its own. */
export class Refused extends Error {
  constructor(status, line) {
    super(line);
    this.status = status;
    this.line = line;
  }
}

function lineFrom(text, status) {
  try {
    const said = JSON.parse(text);
    const line = typeof said === "string" ? said : said.error ?? said.detail ?? said.message;
    if (typeof line === "string" && line) return line;
  } catch { /* not JSON: the text itself is the line */ }
  return text.trim().slice(0, 500) || `the daemon answered with status ${status}`;
}

/** One request to the daemon that this page came from. Throws Refused, or what fetch throws. */
export async function ask(path, { method = "GET", body, answerMs = ANSWER_MS } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(path, {
    method, headers, cache: "no-store", signal: AbortSignal.timeout(answerMs),
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Refused(response.status, lineFrom(text, response.status));
  return (response.headers.get("Content-Type") ?? "").includes("json") ? JSON.parse(text) : text;
}

/** Follows the daemon for as long as the page is looked at, and tells `listener` what it hears:
 *  status, configurations, event, restarted, lost(since, line), locked, asleep. */
export class Link {
  constructor(listener) {
    this.listener = listener;
    this.lost = false;
    this.locked = false;
    this.heardMs = Date.now();
    this.uptime_s = 0;
    this.lastId = 0;
    this.configurationsMs = -Infinity;
    this.openedMs = -Infinity;
    this.source = null;
    this.wake = () => {};
    document.addEventListener("visibilitychange", () => this.turn());
  }

  async run() {
    for (;;) {
      const start = performance.now();
      if (!document.hidden && !this.locked) await this.poll(start);
      const rest = POLL_MS - (performance.now() - start);
      await new Promise((go) => {
        this.wake = go;
        if (!document.hidden && !this.locked) setTimeout(go, Math.max(rest, POLL_MS / 2));
      });
    }
  }

  /** The page is hidden, or looked at again. */
  turn() {
    if (document.hidden) {
      this.close();
      this.listener.asleep();
    } else {
      this.heardMs = Date.now();
      this.wake();
    }
  }

  /** Ask again at once, after a change that was made here, or after a login. */
  again() {
    this.locked = false;
    this.configurationsMs = -Infinity;
    this.wake();
  }

  async poll(start) {
    try {
      const status = await ask("v1/status");
      this.heard(status);
      if (start - this.configurationsMs >= CONFIGURATIONS_MS) {
        this.configurationsMs = start;
        this.listener.configurations(await ask("v1/configurations"));
      }
    } catch (error) {
      if (document.hidden) return;
      this.close();
      if (error instanceof Refused && error.status === 401) {
        this.locked = true;
        this.listener.locked();
        return;
      }
      this.lost = true;
      this.listener.lost(this.heardMs, error instanceof Refused ? error.line : "");
    }
  }

  heard(status) {
    if (status.uptime_s < this.uptime_s) { // another process: its events count from 1 again
      this.lastId = 0;
      this.close();
      this.listener.restarted();
    }
    this.uptime_s = status.uptime_s;
    this.heardMs = Date.now();
    this.lost = false;
    this.listener.status(status);
    const closed = this.source === null || this.source.readyState === EventSource.CLOSED;
    if (closed && !document.hidden) this.open();
  }

  open() {
    // refused: not tried again with each poll
    if (this.source && performance.now() - this.openedMs < CONFIGURATIONS_MS) return;
    this.close();
    this.openedMs = performance.now();
    this.source = new EventSource(`v1/events?since=${this.lastId}`);
    for (const kind of KINDS) {
      this.source.addEventListener(kind, (message) => {
        const event = JSON.parse(message.data);
        if (event.id <= this.lastId) return;
        this.lastId = event.id;
        this.listener.event(event);
      });
    }
  }

  close() {
    this.source?.close();
    this.source = null;
  }
}
