"""Other figures of the same engines while streams are served: nothing stops, all is told."""

import msgspec
import pytest

from edgert.artifacts import read_run
from edgert.control import open_controller
from edgert.control.replay import controller_from_header, replay_run
from edgert.errors import ServiceBusyError
from edgert.records import Agreement, Limits, Profile, RunHeader, Wanted
from edgert.runtime.decision_log import DecisionLog
from edgert.runtime.shadow import ShadowRuns
from edgert.runtime.steered import Steered
from tests.control.toy_board import TRUE
from tests.runtime.fakes import PROFILE
from tests.runtime.stream_fakes import (
    CLOCK,
    HEADER,
    NAMES,
    FakeStreamSource,
    KeepingPolicy,
    Rig,
    serving_of,
    until,
)

LIMITS = Limits(deadline_s=5.0, period_s=0.01)


def measured(**accuracies: float) -> Profile:
    """The profile with accuracies; without any, the dearest counts as the best."""
    known = {"full": 0.9, "c70": 0.8, "c50": 0.7, "c30": 0.6, **accuracies}
    entries = [msgspec.structs.replace(e, accuracy=known[e.name]) for e in PROFILE.entries]
    return msgspec.structs.replace(PROFILE, entries=entries)


def figures_of(profile: Profile, **header) -> tuple:
    made = msgspec.structs.replace(HEADER, profile=profile, limits=LIMITS, **header)
    return open_controller(made.controller, profile, LIMITS, made.thermal), made


class Served:
    """A loop of one stream by the real predictive controller."""

    def __init__(self, folder=None, *, controller="predictive", **parts):
        self.source = FakeStreamSource(1)
        policy, header = figures_of(measured(), controller=controller)
        log = None
        if folder is not None:
            log = DecisionLog(folder, self.header, max_bytes=10**6, files=9)
        self.serving = serving_of(policy=policy, header=header, limits=LIMITS)
        self.rig = Rig(self.source, serving=self.serving, limits=LIMITS, log=log, **parts)

    def header(self) -> RunHeader:
        return self.rig.loop.header()

    def frames(self, count: int):
        for _ in range(count):
            told = len(self.rig.told)
            self.source.push()
            until(lambda told=told: len(self.rig.told) > told or self.rig.error)

    def take(self, profile: Profile, *, shadow=None, **header) -> None:
        self.rig.loop.take_figures(*figures_of(profile, **header), shadow).result(10)

    def ran(self) -> list[str]:
        return [each.line.configuration for each in self.rig.told]


def test_new_figures_are_chosen_by_and_no_frame_is_lost_or_run_twice():
    one = Served()
    with one.rig.running() as loop:
        until(lambda: one.rig.told)
        controller = one.serving.controller
        one.frames(3)
        one.take(measured(c50=0.95))
        one.frames(3)
        figures = loop.figures()
    assert one.ran()[:4] == ["full"] * 4
    assert [each.line.frame for each in one.rig.told] == list(range(7))
    assert figures.frames == 7
    assert one.serving.controller is controller  # what it knows of the board it goes on knowing
    assert (
        controller.state().profile
        != open_controller("predictive", measured(), LIMITS).state().profile
    )
    assert one.serving.profile == measured(c50=0.95)


def test_the_choice_follows_once_it_may():
    """With dwell and ration, as any free climb; the accuracies alone are new."""
    controller, header = figures_of(measured())
    steered = Steered(controller, LIMITS, header)
    now_s = 0.0

    def decided(frames: int) -> str:
        nonlocal now_s
        for _ in range(frames):
            now_s += 0.5
            name = controller.decide(now_s, None).configuration
        return name

    assert decided(20) == "full"
    steered.take_figures(*figures_of(measured(c50=0.95)))
    assert decided(20) == "c50"


def test_a_file_of_the_log_begins_with_the_new_figures_and_replays(tmp_path):
    one = Served(tmp_path)
    with one.rig.running() as loop:
        until(lambda: one.rig.told)
        one.frames(20)
        loop.change(Wanted(limits=LIMITS, pinned="c70"))
        one.frames(5)
        one.take(measured(c50=0.95), stale=["aged"])
        one.frames(20)
    before, after = (read_run(path) for path in sorted(tmp_path.iterdir()))
    assert before[0].profile == measured()
    assert not before[0].goes_on
    header, lines = after
    assert (header.profile, header.stale) == (measured(c50=0.95), ["aged"])
    assert (header.goes_on, header.state.pinned) == (True, "c70")
    assert header.limits == LIMITS
    assert len(lines) == 20
    for header, lines in (before, after):
        assert replay_run(header, lines, controller_from_header(header)).differences == []
    # The control: by the old figures the second file can't be replayed at all.
    with pytest.raises(Exception, match="profile"):
        controller_from_header(msgspec.structs.replace(after[0], profile=measured()))


def test_a_controller_that_learns_nothing_gives_way_to_a_new_one():
    one = Served(controller="fixed-dearest")
    with one.rig.running():
        until(lambda: one.rig.told)
        before = one.serving.controller
        one.take(measured(), controller="fixed-dearest")
        one.frames(1)
    assert one.serving.controller is not before
    assert one.serving.controller.limits == LIMITS
    assert one.ran() == ["full", "full"]


def test_another_controller_begins_anew_and_its_log_replays(tmp_path):
    one = Served(tmp_path)
    with one.rig.running():
        until(lambda: one.rig.told)
        one.take(measured(), controller="fixed-cheapest")
        one.frames(3)
    assert one.ran() == ["full", "c30", "c30", "c30"]
    header, lines = read_run(max(tmp_path.iterdir()))
    assert (header.controller, header.goes_on, header.state) == ("fixed-cheapest", False, None)
    assert replay_run(header, lines, controller_from_header(header)).differences == []


def test_other_thermal_constants_go_on_from_the_state_and_the_log_replays(tmp_path):
    one = Served(tmp_path, wanted=Wanted(limits=LIMITS, pinned="c70"))
    with one.rig.running():
        until(lambda: one.rig.told)
        one.frames(20)
        before, learned = one.serving.controller, one.serving.controller.state()
        one.take(measured(c50=0.95), thermal=TRUE)
        one.frames(20)
    after = one.serving.controller
    assert after is not before
    assert set(one.ran()) == {"c70"}
    header, lines = read_run(max(tmp_path.iterdir()))
    assert (header.thermal, header.goes_on, header.state.pinned) == (TRUE, False, "c70")
    assert header.state.slowdown == pytest.approx(learned.slowdown, rel=0.5) != 1.0
    assert replay_run(header, lines, controller_from_header(header)).differences == []


def test_a_pin_holds_and_one_on_what_has_no_figures_is_dropped_with_words(caplog):
    one = Served(wanted=Wanted(limits=LIMITS, pinned="c70"))
    with one.rig.running() as loop:
        until(lambda: one.rig.told)
        one.take(measured(c50=0.95))
        one.frames(2)
        assert loop.figures().wanted.pinned == "c70"
        less = msgspec.structs.replace(
            PROFILE, entries=[e for e in measured().entries if e.name != "c70"]
        )
        one.take(less)
        one.frames(1)
        figures = loop.figures()
    assert one.ran() == ["c70", "c70", "c70", "full"]
    assert figures.wanted.pinned is None
    assert "the pin is dropped: pin c70" in figures.note


def shadow_of(profile: Profile) -> ShadowRuns:
    return ShadowRuns(
        0.5, full="full", names=NAMES, task="segmentation", profile=profile, clock=CLOCK
    )


def test_what_shadow_runs_have_shown_stays_and_what_they_cost_is_new():
    shadow = shadow_of(measured())
    shadow._estimates["c50"].add(0.8)
    agreement, latency_s = shadow.agreements()["c50"], shadow.cost._latency_s
    dearer = [msgspec.structs.replace(e, latency_s=2 * e.latency_s) for e in PROFILE.entries]
    one = Served(shadow=shadow)
    with one.rig.running() as loop:
        until(lambda: one.rig.told)
        profile = msgspec.structs.replace(PROFILE, entries=dearer)
        one.take(profile, shadow=shadow_of(profile))
        assert loop.figures().agreements["c50"] == agreement
        one.take(measured())  # which has no shadow runs
        assert loop.figures().shadow is None
    assert shadow.cost._latency_s == 2 * latency_s


class Believing(KeepingPolicy):
    def __init__(self, *script):
        super().__init__(*script)
        self.beliefs = []

    def believe(self, accuracies):
        self.beliefs.append(dict(accuracies))

    def state(self):
        return open_controller("predictive", PROFILE, LIMITS).state()

    def restore(self, state):
        raise AssertionError

    def take_profile(self, profile):
        self.profile = profile


def test_beliefs_are_worked_out_anew_from_the_same_agreement():
    class Agreeing:
        def agreements(self):
            return {
                name: Agreement(mean=0.5, low=0.49, high=0.51, frames=100)
                for name in NAMES
                if name != "full"
            }

        def take_profile(self, profile):
            self.profile = profile

        full = "full"

        def __getattr__(self, name):
            return lambda *_, **__: None

    policy = Believing("full")
    serving = serving_of(policy=policy, header=msgspec.structs.replace(HEADER, profile=measured()))
    rig = Rig(FakeStreamSource(), serving=serving, shadow=Agreeing(), shadow_decides=True)
    with rig.running() as loop:
        profile = measured(full=0.6)
        loop.take_figures(*figures_of(profile), Agreeing()).result(10)
    assert policy.profile == profile
    [belief] = policy.beliefs
    assert belief == pytest.approx({"full": 0.6, "c70": 0.3, "c50": 0.3, "c30": 0.3})


def test_a_loop_that_ends_says_that_figures_are_taken_at_the_next_start():
    one = Served()
    with one.rig.running():
        until(lambda: one.rig.told)
    future = one.rig.loop.take_figures(*figures_of(measured()))
    with pytest.raises(ServiceBusyError):
        future.result(10)


def test_without_a_header_nothing_is_known_to_be_the_same():
    policy = KeepingPolicy("full")
    steered = Steered(policy, Limits(), None)
    fresh, header = figures_of(measured())
    steered.take_figures(fresh, header)
    assert steered.controller is fresh
    assert isinstance(steered.header_now(), RunHeader)


def test_a_pin_of_a_controller_that_learns_nothing_is_repeated_in_the_next_file(tmp_path):
    one = Served(tmp_path, controller="ladder", wanted=Wanted(limits=LIMITS, pinned="c50"))
    with one.rig.running():
        until(lambda: one.rig.told)
        one.frames(3)
        one.rig.loop._log._max_bytes = 1  # each line is followed by another file
        one.frames(3)
    assert set(one.ran()) == {"c50"}
    logs = [read_run(path) for path in sorted(tmp_path.iterdir())]
    assert len(logs) >= 3
    for header, lines in logs:
        assert [line.pinned for line in lines[:1]] == ["c50"] * len(lines[:1])
        assert replay_run(header, lines, controller_from_header(header)).differences == []
