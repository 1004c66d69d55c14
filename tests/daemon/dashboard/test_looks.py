"""Phone, dark, keyboard, contrast; and that nothing in a name or a reason becomes HTML."""

import itertools
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.daemon.dashboard.conftest import Door, Watched

pytestmark = pytest.mark.system
PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 3, "is_mobile": True}
SCREENS = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "phone": PHONE,
    "dark phone": {**PHONE, "color_scheme": "dark"},
}
# Ratio of luminances as WCAG 2 has it, for every element that has text of its own.
_CONTRASTS = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const linear = (part) =>
    part <= 10.31475 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const over = ([r, g, b, a = 1], under) =>
    [r, g, b].map((part, i) => part * a + under[i] * (1 - a));
  const ground = (element) => {
    if (!element) return [255, 255, 255];
    const color = parse(getComputedStyle(element).backgroundColor);
    return color[3] === 0 ? ground(element.parentElement)
      : over(color, color[3] < 1 ? ground(element.parentElement) : [0, 0, 0]);
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const field = element.matches("input:not([type=checkbox]), select");
    if (!(own || field) || !element.checkVisibility()) continue;
    if (element.matches(":disabled, noscript")) continue;
    const style = getComputedStyle(element);
    const svg = element.namespaceURI.endsWith("svg");
    const below = ground(element);
    let opacity = 1;
    for (let at = element; at; at = at.parentElement) opacity *= getComputedStyle(at).opacity;
    const ink = over([...parse(svg ? style.fill : style.color).slice(0, 3), opacity], below);
    const [low, high] = [luminance(ink), luminance(below)].sort((a, b) => a - b);
    found.push({ what: `${element.tagName} ${element.className?.baseVal ?? element.className}: ` +
      element.textContent.slice(0, 30), ratio: (high + 0.05) / (low + 0.05) });
  }
  return found;
}"""
# A name for everything that can be used, as assistive technology computes the simple cases.
_NAMELESS = """() => [...document.querySelectorAll(
    "a, button, input, select, [tabindex], canvas, img, svg")]
  .filter((element) => !element.closest("[aria-hidden=true]") && element.checkVisibility())
  .filter((element) => {
    const by = element.getAttribute("aria-labelledby");
    return !((element.labels && element.labels.length && element.labels[0].innerText.trim())
      || element.getAttribute("aria-label") || element.getAttribute("alt")
      || (by && document.getElementById(by)?.innerText.trim())
      || (element.matches("a, button") && element.innerText.trim()));
  }).map((element) => element.outerHTML.slice(0, 120))"""


@pytest.fixture
def shown(door: Door, open_page: Callable[..., Watched]) -> Callable[..., Watched]:
    """Opens the page on a screen, with something in every list."""

    def show(**screen: Any) -> Watched:
        door.service.events.add("switch", "too warm", **{"from": "c630", "to": "c559"})
        door.service.events.add("over-current", "oc3 counted one more")
        door.service.set(reasons=["the engines are stale"], log_problem="the disk is full")
        watched = open_page(door.url, **screen)
        watched.wait_text("#configurations", "c630")
        watched.wait_text("#switches", "too warm")
        return watched

    return show


@pytest.mark.parametrize("screen", SCREENS)
def test_all_text_has_contrast(shown: Callable[..., Watched], screen: str) -> None:
    watched = shown(**SCREENS[screen])
    found = watched.page.evaluate(_CONTRASTS)
    assert len(found) > 100
    assert [each for each in found if each["ratio"] < 4.5] == []
    # the check sees what is too faint
    watched.page.evaluate("document.querySelector('#reason').style.color = 'rgb(128 128 128)'")
    faint = [each for each in watched.page.evaluate(_CONTRASTS) if each["ratio"] < 4.5]
    assert [each["what"].split(":")[0] for each in faint] == ["P reason"]


@pytest.mark.parametrize("answer", ["applied", "refused"])
@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_answers_and_a_lost_connection_can_be_read(
    shown: Callable[..., Watched], answer: str, color_scheme: str
) -> None:
    watched = shown(color_scheme=color_scheme)
    watched.page.evaluate(
        """(answer) => {
          document.querySelector("#answer").className = `answer ${answer}`;
          document.querySelector("#answer").textContent = "what came of it";
          document.querySelector("#link").dataset.link = "lost";
          document.querySelector("#board-view").classList.add("old");
          document.querySelector("#pause").setAttribute("aria-pressed", "true");
        }""",
        answer,
    )
    found = watched.page.evaluate(_CONTRASTS)
    assert [each for each in found if each["ratio"] < 4.5] == []


@pytest.mark.parametrize("width", [320, 360, 412, 768, 1024, 1440])
def test_no_screen_is_too_narrow(shown: Callable[..., Watched], width: int) -> None:
    watched = shown(viewport={"width": width, "height": 740})
    wide = watched.page.evaluate(
        """() => [...document.querySelectorAll("body *")].filter((element) =>
          element.checkVisibility() && !element.closest(".hidden, .skip")
          && element.getBoundingClientRect().right > innerWidth + 0.5)
          .map((element) => element.outerHTML.slice(0, 100))"""
    )
    assert wide == []
    figures = watched.page.evaluate(
        "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert figures[0] <= figures[1]


def test_dark_is_dark_and_light_is_light(shown: Callable[..., Watched]) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        watched = shown(color_scheme=scheme)
        text = watched.page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        grounds[scheme] = sum(int(part) for part in text[4:-1].split(","))
    assert grounds["light"] > 700
    assert grounds["dark"] < 90


def test_pictures_are_as_sharp_as_the_screen(shown: Callable[..., Watched]) -> None:
    watched = shown(**PHONE)
    sizes = watched.page.evaluate(
        "() => [...document.querySelectorAll('canvas')].map((c) => [c.width, c.clientWidth])"
    )
    assert len(sizes) == 4
    assert all(width == shown_width * 3 for width, shown_width in sizes)


@pytest.mark.parametrize("screen", ["light", "phone"])
def test_everything_has_a_name(shown: Callable[..., Watched], screen: str) -> None:
    watched = shown(**SCREENS[screen])
    watched.wait_for("() => document.querySelector('#strip-power canvas').ariaLabel")
    assert watched.page.evaluate(_NAMELESS) == []
    watched.page.evaluate("() => document.querySelector('label[for=pin]').remove()")
    assert len(watched.page.evaluate(_NAMELESS)) == 1, "the check sees what has none"


def test_ids_are_one_of_a_kind_and_headings_go_down(shown: Callable[..., Watched]) -> None:
    watched = shown()
    ids = watched.page.evaluate("() => [...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    levels = watched.page.evaluate(
        "() => [...document.querySelectorAll('h1,h2,h3')].map((e) => Number(e.tagName[1]))"
    )
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_every_control_is_reached_by_tab_and_shows_it(shown: Callable[..., Watched]) -> None:
    watched = shown()
    reached = []
    for _ in range(40):
        watched.page.keyboard.press("Tab")
        at = watched.page.evaluate(
            """() => [document.activeElement.id || document.activeElement.parentElement.id,
              getComputedStyle(document.activeElement).outlineStyle]"""
        )
        if at[0] in reached:
            break
        assert at[1] == "solid", at
        reached.append(at[0])
    for name in (
        "strip-power",
        "limit-deadline_s",
        "pin",
        "pause",
        "axis-x",
        "switches",
        "live",
        "reload",
    ):
        assert name in reached


def test_the_strips_are_read_back_by_keys_and_by_mouse(
    door: Door, shown: Callable[..., Watched]
) -> None:
    watched = shown()
    door.service.set(latency_s=0.0111)
    watched.wait_text("#strip-latency output", "11.1 ms")
    watched.page.wait_for_timeout(2500)
    door.service.set(latency_s=0.0222)
    watched.wait_text("#strip-latency output", "22.2 ms")
    watched.page.focus("#strip-latency canvas")
    watched.page.keyboard.press("ArrowLeft")
    assert watched.text("#strip-latency output") == "11.1 ms"
    assert watched.text("#when").startswith("at ")
    watched.page.keyboard.press("Escape")
    assert watched.text("#strip-latency output") == "22.2 ms"
    box = watched.page.locator("#strip-power canvas").bounding_box()
    watched.page.mouse.move(box["x"] + 60, box["y"] + 40)
    assert watched.text("#strip-latency output") == "\N{EN DASH}"
    assert watched.text("#strip-latency .of") == "nothing heard"


def test_nothing_moves_while_figures_change(door: Door, watched: Watched) -> None:
    script = """() => [...document.querySelectorAll("section, figure, canvas, h2")]
      .map((element) => Math.round(element.getBoundingClientRect().top + scrollY))"""
    before = watched.page.evaluate(script)
    for latency_s, reason in ((0.123, "a longer reason " * 6), (0.009, "short")):
        door.service.set(latency_s=latency_s, reason=reason, frames=10**9, configuration="c388")
        watched.wait_text("#reason", reason.strip())
        assert watched.page.evaluate(script) == before


def test_a_lost_connection_moves_nothing_on_a_phone(
    door: Door, open_page: Callable[..., Watched]
) -> None:
    watched = open_page(door.url, **PHONE)
    watched.expected = ("ERR_",)
    watched.wait_text("#configurations", "c630")
    script = "() => document.querySelector('#strips').getBoundingClientRect().top"
    before = watched.page.evaluate(script)
    door.kill()
    watched.wait_text("#link", "Connection lost since", within_s=3)
    assert watched.page.evaluate(script) == before


EVIL = "<img src=x onerror=window.pwned=1><script>window.pwned=2</script>"


def test_what_is_told_is_text_whatever_it_contains(door: Door, watched: Watched) -> None:
    stream = door.service.current.streams[0]
    source = msgspec.structs.replace(
        stream.source, reason=EVIL, uri=EVIL, decoder=EVIL, decoder_reason=EVIL,
        dropped={EVIL: 3}, state="failed",
    )  # fmt: skip
    evil_stream = msgspec.structs.replace(stream, name=EVIL, source=source, sinks=[EVIL])
    door.service.set(
        reason=EVIL, reasons=[EVIL], stale=[EVIL], log_problem=EVIL, configuration=EVIL,
        family=EVIL, device=EVIL, board=EVIL, streams=[evil_stream], controller=EVIL,
    )  # fmt: skip
    door.service.listed = [
        msgspec.structs.replace(c, name=EVIL + c.name, absence=EVIL, metric=EVIL)
        for c in door.service.listed
    ]
    door.service.events.add("switch", EVIL, **{"from": EVIL, "to": EVIL})
    door.service.events.add("stream", EVIL)
    watched.wait_text("#reason", EVIL)
    watched.wait_text("#switches", EVIL)
    watched.wait_text("#others", EVIL)
    watched.wait_text("#streams", EVIL)
    watched.wait_text("#configurations", EVIL, within_s=7)
    watched.wait_text("#pin", EVIL, within_s=7)
    assert watched.page.evaluate("() => window.pwned") is None
    assert watched.page.locator("main script, main img[src=x]").count() == 0
    width = watched.page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
    assert width <= 0


def test_the_page_may_do_nothing_but_talk_to_its_daemon(door: Door, watched: Watched) -> None:
    policy = watched.page.evaluate(
        "async () => (await fetch('/')).headers.get('content-security-policy')"
    )
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    watched.expected = ("Content Security Policy",)
    watched.page.evaluate(
        """() => { const script = document.createElement("script");
          script.textContent = "window.pwned = 1"; document.body.append(script); }"""
    )
    assert watched.page.evaluate("() => window.pwned") is None, "the check of the policy works"
    assert any("Content Security Policy" in text for text in watched.messages)
