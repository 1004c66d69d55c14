"""A profile that was measured since is taken by a reload, beside engines that stay as they are."""

import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from edgert.artifacts import load_profile, load_state, save_profile
from edgert.control.baselines.figures import rungs_from_profile
from edgert.control.options import fingerprint
from edgert.errors import ArtifactError
from edgert.records import Limits, Profile, WantedChange
from tests.daemon.real_daemon import wait_for
from tests.daemon.sets import Workplace
from tests.daemon.test_service import Stand

SAME = "the engines are the same"


@pytest.fixture
def stand(profiled_once: Path, tmp_path: Path):
    (tmp_path / "state").mkdir(mode=0o700)
    made = []

    def make(**settings) -> Stand:
        made.append(
            Stand(Workplace(profiled_once, tmp_path / "w"), tmp_path / "state", **settings)
        )
        return made[-1]

    yield make
    for one in made:
        one.service.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("edgert-frames")]


def measured(one: Stand, **accuracies: float) -> Profile:
    """Measure again: another accuracy for some, and twice the time for all."""
    profile = one.place.profile
    entries = [
        replace(e, latency_s=2 * e.latency_s, accuracy=accuracies.get(e.name, e.accuracy))
        for e in profile.entries
    ]
    profile = replace(profile, entries=entries)
    save_profile(one.place.profile_path, profile)
    return profile


def reloaded(one: Stand) -> str:
    return one.service.reload(by="http").result(30)


def kept(one: Stand) -> Profile:
    return load_profile(one.folder / "engines" / "current" / "profile.json")


def latencies_s(one: Stand) -> dict[str, float]:
    return {each.name: each.latency_s for each in one.service.configurations()}


def test_new_figures_reach_controller_status_and_store_and_nothing_is_loaded(stand):
    one = stand()
    one.service.start()
    one.frame(5)
    work = one.service._work
    pool, serving = work.engines.pool, work.engines.serving
    controller = serving.controller
    before = latencies_s(one)
    profile = measured(one, full=0.5, c1=0.99)
    told = reloaded(one)
    assert told == f"{SAME}; another profile is taken"
    assert latencies_s(one) == {name: 2 * value for name, value in before.items()}
    assert kept(one) == profile
    assert work.engines.pool is pool
    assert work.engines.serving is serving
    assert work.loop._serving is serving
    assert serving.controller is controller
    wait_for(lambda: one.frames[-1].line.configuration == "c1", "the now most accurate")
    one.frame(5)
    indexes = [each.line.frame for each in one.frames]
    assert indexes == sorted(set(indexes))
    # What is learned is kept soon, as a start would refuse a state of the figures of before.
    learned = one.folder / "engines" / "current" / "learned.json"
    mark = fingerprint(profile)
    wait_for(lambda: learned.exists() and load_state(learned).profile == mark, "the state")
    [event] = [e for e in one.service.events.since(0) if "another profile" in e.text
               and e.kind == "engines"]  # fmt: skip
    assert event.text.startswith(f"set {one.service.status().engine_set[:8]} goes on by")
    assert reloaded(one) == SAME  # the control: once is enough


def test_limits_pin_and_what_is_counted_stay(stand):
    one = stand()
    one.service.start()
    one.service.change(WantedChange(pinned="c2", deadline_s=0.4), by="http")
    one.frame(5)
    measured(one, full=0.5, c1=0.99)
    frames = one.service.status().frames
    assert "another profile" in reloaded(one)
    one.frame(3)
    status = one.service.status()
    assert status.frames >= frames + 3
    assert (status.wanted.pinned, status.wanted.limits) == ("c2", Limits(deadline_s=0.4))
    assert {each.line.configuration for each in one.frames[-3:]} == {"c2"}


def broken(one: Stand) -> str:
    one.place.profile_path.write_text("{")
    return "damaged|expected|JSON"


def gone(one: Stand) -> str:
    one.place.profile_path.unlink()
    return "no such file"


def of_others(one: Stand) -> str:
    profile = one.place.profile
    entries = [replace(entry, name=f"x{entry.name}") for entry in profile.entries]
    save_profile(one.place.profile_path, replace(profile, entries=entries))
    return "figures of xfull, xc2, xc1"


def twice(one: Stand) -> str:
    profile = one.place.profile
    entries = [*profile.entries, profile.entries[0]]
    save_profile(one.place.profile_path, replace(profile, entries=entries))
    return "each name once"


@pytest.mark.parametrize("spoil", [broken, gone, of_others, twice])
def test_one_that_is_of_no_use_leaves_the_last_good_one_and_says_so(stand, spoil):
    one = stand()
    one.service.start()
    one.frame(2)
    before, stored = latencies_s(one), kept(one)
    words = spoil(one)
    told = reloaded(one)
    assert told.startswith(f"{SAME}; the figures of before stay: ")
    assert len(told.splitlines()) == 1
    assert any(word in told for word in words.split("|"))
    assert one.texts("engines")[-1] == told.removeprefix(f"{SAME}; ")
    one.frame(3)
    assert (latencies_s(one), kept(one)) == (before, stored)
    # The next good one is taken all the same.
    save_profile(one.place.profile_path, replace(stored, entries=[
        replace(entry, latency_s=3 * entry.latency_s) for entry in stored.entries
    ]))  # fmt: skip
    assert "another profile is taken" in reloaded(one)
    assert latencies_s(one) == {name: 3 * value for name, value in before.items()}


def test_one_without_a_configuration_s_figures_is_taken_and_told(stand):
    one = stand()
    one.service.start()
    one.frame(2)
    profile = one.place.profile
    save_profile(one.place.profile_path, replace(profile, entries=profile.entries[1:]))
    assert "another profile" in reloaded(one)
    one.frame(3)
    assert one.frames[-1].line.configuration != "full"
    assert latencies_s(one)["full"] is None
    assert any("full not measured" in text for text in one.texts("engines"))
    assert any("full not measured" in text for text in one.service.status().stale)


def test_a_full_disk_is_told_and_the_figures_hold_until_the_end(stand, monkeypatch):
    one = stand()
    one.service.start()
    one.frame(2)
    full = ArtifactError("write x", expected="room", got="no space", advice="Free some")

    def refuse(*_):
        raise full

    monkeypatch.setattr("edgert.daemon.engine_store.save_profile", refuse)
    before = latencies_s(one)
    measured(one)
    assert "another profile is taken" in reloaded(one)
    assert latencies_s(one) == {name: 2 * value for name, value in before.items()}
    assert any(
        text.startswith("the next start begins with the profile of before")
        for text in one.texts("engines")
    )


def test_another_controller_is_taken_too_and_the_status_tells_who_decides(stand):
    one = stand()
    one.service.start()
    one.frame(2)
    assert one.frames[-1].line.configuration == "full"
    # By what was measured: engines of some kilobytes change places on a machine with other work.
    cheapest, other, *_ = (e.name for e in reversed(rungs_from_profile(one.place.profile)))
    one.settings = replace(one.settings, controller="fixed-cheapest")
    assert reloaded(one) == f"{SAME}; another controller is taken"
    wait_for(lambda: one.frames[-1].line.configuration == cheapest, "the cheapest")
    one.service.change(WantedChange(pinned=other), by="http")  # which it would never choose
    wait_for(lambda: one.frames[-1].line.configuration == other, "the pinned one")
    one.service.change(WantedChange(pinned=None), by="http")
    wait_for(lambda: one.frames[-1].line.configuration == cheapest, "the cheapest again")
    assert one.service.status().controller == "fixed-cheapest"
    assert one.service._work.engines.keeper is None  # it learns nothing
    one.settings = replace(one.settings, controller="predictive")
    reloaded(one)
    one.frame(2)
    assert one.service._work.engines.keeper is not None


def test_a_start_with_a_broken_profile_says_that_it_uses_the_one_before(stand):
    one = stand()
    one.service.start()
    one.frame(1)
    one.service.close()
    one.place.profile_path.write_text("{")
    again = Stand(one.place, one.folder)
    again.service.start()
    try:
        again.frame(1)
        assert any(
            text.startswith("the profile of before is used: ") for text in again.texts("engines")
        )
    finally:
        again.service.close()
