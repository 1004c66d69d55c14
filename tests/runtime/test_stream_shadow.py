"""Shadow runs behind frames of several streams: only where nobody waits."""

import msgspec
import pytest

from edgert.records import Agreement, Limits, ShadowOutcome, ShadowStatus
from edgert.runtime.shadow import ShadowRuns
from edgert.runtime.stream import SILENT_S
from edgert.runtime.stream_loop import StreamLoop
from tests.runtime.fakes import PROFILE
from tests.runtime.stream_fakes import (
    CLOCK,
    NAMES,
    FakeEngines,
    FakeStreamSource,
    KeepingPolicy,
    Rig,
    serving_of,
    until,
)


class NotedRun:
    outcome = ShadowOutcome(latency_s=0.01, agreement=0.75)


class NotedShadow:
    """Notes every offer, and may take it."""

    full = "full"

    def __init__(self, cost, *, runs=True):
        self.cost, self.runs = cost, runs
        self.offers, self.arrivals_s = [], []

    def after_frame(self, pool, tensor, logits, line, *, free_s, room, book):
        self.offers.append((line.stream, line.frame, free_s, room))
        return NotedRun() if self.runs else None

    def saw_frame(self, arrived_s):
        self.arrivals_s.append(arrived_s)

    def agreements(self):
        return {
            name: Agreement(mean=0.9, low=0.89, high=0.91, frames=100)
            for name in NAMES
            if name != "full"
        }

    def status(self):
        return ShadowStatus(runs=len(self.offers))


@pytest.fixture
def cost():
    return ShadowRuns(
        0.5, full="full", names=NAMES, task="segmentation", profile=PROFILE, clock=CLOCK
    ).cost


def test_it_is_offered_a_frame_only_when_none_waits(cost):
    shadow = NotedShadow(cost)
    rig = Rig(FakeStreamSource(3), FakeStreamSource(2), shadow=shadow).run_until(5)
    assert [offer[:2] for offer in shadow.offers] == [("s0", 2)]  # the last of five
    assert len(shadow.arrivals_s) == 5
    assert [each.line.shadow for each in rig.told] == [None] * 4 + [NotedRun.outcome]
    assert rig.loop.figures().shadow == ShadowStatus(runs=1)
    assert rig.loop.figures().agreements["c30"].mean == 0.9


def test_frames_stay_in_order_when_one_is_taken_ahead(cost):
    sources = [FakeStreamSource(4), FakeStreamSource(4), FakeStreamSource(1)]
    rig = Rig(*sources, shadow=NotedShadow(cost)).run_until(9)
    assert rig.order() == ["s0", "s1", "s2", "s0", "s1", "s0", "s1", "s0", "s1"]


@pytest.mark.parametrize("other", [{"fps": 0.5}, {"state": "offline"}, {"fps": 0.0}])
def test_streams_that_never_brought_a_frame_take_no_time_from_it(cost, other):
    shadow = NotedShadow(cost, runs=False)
    rig = Rig(FakeStreamSource(1, fps=2.0), FakeStreamSource(**other), shadow=shadow)
    rig.run_until(1)
    [(_, _, free_s, room)] = shadow.offers
    assert 0.3 < free_s < 0.5  # the first stream's next frame is expected 0.5 s after its last
    assert room == ""


@pytest.mark.parametrize(
    ("late_s", "expected"),
    [(-0.2, (0.001, 0.21)), (0.2, (0.0, 0.0)), (SILENT_S + 0.1, (1.0, 2.01))],
    ids=["due", "overdue: at any time", "silent: not waited for"],
)
def test_a_camera_that_fell_silent_is_not_waited_for(cost, late_s, expected):
    shadow = NotedShadow(cost, runs=False)
    slow, other = FakeStreamSource(fps=0.5), FakeStreamSource(fps=10.0)
    rig = Rig(slow, other, shadow=shadow)
    with rig.running():
        other.push(arrived_s=CLOCK.now_s() - 0.1 - late_s)
        until(lambda: len(rig.told) == 1)
        slow.push()
        until(lambda: len(shadow.offers) == 2)
    least_s, most_s = expected
    assert least_s <= shadow.offers[1][2] <= most_s


def test_it_is_told_why_there_is_no_room(cost):
    shadow = NotedShadow(cost, runs=False)
    Rig(FakeStreamSource(1), shadow=shadow, limits=Limits(temp_c=70.0)).run_until(1)
    assert shadow.offers[0][3] == "no temperature read"


def test_a_frame_that_was_left_out_is_not_offered(cost):
    shadow = NotedShadow(cost)
    policy = KeepingPolicy("full", ("full", True))
    Rig(FakeStreamSource(2), shadow=shadow, policy=policy).run_until(2)
    assert shadow.offers == []


class BelievingPolicy(KeepingPolicy):
    def __init__(self, *script):
        super().__init__(*script)
        self.beliefs = []

    def believe(self, accuracies):
        self.beliefs.append(dict(accuracies))


@pytest.mark.parametrize("decides", [True, False])
def test_what_agrees_decides_where_it_shall_and_the_next_line_says_so(cost, decides):
    policy, source = BelievingPolicy("c30"), FakeStreamSource(1)
    rig = Rig(source, shadow=NotedShadow(cost), shadow_decides=decides, policy=policy)
    with rig.running():
        until(lambda: len(rig.told) == 1)
        source.push()
        until(lambda: len(rig.told) == 2)
    if not decides:
        assert policy.beliefs == []
        return
    [belief] = policy.beliefs
    assert set(belief) == set(NAMES)
    assert [each.line.believed for each in rig.told] == [None, belief]


def test_other_engines_bring_their_own_shadow(cost):
    first, second, source = NotedShadow(cost), NotedShadow(cost), FakeStreamSource(1)
    rig = Rig(source, shadow=first)
    with rig.running() as loop:
        until(lambda: len(rig.told) == 1)
        loop.swap(serving_of(), second).result(10)
        source.push()
        until(lambda: len(rig.told) == 2)
        loop.swap(serving_of()).result(10)
        source.push()
        until(lambda: len(rig.told) == 3)
        assert loop.figures().shadow is None
    assert [len(shadow.offers) for shadow in (first, second)] == [1, 1]


def test_real_shadow_runs_see_frames_that_had_to_wait():
    """The frame that comes while one runs is counted with what it waited."""
    source, engines = FakeStreamSource(fps=1.0), FakeEngines()
    shadow = ShadowRuns(
        1.0, full="full", names=NAMES, task="segmentation", profile=PROFILE, clock=CLOCK
    )
    run_beside = engines.run_beside

    def beside(name, tensor):
        source.push()  # it arrives in the middle of the shadow run
        return run_beside(name, tensor)

    engines.run_beside = beside
    rig = Rig(source, engines=engines, policy=KeepingPolicy("c30"), shadow=shadow)
    with rig.running():
        for _ in range(40):
            if shadow.status().runs:
                break
            count = len(rig.told)
            source.push()
            until(lambda count=count: len(rig.told) > count)
        until(lambda: shadow.status().delayed_frames >= 1)
    status = rig.loop.figures().shadow
    assert status.runs >= 1
    assert status.delay_s > 0
    assert isinstance(rig.loop, StreamLoop)
    assert any(each.line.shadow is not None for each in rig.told)
    assert msgspec.json.encode(rig.told[-1].line)
