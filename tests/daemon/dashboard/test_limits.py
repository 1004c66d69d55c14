"""Limits as controls: what is asked arrives, what is refused is said, nothing typed is lost."""

from collections.abc import Callable

import pytest

from edgert.errors import ArtifactError
from edgert.records import WantedChange
from tests.daemon.dashboard.conftest import PAGE, Door, Watched

pytestmark = pytest.mark.system


def changes(door: Door) -> list[WantedChange]:
    return [change for change, _ in door.service.changes]


def test_a_limit_is_applied_and_only_what_was_changed_is_sent(
    door: Door, watched: Watched
) -> None:
    assert watched.page.input_value("#limit-deadline_s") == "50"
    assert watched.page.is_disabled("#apply")
    watched.page.fill("#limit-deadline_s", "33.3")
    watched.page.click("#apply")
    watched.wait_text("#answer", "Applied: deadline 33.3 ms.")
    assert changes(door) == [WantedChange(deadline_s=0.0333)]
    assert door.service.wanted.limits.deadline_s == 0.0333
    assert door.service.wanted.limits.power_w == 12.0
    assert watched.text("#limit-deadline_s-now") == "now 33.3 ms"
    watched.wait_text("#strip-latency .of", "of 33.3 ms")
    assert watched.page.is_disabled("#apply")


def test_enter_applies_several_and_an_empty_field_takes_a_limit_away(
    door: Door, watched: Watched
) -> None:
    watched.page.fill("#limit-power_w", "9.5")
    watched.page.fill("#limit-temp_c", "")
    watched.page.press("#limit-temp_c", "Enter")
    watched.wait_text("#answer", "Applied: power 9.5 W, no temperature.")
    assert changes(door) == [WantedChange(power_w=9.5, temp_c=None)]
    watched.wait_text("#strip-temperature .of", "no limit")
    assert watched.text("#limit-temp_c-now") == "no limit now"


def test_energy_and_mission_go_together(door: Door, watched: Watched) -> None:
    watched.page.fill("#limit-energy_j", "57600")
    watched.page.fill("#limit-mission_s", "7200")
    watched.page.click("#apply")
    watched.wait_text("#limit-energy_j-now", "now 57600 J, 16.0 Wh")
    assert watched.text("#limit-mission_s-now") == "now 7200 s, 2 h 0 min"
    assert changes(door) == [WantedChange(energy_j=57600.0, mission_s=7200.0)]


def test_what_the_daemon_refuses_is_said_in_its_words(door: Door, watched: Watched) -> None:
    watched.expected = ("422",)
    watched.page.fill("#limit-energy_j", "1000")
    watched.page.click("#apply")
    watched.wait_text("#answer", "Refused: change limits at energy_j: expected mission_s with it")
    assert "refused" in watched.page.get_attribute("#answer", "class")
    assert watched.page.input_value("#limit-energy_j") == "1000", "what was typed stays"
    assert watched.text("#limit-energy_j-now") == "no limit now"
    watched.page.fill("#limit-energy_j", "")
    watched.page.fill("#limit-power_w", "-3")
    watched.page.click("#apply")
    watched.wait_text("#answer", "power_w")
    assert changes(door) == []
    watched.page.click("#undo")
    assert watched.page.input_value("#limit-power_w") == "12"
    assert watched.text("#answer") == ""


def test_letters_are_no_number_and_nothing_is_sent(door: Door, watched: Watched) -> None:
    watched.page.focus("#limit-power_w")
    watched.page.keyboard.press("Control+A")
    watched.page.keyboard.type("1e")
    watched.page.keyboard.press("Enter")
    watched.wait_text("#answer", "Power: expected a number, or nothing for no limit.")
    assert changes(door) == []


def test_a_pin_switches_and_the_switch_arrives_in_the_list(door: Door, watched: Watched) -> None:
    assert "c462" not in watched.text("#switches")
    watched.page.select_option("#pin", "c462")
    watched.page.click("#apply")
    watched.wait_text("#answer", "Applied: c462 is pinned.")
    watched.wait_text("#switches", "c462 is pinned by the operator")
    assert "c630 → c462" in " ".join(watched.text("#switches li:first-child").split())
    watched.wait_text("#active", "c462")
    watched.wait_text("#others", "limits changed by http")
    watched.page.select_option("#pin", "")
    watched.page.click("#apply")
    watched.wait_text("#answer", "Applied: the controller chooses.")
    assert changes(door) == [WantedChange(pinned="c462"), WantedChange(pinned=None)]


def test_a_switch_that_the_daemon_makes_by_itself_is_told_with_its_reason(
    door: Door, watched: Watched
) -> None:
    door.service.set(configuration="c559", reason="c630 is too warm")
    door.service.events.add("switch", "c630 is too warm", **{"from": "c630", "to": "c559"})
    watched.wait_text("#switches li:first-child", "c630 is too warm", within_s=2)
    watched.wait_text("#active", "c559")


def test_pause_and_resume(door: Door, watched: Watched) -> None:
    assert watched.page.get_attribute("#pause", "aria-pressed") == "false"
    watched.page.click("#pause")
    watched.wait_text("#answer", "Applied: paused, frames are thrown away.")
    assert watched.text("#pause") == "Resume"
    assert watched.page.get_attribute("#pause", "aria-pressed") == "true"
    watched.page.click("#pause")
    watched.wait_text("#answer", "Applied: resumed.")
    assert changes(door) == [WantedChange(paused=True), WantedChange(paused=False)]


def test_what_others_change_shows_but_not_over_what_is_being_typed(
    door: Door, watched: Watched
) -> None:
    watched.page.fill("#limit-power_w", "8")
    door.service.change(WantedChange(power_w=11.0, deadline_s=0.04), by="mqtt")
    watched.wait_text("#limit-power_w-now", "now 11 W")
    assert watched.page.input_value("#limit-power_w") == "8"
    assert watched.page.input_value("#limit-deadline_s") == "40"
    assert watched.page.is_enabled("#apply")


def test_reload_says_what_was_done_or_why_not(door: Door, watched: Watched) -> None:
    watched.page.click("#reload")
    watched.wait_text("#reload-answer", "settings read again; the engines are the same")
    watched.expected = ("409",)
    door.service.reload_error = ArtifactError(
        "take engines", expected="a whole set", got="half of one", advice="Build it again"
    )
    watched.page.click("#reload")
    watched.wait_text("#reload-answer", "Refused: take engines: expected a whole set")


def test_a_token_is_asked_for_and_a_wrong_one_is_told(
    locked_door: Door, open_page: Callable[..., Watched]
) -> None:
    watched = open_page(locked_door.url)
    watched.expected = ("401",)
    watched.wait_text("#login", "A token is needed")
    assert not watched.page.is_visible("#board-view")
    asked = len(watched.requests)
    watched.page.fill("#token", "not this one")
    watched.page.press("#token", "Enter")
    watched.wait_text("#login-answer", "expected the token in daemon.token_file, got another")
    assert len(watched.requests) - asked <= 2, "nothing is polled meanwhile"
    watched.page.fill("#token", locked_door.token)
    watched.page.press("#token", "Enter")
    watched.wait_text("#active", "c630")
    watched.wait_text("#others", "started")
    assert not watched.page.is_visible("#login")
    watched.page.fill("#limit-power_w", "9")
    watched.page.click("#apply")
    watched.wait_text("#answer", "Applied")
    assert changes(locked_door) == [WantedChange(power_w=9.0)]
    assert locked_door.token not in watched.page.content()


def test_the_change_that_is_sent_is_one_that_the_records_know() -> None:
    script = (PAGE / "limits.js").read_text()
    known = set(WantedChange.__struct_fields__)
    keys = {part.split('"')[0] for part in script.split('key: "')[1:]}
    assert keys
    assert keys <= known
