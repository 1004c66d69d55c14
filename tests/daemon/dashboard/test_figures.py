"""What the page shows is what the API says."""

import json
import urllib.request
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.daemon.dashboard.conftest import PAGE, Door, Watched

pytestmark = pytest.mark.system
NONE = "\N{EN DASH}"  # what stands where nothing is known


def api(door: Door, path: str) -> Any:
    with urllib.request.urlopen(f"{door.url}{path}", timeout=5) as answer:
        return json.loads(answer.read())


def test_the_strips_read_what_the_status_says(door: Door, watched: Watched) -> None:
    status = api(door, "v1/status")
    limits = status["wanted"]["limits"]
    assert watched.text("#strip-configuration output") == status["configuration"]
    assert watched.text("#strip-latency output") == f"{status['latency_s'] * 1e3:.1f} ms"
    assert watched.text("#strip-latency .of") == f"of {limits['deadline_s'] * 1e3:.1f} ms"
    assert watched.text("#strip-power output") == f"{status['telemetry']['power_w']:.2f} W"
    assert watched.text("#strip-power .of") == f"of {limits['power_w']:.2f} W"
    assert watched.text("#strip-temperature .of") == f"of {limits['temp_c']:.1f} °C"
    assert watched.text("#reason") == status["reason"]
    facts = watched.text("#facts").split("\n")
    assert facts[facts.index("late") + 1] == "10, 0.13 %"  # of the frames that were not skipped
    assert facts[facts.index("skipped") + 1] == "12, 0.15 %"
    assert facts[facts.index("switches") + 1] == str(status["switches"])

    door.service.set(latency_s=0.0987, configuration="c388", reason="another reason")
    watched.wait_text("#strip-latency output", "98.7 ms")
    watched.wait_text("#active", "c388")
    assert watched.text("#strip-latency .of") == "of 50.0 ms: over"
    assert watched.text("#reason") == "another reason"


def test_every_figure_of_power_and_heat_says_where_it_comes_from(
    door: Door, watched: Watched
) -> None:
    assert watched.text("#strip-power .source") == "emulated"
    assert watched.text("#strip-temperature .source") == "emulated"
    assert "energy (emulated)" in watched.text("#facts")
    assert "power\nemulated" in watched.text("#configurations thead")
    assert "energy\nemulated" in watched.text("#configurations thead")
    assert "J (emulated)" in watched.text("#shadow")
    assert watched.text("#board") == "emulated board: emulated-orin-nano"
    watched.page.select_option("#axis-x", "energy")
    assert "energy per frame, J (emulated)" in watched.page.text_content("#plot")

    telemetry = door.service.current.telemetry
    assert telemetry is not None
    measured = msgspec.structs.replace(telemetry, provenance="measured")
    door.service.set(board="", telemetry=measured)
    watched.wait_text("#strip-power .source", "measured")
    assert watched.text("#strip-temperature .source") == "measured"
    assert not watched.page.is_visible("#board")
    # What the profile was measured on stays what it is, whatever the sensors are now.
    assert "power\nemulated" in watched.text("#configurations thead")
    assert "energy per frame, J (emulated)" in watched.page.text_content("#plot")


def test_what_was_not_read_is_no_zero(door: Door, watched: Watched) -> None:
    door.service.set(telemetry=None, latency_s=None, energy_j=None)
    watched.wait_text("#strip-power output", NONE)
    assert watched.text("#strip-temperature output") == NONE
    assert watched.text("#strip-latency output") == NONE
    assert "no telemetry: power and heat are not known" in watched.text("#notices")


def test_configurations_are_listed_with_agreement_and_absence(
    door: Door, watched: Watched
) -> None:
    rows = watched.page.query_selector_all("#configurations tbody tr")
    told = api(door, "v1/configurations")
    assert len(rows) == len(told)
    for row, each in zip(rows, told, strict=True):
        text = row.inner_text()
        assert each["name"] in text
        assert f"{each['accuracy']:.3f}" in text
        assert f"{each['latency_s'] * 1e3:.1f} ms" in text
        assert ("active" in text) == each["active"]
        assert each["absence"] in text
    assert f"93.0 %\n91.0{NONE}95.0 %, 212" in watched.text("#configurations")
    label = watched.page.get_attribute("#plot", "aria-label")
    assert "Active: c630" in label
    watched.page.select_option("#axis-y", "agreement")
    assert watched.page.locator("#plot .whisker").count() == 1


def test_streams_show_state_drops_and_why_not(door: Door, watched: Watched) -> None:
    yard = watched.text("article[aria-label='stream yard']")
    assert "running" in yard
    assert "14.9 of 15" in yard
    assert "newer frame 312, queue full 4" in yard
    assert "rtsp://camera.example/yard" in yard
    gate = watched.text("article[aria-label='stream gate']")
    assert "offline" in gate
    assert "connection refused; tried again in 8 s" in gate


def test_a_live_picture_comes_only_while_it_is_in_sight(door: Door, watched: Watched) -> None:
    image = "article[aria-label='stream yard'] img"
    watched.page.evaluate("scrollTo(0, 0)")
    watched.wait_for(f"() => !document.querySelector(\"{image}\").hasAttribute('src')")
    watched.page.locator("#streams").scroll_into_view_if_needed()
    watched.page.evaluate("scrollTo(0, document.body.scrollHeight)")
    watched.wait_for(f'() => document.querySelector("{image}").naturalWidth === 320')
    assert watched.page.get_attribute(image, "src") == "v1/streams/yard/video.mjpeg"
    number = door.service.live["yard"].number
    watched.wait_for(f'() => !document.querySelector("{image}").hidden')
    watched.page.evaluate("scrollTo(0, 0)")
    watched.wait_for(f"() => !document.querySelector(\"{image}\").hasAttribute('src')")
    assert number > 0
    offline = watched.page.get_attribute("article[aria-label='stream gate'] img", "src")
    assert offline is None


def test_single_pictures_come_where_live_ones_do_not(
    door: Door, open_page: Callable[..., Watched]
) -> None:
    watched = open_page("about:blank")
    watched.url = door.url
    watched.requests.clear()
    watched.expected = ("503",)
    watched.page.route("**/video.mjpeg", lambda route: route.fulfill(status=503, body="full"))
    watched.page.goto(door.url)
    watched.wait_text("#streams", "yard")
    watched.page.evaluate("scrollTo(0, document.body.scrollHeight)")
    image = "article[aria-label='stream yard'] img"
    watched.wait_for(f'() => document.querySelector("{image}").naturalWidth === 320', within_s=8)
    assert "picture.jpg" in watched.page.get_attribute(image, "src")


def test_the_daemon_is_asked_at_most_twice_a_second(watched: Watched) -> None:
    watched.page.evaluate("scrollTo(0, document.body.scrollHeight)")
    before = len(watched.requests)
    watched.page.wait_for_timeout(6000)
    assert len(watched.requests) - before <= 12
    assert sum("v1/status" in one.url for one in watched.requests[before:]) >= 4


def test_the_page_is_small_and_whole(door: Door, watched: Watched) -> None:
    files = [path for path in PAGE.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 75_000
    travelled = sum(
        one.sizes()["responseBodySize"] for one in watched.requests if "/v1/" not in one.url
    )
    assert 5_000 < travelled < 30_000
    asked = {one.url.removeprefix(door.url) for one in watched.requests}
    assert {f"dashboard/{path.name}" for path in files} - asked <= {
        "dashboard/index.html",
        "dashboard/icon.svg",
    }
