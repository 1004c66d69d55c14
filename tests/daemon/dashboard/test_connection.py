"""A daemon that is killed, hangs, comes back; a page that nobody looks at."""

import threading
import time
from collections.abc import Callable

import pytest

from edgert.records import ServiceStatus
from tests.daemon.dashboard.conftest import Door, Watched
from tests.daemon.fake_service import FakeService

pytestmark = pytest.mark.system
LOST = "Connection lost since"


def test_a_lost_connection_is_said_within_3_s_and_found_again(
    door: Door, watched: Watched
) -> None:
    watched.expected = ("ERR_",)
    door.kill()
    watched.wait_text("#link", LOST, within_s=3)
    assert watched.text("#link").endswith("trying again")
    assert watched.page.get_attribute("#link", "role") == "status"
    assert watched.page.locator("#board-view.old").count() == 1
    said = watched.text("#link")
    watched.page.wait_for_timeout(1500)
    assert watched.text("#link") == said, "it says since when, and that doesn't move"

    door.service.set(configuration="c388")
    door.start()
    watched.wait_text("#link", "Connected", within_s=4)
    watched.wait_text("#active", "c388")
    assert watched.page.locator("#board-view.old").count() == 0
    door.service.events.add("stream", "yard is back")
    watched.wait_text("#others", "yard is back", within_s=8)


def test_a_gap_is_hatched_and_no_line_goes_through_it(door: Door, watched: Watched) -> None:
    watched.expected = ("ERR_",)
    watched.page.wait_for_timeout(2500)
    door.kill()
    watched.wait_text("#link", LOST, within_s=3)
    watched.page.wait_for_timeout(3000)
    door.start()
    watched.wait_text("#link", "Connected", within_s=4)
    watched.page.wait_for_timeout(3200)
    found = watched.page.evaluate(
        """async () => {
          const { History, SPAN_S } = await import("/dashboard/history.js");
          const history = new History();
          const status = (configuration) => ({ unix_s: 0, wanted: { limits: {} }, numbers: {},
            telemetry: null, configuration });
          for (const t of [0, 1, 2, 9, 10]) history.add(status("a"), t);
          return { gaps: history.gaps(10), whole: [0, 1, 2, 3, 4].map((i) => history.joined(i)),
            span: SPAN_S };
        }"""
    )
    assert found["gaps"] == [[10 - found["span"], 0], [2, 9]]
    assert found["whole"] == [False, True, True, False, True]
    hatched = watched.page.evaluate(
        """() => {
          const canvas = document.querySelector("#strip-power canvas");
          const pen = canvas.getContext("2d"), scale = devicePixelRatio;
          const style = getComputedStyle(document.documentElement);
          const hex = style.getPropertyValue("--gap").trim().slice(1);
          const gap = [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));
          const rows = 60 * scale, all = pen.getImageData(0, 20 * scale, canvas.width, rows).data;
          const share = (back_s) => { // of the pixels at that moment in the gap's colour
            const x = 38 + ((300 - back_s) / 330) * (canvas.clientWidth - 46);
            let hits = 0;
            for (let row = 0; row < rows; row += 1) {
              const at = 4 * (row * canvas.width + Math.round(x * scale));
              hits += gap.every((part, channel) => Math.abs(all[at + channel] - part) < 12);
            }
            return hits / rows;
          };
          return { lost: share(6), live: share(1.2), before: share(200) };
        }"""
    )
    assert hatched["lost"] > 0.03
    assert hatched["before"] > 0.03, "from before the page was opened nothing is known"
    assert hatched["live"] < 0.03


def test_a_daemon_that_takes_connections_but_does_not_answer_is_lost_too(
    door: Door, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.expected = ("ERR_",)
    answer, may_answer = door.service.status, threading.Event()

    def hang() -> ServiceStatus:
        may_answer.wait(20)
        return answer()

    monkeypatch.setattr(door.service, "status", hang)
    try:
        watched.wait_text("#link", LOST, within_s=3)
    finally:
        may_answer.set()
    watched.wait_text("#link", "Connected", within_s=5)


def test_another_process_behind_the_same_address_starts_its_events_anew(
    door: Door, watched: Watched
) -> None:
    watched.expected = ("ERR_",)
    for number in range(5):
        door.service.events.add("stream", f"before {number}")
    watched.wait_text("#others", "before 4")
    watched.page.wait_for_timeout(1200)
    door.kill()
    watched.wait_text("#link", LOST, within_s=3)
    door.service = FakeService()
    door.service.events.add("stream", "from the new process")
    door.start()
    watched.wait_text("#others", "from the new process", within_s=8)
    assert "before 4" not in watched.text("#others")


def test_a_hidden_page_asks_nothing(door: Door, watched: Watched) -> None:
    watched.page.evaluate(
        """() => {
          Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
          document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    watched.wait_text("#link", "the page is hidden")
    watched.page.wait_for_timeout(300)
    before = len(watched.requests)
    watched.page.wait_for_timeout(3000)
    assert len(watched.requests) == before
    watched.page.evaluate(
        "() => { delete document.hidden; document.dispatchEvent(new Event('visibilitychange')); }"
    )
    watched.wait_text("#link", "Connected")
    door.service.events.add("stream", "while it was looked at again")
    watched.wait_text("#others", "while it was looked at again")


def test_an_error_of_the_daemon_is_shown_with_its_line(
    door: Door, open_page: Callable[..., Watched]
) -> None:
    watched = open_page(door.url)
    watched.wait_text("#link", "Connected")
    watched.expected = ("503",)
    watched.page.route(
        "**/v1/status",
        lambda route: route.fulfill(status=503, json={"error": "too many: try again later"}),
    )
    started = time.monotonic()
    watched.wait_text("#link", "trying again: too many: try again later", within_s=3)
    assert time.monotonic() - started < 3
