// Puts the page together: what the link hears goes to those who show it.

import { Log, showStatus, sourceOf } from "./board.js";
import { setOrder } from "./colors.js";
import { Frontier } from "./frontier.js";
import { History } from "./history.js";
import { LimitsForm } from "./limits.js";
import { Link, Refused, ask } from "./link.js";
import { Streams } from "./streams.js";
import { Strips } from "./strips.js";
import { byId, clock, say } from "./words.js";

const RELOAD_MS = 600_000; // engines are verified and warmed before they are taken
const history = new History();
const strips = new Strips(history);
const frontier = new Frontier();
const streams = new Streams();
const log = new Log();
const limits = new LimitsForm(() => link.again());
let early = []; // events that came before the names of the configurations

function setLink(kind, text) {
  byId("link").dataset.link = kind;
  say(byId("link"), text);
  byId("board-view").classList.toggle("old", kind === "lost");
}

const now_s = () => Date.now() / 1e3;

const link = new Link({
  status(status) {
    setLink("found", "Connected");
    showLogin(false);
    history.add(status, now_s());
    showStatus(status);
    limits.show(status.wanted);
    frontier.mark(status.configuration);
    streams.show(status.streams, status.wanted.paused);
    frontier.showShadow(status.shadow, sourceOf(status));
    strips.draw(now_s());
  },
  configurations(configurations) {
    const names = configurations.map((each) => each.name);
    setOrder(names);
    limits.offer(names);
    frontier.show(configurations);
    if (early) for (const event of early) this.tell(event);
    early = null;
    strips.draw(now_s());
  },
  event(event) {
    if (early) early.push(event);
    else this.tell(event);
  },
  tell(event) {
    log.add(event);
    if (event.kind !== "switch") return;
    history.addSwitch(event);
    strips.draw(now_s());
  },
  restarted: () => log.clear(),
  lost(since_ms, line) {
    const said = `Connection lost since ${clock(since_ms / 1e3)}, trying again`;
    setLink("lost", line ? `${said}: ${line}` : said);
    streams.setLost(true);
    strips.draw(now_s());
  },
  locked() {
    setLink("locked", "A token is needed");
    streams.setLost(true);
    showLogin(true);
  },
  asleep: () => setLink("waiting", "Waiting: the page is hidden"),
});

function showLogin(shown) {
  if (byId("login").hidden !== shown) return;
  byId("login").hidden = !shown;
  byId("board-view").hidden = shown;
  if (shown) byId("token").focus();
}

byId("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  say(byId("login-answer"), "");
  try {
    await ask("v1/login", { method: "POST", body: { token: byId("token").value } });
    byId("token").value = "";
    link.again();
  } catch (error) {
    say(byId("login-answer"), error instanceof Refused ? error.line : "The daemon did not answer.");
  }
});

byId("reload").addEventListener("click", async () => {
  const answer = byId("reload-answer");
  byId("reload").disabled = true;
  say(answer, "Reading and verifying …");
  try {
    const said = await ask("v1/reload", { method: "POST", body: {}, answerMs: RELOAD_MS });
    say(answer, said.done);
  } catch (error) {
    say(answer, error instanceof Refused ? `Refused: ${error.line}` : "The daemon did not answer.");
  }
  byId("reload").disabled = false;
});

link.run();
